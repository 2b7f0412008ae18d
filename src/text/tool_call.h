// The body of one tool call, the text between <|tool_call> and <tool_call|>, to calls with JSON
// arguments.
//
// Owns: the strict grammar (gemma4-chat 3.1, 3.2) and, where that fails, the repairs that real
// output needs (3.5). Linear in the length of the body, nesting bounded. Must not know: tokens,
// streaming, thoughts.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace facet {

struct ToolCall {
    std::string name;
    Json arguments;  // an object
};

// Stands for one <|"|> token in a body. No UTF-8 text contains this byte, so the same characters
// spelled by ordinary tokens stay text.
inline constexpr char kQuoteMark = '\xff';

// Containers nested deeper than this make a body malformed.
inline constexpr size_t kCallDepthMax = 100;

struct CallBody {
    std::vector<ToolCall> calls;  // at least one; a body may hold several
    bool repaired = false;        // the strict grammar did not give this result
};

// Parses a body (UTF-8 and quote marks).
//   closed  <tool_call|> was seen. Without it only a body whose containers and strings all end is a
//   call: the end of a
//           command is never invented.
//   tools   the request's tool list or null: where a parameter's schema says string, a bare lexeme
//   becomes one.
// Returns nothing if the body can not be understood.
std::optional<CallBody> parse_call_body(std::string_view body, bool closed, const Json* tools);

// The body as the model wrote it, <|"|> printed.
std::string call_body_text(std::string_view body);

}  // namespace facet
