// See reply.h.
#include "reply.h"

#include <fmt/format.h>

#include "api.h"
#include "console.h"
#include "interrupt.h"
#include "terminal_text.h"

namespace facet::app {

namespace {

constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kReset = "\x1b[0m";

double per_second(int32_t count, double ms) { return ms > 0 ? count * 1000.0 / ms : 0; }

}  // namespace

ReplyView::ReplyView(const ReplyStyle& style) : style_(style), terminal_out_(isatty(kStdout)) {
    style_.show_thoughts = style.show_thoughts && is_terminal(kStderr);
    if (style.markdown && is_terminal(kStdout)) {
        markdown_ = std::make_unique<MarkdownStream>(
            is_colored(kStdout), [] { return terminal_size(kStdout); },
            [](std::string_view text) { write_stdout(text); });
    }
}

void ReplyView::take(const facet_event& event) {
    const std::string_view text(event.text == nullptr ? "" : event.text, event.text_bytes);
    if (event.kind != FACET_EVENT_PROGRESS) progress_.clear();
    switch (event.kind) {
        case FACET_EVENT_PROGRESS:
            return style_.silent ? void() : progress_.update(event.done, event.total);
        case FACET_EVENT_THOUGHT:
            reply_.reasoning += text;
            if (style_.show_thoughts && !style_.silent) show_thought(text);
            return;
        case FACET_EVENT_THOUGHT_RETRACTED:
            // What a terminal shows of it stays there, dimmed; the answer follows in full.
            reply_.reasoning.clear();
            return;
        case FACET_EVENT_TEXT:
            reply_.content += text;
            if (!style_.silent) show_text(text);
            return;
        case FACET_EVENT_TOOL_CALL: reply_.tool_calls.emplace_back(text); return;
        case FACET_EVENT_END:
            reply_.finish = event.finish;
            if (event.usage != nullptr) reply_.usage = *event.usage;
            return;
        case FACET_EVENT_LOGPROBS: return;  // not asked for
        case FACET_EVENT_ERROR: return;     // calls that wait return it instead
    }
}

void ReplyView::show_thought(std::string_view text) {
    in_thought_ = true;
    const std::string visible = neutralize(text);
    write_raw(kStderr,
              is_colored(kStderr) ? fmt::format("{}{}{}", kDim, visible, kReset) : visible);
}

void ReplyView::end_thought() {
    if (in_thought_) write_raw(kStderr, reply_.reasoning.ends_with('\n') ? "\n" : "\n\n");
    in_thought_ = false;
}

void ReplyView::show_text(std::string_view text) {
    end_thought();
    if (markdown_ != nullptr) {
        markdown_->append(text);
    } else {
        write_stdout(terminal_out_ ? neutralize(text) : std::string(text));
    }
}

void ReplyView::finish() {
    progress_.clear();
    end_thought();
    if (markdown_ != nullptr) markdown_->finish();
}

Result<Reply> run_reply(const ReplyStyle& style, const ReplyCall& call) {
    ReplyView view(style);
    const facet_event_fn on_event = [](const facet_event* event, void* user) {
        static_cast<ReplyView*>(user)->take(*event);
        // Stops where nobody reads on, and for a Ctrl-C that came before there was a call to
        // cancel.
        return write_stdout("") && InterruptScope::pending() == 0 ? 0 : 1;
    };
    const Status status = api_status(call(on_event, &view));
    view.finish();
    if (!status.ok()) return Error(status.error());
    return view.reply();
}

std::string_view finish_name(facet_finish finish) {
    switch (finish) {
        case FACET_FINISH_STOP: return "stop";
        case FACET_FINISH_LENGTH: return "length";
        case FACET_FINISH_TOOL_CALLS: return "tool_calls";
        case FACET_FINISH_DEADLINE: return "deadline";
        case FACET_FINISH_CANCELLED: break;
    }
    return "cancelled";
}

Json usage_json(const facet_usage& usage) {
    return Json::object()
        .set("prompt_tokens", Json::integer(usage.prompt_tokens))
        .set("cached_tokens", Json::integer(usage.cached_tokens))
        .set("completion_tokens", Json::integer(usage.completion_tokens))
        .set("reasoning_tokens", Json::integer(usage.reasoning_tokens))
        .set("prefill_ms", Json::number(usage.prefill_ms))
        .set("decode_ms", Json::number(usage.decode_ms));
}

std::string usage_text(const facet_usage& usage) {
    return fmt::format(
        "prompt {} tokens ({} cached) at {:.1f}/s, answer {} tokens ({} in thoughts) at {:.1f}/s",
        grouped(usage.prompt_tokens), grouped(usage.cached_tokens),
        per_second(usage.prompt_tokens - usage.cached_tokens, usage.prefill_ms),
        grouped(usage.completion_tokens), grouped(usage.reasoning_tokens),
        per_second(usage.completion_tokens, usage.decode_ms));
}

}  // namespace facet::app
