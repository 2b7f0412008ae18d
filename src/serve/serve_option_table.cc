// The rows of serve_option_table(), and how each reads its value. See serve_options.h.
#include <fmt/format.h>

#include <algorithm>

#include "base/option_text.h"
#include "serve/serve_options.h"
#include "serve/setting_lines.h"

namespace facet::serve {

namespace {

using Options = ServeOptions;
using Text = std::string_view;

// Shorter ones can be tried out.
constexpr size_t kKeyBytesMin = 16;
constexpr int64_t kDaySeconds = 86'400;

template <typename Integer>
Status set_integer(Integer& target, Text text, int64_t min, int64_t max) {
    target = static_cast<Integer>(FACET_TRY(parse_integer(text, min, max)));
    return {};
}

Status set_megabytes(size_t& target, Text text) {
    target = static_cast<size_t>(FACET_TRY(parse_integer(text, 1, 65'536))) << 20;
    return {};
}

template <typename Duration>
Status set_seconds(Duration& target, Text text, int64_t min = 1) {
    target = std::chrono::seconds(FACET_TRY(parse_integer(text, min, kDaySeconds)));
    return {};
}

Status set_bool(bool& target, Text text) {
    if (text != "true" && text != "false") {
        return invalid_input(fmt::format("expected true or false, found '{}'", text));
    }
    target = text == "true";
    return {};
}

Status set_text(std::string& target, Text text) {
    if (text.empty()) return invalid_input("expected a value, found none");
    target = text;
    return {};
}

Status add_key(Options& options, std::string_view key) {
    const bool is_plain =
        std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    // The message does not repeat it: errors end up in logs.
    if (!is_plain || key.size() < kKeyBytesMin) {
        return invalid_input(fmt::format(
            "expected a key of at least {} visible ASCII characters without spaces", kKeyBytesMin));
    }
    options.http.guard.api_keys.emplace_back(key);
    return {};
}

Status add_keys_of_file(Options& options, std::string_view path) {
    const std::string text = FACET_TRY(read_setting_file(std::string(path)));
    return for_each_setting_line(text, [&](std::string_view line, size_t number) -> Status {
        const Status added = add_key(options, line);
        if (added.ok()) return {};
        return invalid_input(fmt::format("{}:{}: {}", path, number, added.error().message));
    });
}

Status add_host(Options& options, std::string_view host) {
    if (host.empty() || host.find_first_of("/@ ") != std::string_view::npos) {
        return invalid_input(fmt::format("expected a name as in a URL, found '{}'", host));
    }
    options.http.guard.allowed_hosts.emplace_back(host);
    return {};
}

Status add_origin(Options& options, std::string_view origin) {
    const size_t scheme = origin.find("://");
    const bool is_origin = scheme != std::string_view::npos && scheme > 0 &&
                           origin.size() > scheme + 3 &&
                           origin.find('/', scheme + 3) == std::string_view::npos;
    if (origin != "*" && !is_origin) {
        return invalid_input(
            fmt::format("expected an origin as https://example.org, or *, found '{}'", origin));
    }
    options.http.guard.cors_origins.emplace_back(origin);
    return {};
}

void clear_keys(Options& o) { o.http.guard.api_keys.clear(); }
void clear_hosts(Options& o) { o.http.guard.allowed_hosts.clear(); }
void clear_origins(Options& o) { o.http.guard.cors_origins.clear(); }

}  // namespace

const std::vector<ServeOption>& serve_option_table() {
    static const std::vector<ServeOption> table = {
        {"config", "FILE", "settings from a file: lines of NAME = VALUE",
         // It names the file that was read before any row is asked.
         [](Options&, Text) { return Status(); }},
        {"host", "ADDRESS", "address or name to listen on (127.0.0.1)",
         [](Options& o, Text v) { return set_text(o.http.host, v); }},
        {"port", "N", "port to listen on, 0: any that is free (8080)",
         [](Options& o, Text v) { return set_integer(o.http.port, v, 0, 65'535); }},
        {"api-key", "KEY", "ask clients for this key; repeatable",
         [](Options& o, Text v) { return add_key(o, v); }, clear_keys},
        {"api-key-file", "FILE", "ask clients for one of these keys, one a line",
         [](Options& o, Text v) { return add_keys_of_file(o, v); }, clear_keys},
        {"insecure", "", "let others on the network in without a key",
         [](Options& o, Text v) { return set_bool(o.http.insecure, v); }},
        {"allowed-host", "NAME", "a name the server goes by, *: any; repeatable",
         [](Options& o, Text v) { return add_host(o, v); }, clear_hosts},
        {"cors-origin", "URL", "let pages from there in, *: all; repeatable",
         [](Options& o, Text v) { return add_origin(o, v); }, clear_origins},
        {"tls-certificate", "FILE", "HTTPS with this PEM certificate and chain",
         [](Options& o, Text v) { return set_text(o.http.tls_certificate, v); }},
        {"tls-key", "FILE", "the certificate's PEM key, without passphrase",
         [](Options& o, Text v) { return set_text(o.http.tls_key, v); }},
        {"max-body", "MB", "largest request (64)",
         [](Options& o, Text v) { return set_megabytes(o.http.limits.body_bytes, v); }},
        {"max-body-total", "MB", "all requests in memory together (512)",
         [](Options& o, Text v) { return set_megabytes(o.http.limits.body_bytes_total, v); }},
        {"max-connections", "N", "connections at once (1024)",
         [](Options& o, Text v) { return set_integer(o.http.limits.connections, v, 1, 65'536); }},
        {"max-streams", "N", "streamed answers at once (512)",
         [](Options& o, Text v) { return set_integer(o.http.limits.streams, v, 1, 65'536); }},
        {"header-timeout", "S", "for a request's headers (15)",
         [](Options& o, Text v) { return set_seconds(o.http.limits.header_timeout, v); }},
        {"body-timeout", "S", "for a body, more for large ones (30)",
         [](Options& o, Text v) { return set_seconds(o.http.limits.body_timeout, v); }},
        {"idle-timeout", "S", "between two requests of a connection (75)",
         [](Options& o, Text v) { return set_seconds(o.http.limits.idle_timeout, v); }},
        {"write-timeout", "S", "for a client to take what it asked for (30)",
         [](Options& o, Text v) { return set_seconds(o.http.limits.write_timeout, v); }},
        {"drain-timeout", "S", "for running answers to end on SIGTERM (30)",
         [](Options& o, Text v) { return set_seconds(o.drain_timeout, v, 0); }},
        {"handler-threads", "N", "threads that read requests (2)",
         [](Options& o, Text v) { return set_integer(o.http.handler_threads, v, 1, 256); }},
        {"request-log", "FILE", "a JSON line for each request, -: to stderr",
         [](Options& o, Text v) { return set_text(o.request_log, v); }},
    };
    return table;
}

}  // namespace facet::serve
