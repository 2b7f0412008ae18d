// One answer of the model: runs a request, shows the events as they come, and collects the result.
//
// Used by `run` and `chat`. Knows how an answer is shown (markdown on a terminal, bytes as they are
// elsewhere; thoughts dimmed on stderr), not what is asked.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "facet/facet.h"
#include "markdown_stream.h"
#include "progress.h"

namespace facet::app {

struct Reply {
    std::string content;
    std::string reasoning;
    std::vector<std::string> tool_calls;  // each {"id", "name", "arguments"}
    facet_finish finish = FACET_FINISH_STOP;
    facet_usage usage = {};
};

struct ReplyStyle {
    bool silent = false;         // show nothing, only collect
    bool show_thoughts = false;  // on stderr, if that is a terminal
    bool markdown = true;        // on stdout, if that is a terminal
};

// Receives the events of one answer.
class ReplyView {
  public:
    explicit ReplyView(const ReplyStyle& style);

    void take(const facet_event& event);
    // Ends what is on the screen (an unfinished line, the bar); call it once, however the answer
    // ended.
    void finish();

    const Reply& reply() const { return reply_; }

  private:
    void show_thought(std::string_view text);
    void end_thought();
    void show_text(std::string_view text);

    ReplyStyle style_;
    Reply reply_;
    ProgressBar progress_{"reading the prompt"};
    std::unique_ptr<MarkdownStream> markdown_;  // null: stdout gets the text as it is
    bool terminal_out_;
    bool in_thought_ = false;
};

// The library call that produces events, as [&](facet_event_fn fn, void* user) { return
// facet_session_chat(..); }.
using ReplyCall = std::function<facet_status(facet_event_fn, void*)>;

// Errors: the library's. A cancelled answer is none.
Result<Reply> run_reply(const ReplyStyle& style, const ReplyCall& call);

std::string_view finish_name(facet_finish finish);  // "stop", "length", "tool_calls", "cancelled"
Json usage_json(const facet_usage& usage);
// "prompt 38 tokens (12 cached) at 210.0/s, answer 9 tokens (0 in thoughts) at 31.5/s".
std::string usage_text(const facet_usage& usage);

}  // namespace facet::app
