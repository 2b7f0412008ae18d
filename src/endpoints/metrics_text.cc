#include "endpoints/metrics_text.h"

#include <fmt/format.h>

namespace facet::endpoints {

namespace {

struct Row {
    std::string_view member, name, help;
    bool is_gauge = false;
};

// Of facet_model_metrics().
constexpr Row kEngineRows[] = {
    {"requests", "facet_replies_total", "Replies that were asked for."},
    {"finished", "facet_replies_finished_total", "Replies that came to their end."},
    {"cancelled", "facet_replies_cancelled_total", "Replies that were cancelled."},
    {"failed", "facet_replies_failed_total", "Replies that failed."},
    {"refused", "facet_replies_refused_total", "Replies that found the queue full."},
    {"prompt_tokens", "facet_prompt_tokens_total", "Tokens of prompts."},
    {"cached_tokens", "facet_prompt_tokens_cached_total",
     "Tokens of prompts that were known from before."},
    {"computed_tokens", "facet_computed_tokens_total", "Tokens that went through the model."},
    {"reply_tokens", "facet_reply_tokens_total", "Tokens of replies."},
    {"steps", "facet_steps_total", "Batches that were computed."},
    {"preempted", "facet_preempted_total", "Replies that had to wait for memory."},
    {"dropped_pages", "facet_kv_pages_dropped_total", "Pages of remembered conversations dropped."},
    {"running", "facet_replies_running", "Replies that are being computed.", true},
    {"waiting", "facet_replies_waiting", "Replies that wait for their turn.", true},
    {"kv_used_bytes", "facet_kv_used_bytes", "Memory of keys and values in use.", true},
    {"kv_budget_bytes", "facet_kv_budget_bytes", "Memory that keys and values may take.", true},
    {"saved_files", "facet_cache_files", "Files of saved prefixes.", true},
    {"saved_bytes", "facet_cache_bytes", "Bytes of saved prefixes.", true},
};

void append_head(std::string& out, std::string_view name, std::string_view help, bool is_gauge) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                       is_gauge ? "gauge" : "counter");
}

void append(std::string& out, std::string_view name, std::string_view help, bool is_gauge,
            std::string_view value) {
    append_head(out, name, help, is_gauge);
    out += fmt::format("{} {}\n", name, value);
}

void append_server(std::string& out, const serve::ServerCounters& server) {
    const auto row = [&](std::string_view name, std::string_view help, bool is_gauge,
                         const std::atomic<uint64_t>& value) {
        append(out, name, help, is_gauge, std::to_string(value.load()));
    };
    append_head(out, "facet_http_answers_total", "Answers by the first digit of their status.",
                false);
    for (size_t digit = 1; digit < server.answers.size(); ++digit) {
        out += fmt::format("facet_http_answers_total{{status=\"{}xx\"}} {}\n", digit,
                           server.answers[digit].load());
    }
    row("facet_http_connections_total", "Connections taken.", false, server.connections_accepted);
    row("facet_http_connections_refused_total", "Connections beyond the limit.", false,
        server.connections_refused);
    row("facet_http_connections_open", "Connections now.", true, server.connections_open);
    row("facet_http_requests_open", "Requests that are being answered.", true,
        server.requests_open);
    row("facet_http_streams_total", "Streams started.", false, server.streams_started);
    row("facet_http_streams_open", "Streams now.", true, server.streams_open);
    row("facet_http_streams_refused_total", "Streams beyond the limit.", false,
        server.streams_refused);
    row("facet_http_clients_left_total", "Clients that left before their answer was complete.",
        false, server.clients_left);
    row("facet_http_slow_clients_dropped_total", "Clients that did not take their answer.", false,
        server.slow_clients_dropped);
    row("facet_http_request_timeouts_total", "Requests that did not come to their end.", false,
        server.request_timeouts);
    row("facet_http_received_bytes_total", "Bytes received.", false, server.bytes_received);
    row("facet_http_sent_bytes_total", "Bytes sent.", false, server.bytes_sent);
}

}  // namespace

std::string metrics_text(const Json& engine, const serve::ServerCounters& server,
                         const CallMetrics& calls) {
    std::string out;
    for (const Row& row : kEngineRows) {
        if (const Json* value = engine.find(row.member))
            append(out, row.name, row.help, row.is_gauge, value->text);
    }
    append_server(out, server);
    calls.first_token.append_to(out, "facet_first_token_seconds",
                                "From a request to the first text of its reply.");
    calls.token_gap.append_to(out, "facet_token_gap_seconds", "Between two texts of a reply.");
    calls.request.append_to(out, "facet_request_seconds", "Requests for replies, as a whole.");
    return out;
}

}  // namespace facet::endpoints
