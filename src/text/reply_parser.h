// A model's output, token by token, to thoughts, answer text and tool calls; with the repairs that
// real output needs.
//
// Works on token ids: structure is a special token; the same characters spelled by ordinary tokens
// are text. Owns: the state machine (3.3), hold-back (3.4). The body of a call is parsed by
// tool_call.h (3.1, 3.2, 3.5). Source: gemma4-chat chapter 3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/detokenizer.h"
#include "text/tool_call.h"
#include "text/vocabulary.h"

namespace facet {

struct ReplyEvent {
    // kThoughtRetracted: what was sent as thought was the answer after all (3.3, never-closed
    // thought); a kText with that text follows.
    enum class Kind { kThought, kText, kToolCall, kThoughtRetracted };
    Kind kind = Kind::kText;
    std::string text;  // kThought, kText: new text
    ToolCall call;     // kToolCall
};

enum class EndedBy { kStop, kLength };
enum class FinishReason { kStop, kLength, kToolCalls };
std::string_view finish_reason_name(FinishReason reason);

class ReplyParser {
  public:
    // tools: the request's tool list (or null), used to keep a bare lexeme a string where the
    // schema says string. prompt_opened_thought: the prompt ended in a half-open thought.
    // The vocabulary and the tools must outlive the parser.
    ReplyParser(const Vocabulary& vocabulary, const Json* tools, bool prompt_opened_thought);

    // Feeds one token, an id inside the vocabulary; returns the events it made certain. End tokens
    // (eos, turn end, tool response, turn begin) end the reply: done() is true from then on and
    // further tokens are ignored.
    std::vector<ReplyEvent> push(int32_t id);
    // Ends the reply (no more tokens, however that came); returns the last events.
    std::vector<ReplyEvent> finish(EndedBy ended_by);

    bool done() const { return done_; }
    // The next token belongs to the thought (for budgets and usage).
    bool in_thought() const { return state_ == State::kThought; }
    bool in_call() const { return state_ == State::kCall; }  // inside <|tool_call>
    bool repaired() const { return repaired_; }              // a call needed a repair
    bool malformed() const {
        return malformed_;
    }  // something meant as a call could not be understood
    FinishReason finish_reason() const { return finish_reason_; }  // valid after finish()

  private:
    using Events = std::vector<ReplyEvent>;
    // kStart: content, until the text is known not to begin with the label of a thought whose
    // opener was swallowed.
    enum class State { kStart, kContent, kThought, kCall };

    void add_special(Special special, Events& events);
    void add_text(std::string_view text, Events& events);
    void leave_start(Events& events);

    void begin_thought();
    void end_thought(Events& events);
    void add_thought(std::string_view text, Events& events);
    void emit_thought(std::string_view text, Events& events);
    void retract_thought(Events& events);

    void add_content(std::string_view text, Events& events);

    void add_special_to_call(Special special, Events& events);
    void begin_call();
    void end_call(bool closed, Events& events);
    bool accept_call(bool closed, Events& events);

    const Vocabulary* vocabulary_;
    const Json* tools_;
    Detokenizer detokenizer_;
    State state_;
    std::string start_;  // kStart: the text so far, a prefix of the label

    // The open thought.
    bool expects_label_ = false;
    std::string label_;               // what came of it so far
    bool holds_newline_ = false;      // not sent: perhaps the one before <channel|>
    bool thought_has_text_ = false;   // of this thought something was sent
    bool is_retractable_ = false;     // the model did not open it itself
    std::string retractable_;         // if so, what was sent
    bool reply_has_thought_ = false;  // of any thought something was sent

    // Content.
    std::string held_space_;    // not sent: perhaps the trailing whitespace
    bool has_content_ = false;  // something was sent
    bool follows_structure_ =
        false;  // a thought or call came before: leading whitespace is dropped

    // The open call.
    std::string body_;  // UTF-8 and kQuoteMark
    bool in_string_ = false;

    bool has_calls_ = false;
    bool repaired_ = false;
    bool malformed_ = false;
    bool done_ = false;
    bool is_finished_ = false;
    FinishReason finish_reason_ = FinishReason::kStop;
};

}  // namespace facet
