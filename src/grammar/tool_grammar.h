// Tool calls as a grammar: from <|tool_call> on, a call can not be malformed.
//
// Owns: the shape of a call (docs gemma4-chat 3.1, 3.6). Must not know: when calls are wanted; the
// caller says from which token on the grammar holds.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"

namespace facet {

struct ToolCallTokens {
    int32_t call_begin = -1;  // <|tool_call>
    int32_t call_end = -1;    // <tool_call|>
    int32_t quote = -1;       // <|"|>
};

struct ToolGrammarOptions {
    // The grammar begins after a <|tool_call> that has been sampled, not before the first one.
    bool has_begun = false;
    uint32_t calls_max = kRepeatUnbounded;  // 1: no parallel calls
    // Only this tool; empty for any.
    std::string name;
};

// One or more calls of declared tools: <|tool_call>call:NAME{key:value,..}<tool_call|>. Keys are
// sorted; strings stand between <|"|>. A tool whose function says "strict": true is kept to exactly
// or refused; of others, what can not be enforced is left out.
//   tools  OpenAI's list: [{"type":"function","function":{"name":..,"parameters":..,"strict":..}}]
// Errors: no tool (of that name), a tool without a name that can be written, a strict tool's
// keyword that can not be enforced (with its path), the limits of GrammarBuilder.
Result<Grammar> compile_tool_calls(const Json& tools, const ToolCallTokens& tokens,
                                   const ToolGrammarOptions& options = {});

}  // namespace facet
