#include "text/reply_parser.h"

#include <optional>
#include <utility>

#include "text/python_text.h"

namespace facet {

namespace {

constexpr std::string_view kLabel =
    "thought\n";  // what follows <|channel>; the newline may be missing

bool is_end(Special special) {
    return special == Special::kEos || special == Special::kTurnEnd ||
           special == Special::kToolResponseBegin || special == Special::kTurnBegin;
}

// Adds text to the last event if it is of the same kind, so that one push gives few events.
void emit(ReplyEvent::Kind kind, std::string_view text, std::vector<ReplyEvent>& events) {
    if (text.empty()) return;
    if (events.empty() || events.back().kind != kind) events.push_back({kind, {}, {}});
    events.back().text += text;
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
    switch (reason) {
        case FinishReason::kStop: return "stop";
        case FinishReason::kLength: return "length";
        case FinishReason::kToolCalls: return "tool_calls";
    }
    return "";
}

ReplyParser::ReplyParser(const Vocabulary& vocabulary, const Json* tools,
                         bool prompt_opened_thought)
    : vocabulary_(&vocabulary),
      tools_(tools),
      detokenizer_(vocabulary),
      state_(prompt_opened_thought ? State::kThought : State::kStart),
      is_retractable_(prompt_opened_thought) {}

std::vector<ReplyEvent> ReplyParser::push(int32_t id) {
    Events events;
    if (done_) return events;
    add_text(detokenizer_.push(id), events);
    const int special = vocabulary_->special_of(id);
    if (special >= 0) add_special(static_cast<Special>(special), events);
    return events;
}

std::vector<ReplyEvent> ReplyParser::finish(EndedBy ended_by) {
    Events events;
    if (is_finished_) return events;
    // After an end token the model has stopped by itself, even if that was the last token allowed.
    const bool is_cut = ended_by == EndedBy::kLength && !done_;
    done_ = is_finished_ = true;
    add_text(detokenizer_.finish(), events);
    if (state_ == State::kStart) leave_start(events);
    if (state_ == State::kThought) {
        if (is_retractable_ && !is_cut && !has_content_ && !has_calls_) {
            retract_thought(events);
        } else {
            end_thought(events);
        }
    }
    if (state_ == State::kCall) {
        // What was cut in the middle of a call is neither a call nor an answer.
        if (is_cut) {
            accept_call(false, events);
        } else {
            end_call(false, events);
        }
    }
    state_ = State::kContent;
    finish_reason_ = is_cut       ? FinishReason::kLength
                     : has_calls_ ? FinishReason::kToolCalls
                                  : FinishReason::kStop;
    return events;
}

// gemma4-chat 3.3, the table.
void ReplyParser::add_special(Special special, Events& events) {
    if (state_ == State::kStart) leave_start(events);
    if (is_end(special)) {
        done_ = true;
    } else if (state_ == State::kCall) {
        add_special_to_call(special, events);
    } else if (special == Special::kChannelBegin) {
        if (state_ == State::kThought) end_thought(events);
        begin_thought();
    } else if (special == Special::kChannelEnd && state_ == State::kThought) {
        end_thought(events);
    } else if (special == Special::kToolCallBegin) {
        if (state_ == State::kThought) end_thought(events);
        begin_call();
    } else if (special == Special::kQuote) {
        add_text("\"", events);
    }
    // All others are structure without a meaning here.
}

void ReplyParser::add_text(std::string_view text, Events& events) {
    if (text.empty()) return;
    switch (state_) {
        case State::kStart:
            start_ += text;
            if (!start_.starts_with(kLabel)) {
                if (!kLabel.starts_with(start_)) leave_start(events);
                return;
            }
            state_ = State::kThought;
            is_retractable_ = true;
            add_thought(std::string_view(start_).substr(kLabel.size()), events);
            return;
        case State::kContent: add_content(text, events); return;
        case State::kThought: add_thought(text, events); return;
        case State::kCall: body_ += text; return;
    }
}

// What was held is content after all.
void ReplyParser::leave_start(Events& events) {
    state_ = State::kContent;
    add_content(start_, events);
}

void ReplyParser::begin_thought() {
    state_ = State::kThought;
    expects_label_ = true;
    is_retractable_ = false;
    follows_structure_ = true;
}

void ReplyParser::end_thought(Events& events) {
    // The beginning of a label that did not become one is text; without its newline it is one.
    if (label_.size() + 1 < kLabel.size()) emit_thought(label_, events);
    state_ = State::kContent;
    expects_label_ = false;
    label_.clear();
    holds_newline_ = false;
    thought_has_text_ = false;
    is_retractable_ = false;
    retractable_.clear();
    follows_structure_ = true;
}

void ReplyParser::add_thought(std::string_view text, Events& events) {
    if (!expects_label_) {
        emit_thought(text, events);
        return;
    }
    label_ += text;
    if (label_.size() < kLabel.size() && kLabel.starts_with(label_)) return;
    expects_label_ = false;
    std::string_view rest = label_;
    constexpr std::string_view kWord = kLabel.substr(0, kLabel.size() - 1);
    if (rest.starts_with(kWord))
        rest.remove_prefix(kWord.size() + (rest.starts_with(kLabel) ? 1 : 0));
    emit_thought(rest, events);
    label_.clear();
}

void ReplyParser::emit_thought(std::string_view text, Events& events) {
    if (text.empty()) return;
    std::string sent = holds_newline_ ? "\n" : "";
    sent += text;
    holds_newline_ = sent.back() == '\n';
    if (holds_newline_) sent.pop_back();
    if (sent.empty()) return;
    if (!thought_has_text_ && reply_has_thought_) sent.insert(0, "\n");
    thought_has_text_ = reply_has_thought_ = true;
    if (is_retractable_) retractable_ += sent;
    emit(ReplyEvent::Kind::kThought, sent, events);
}

// The model answered without closing a thought that it had not opened (3.3, never-closed thought).
void ReplyParser::retract_thought(Events& events) {
    if (thought_has_text_) events.push_back({ReplyEvent::Kind::kThoughtRetracted, {}, {}});
    if (holds_newline_) retractable_ += '\n';
    add_content(retractable_, events);
}

void ReplyParser::add_content(std::string_view text, Events& events) {
    const std::string_view sent = strip_end(text);
    if (sent.empty()) {
        held_space_ += text;
        return;
    }
    if (!has_content_ && follows_structure_) {
        emit(ReplyEvent::Kind::kText, strip_start(sent), events);
    } else {
        emit(ReplyEvent::Kind::kText, held_space_, events);
        emit(ReplyEvent::Kind::kText, sent, events);
    }
    has_content_ = true;
    held_space_ = text.substr(sent.size());
}

void ReplyParser::add_special_to_call(Special special, Events& events) {
    if (special == Special::kQuote) {
        body_ += kQuoteMark;
        in_string_ = !in_string_;
    } else if (special == Special::kToolCallEnd) {
        end_call(true, events);
    } else if (special == Special::kToolCallBegin) {
        if (!strip(body_).empty()) end_call(false, events);
        begin_call();
    } else if (in_string_) {
        body_ += special_text(special);  // a string holds any token but its delimiter
    }
}

void ReplyParser::begin_call() {
    state_ = State::kCall;
    body_.clear();
    in_string_ = false;
}

// Ends a call that the model did not mean to be cut: what can not be understood becomes content,
// never nothing.
void ReplyParser::end_call(bool closed, Events& events) {
    state_ = State::kContent;
    if (accept_call(closed, events)) return;
    malformed_ = true;
    add_content(call_body_text(body_), events);
}

bool ReplyParser::accept_call(bool closed, Events& events) {
    std::optional<CallBody> parsed = parse_call_body(body_, closed, tools_);
    if (!parsed) return false;
    for (ToolCall& call : parsed->calls) {
        events.push_back({ReplyEvent::Kind::kToolCall, {}, std::move(call)});
    }
    repaired_ |= parsed->repaired;
    has_calls_ = true;
    follows_structure_ = true;
    return true;
}

}  // namespace facet
