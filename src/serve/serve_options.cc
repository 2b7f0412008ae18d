// See serve_options.h.
#include "serve/serve_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/option_text.h"

namespace facet::serve {

namespace {

constexpr std::string_view kPrefix = "FACET_SERVE_";
constexpr std::string_view kConfig = "config";
constexpr size_t kFileBytesMax = 1 << 20;
// Shorter ones can be tried out.
constexpr size_t kKeyBytesMin = 16;

Result<size_t> parse_size(std::string_view text, int64_t min, int64_t max) {
    return static_cast<size_t>(FACET_TRY(parse_integer(text, min, max)));
}

Status set_megabytes(size_t& target, std::string_view text) {
    target = FACET_TRY(parse_size(text, 1, 65'536)) << 20;
    return {};
}

Status set_seconds(std::chrono::milliseconds& target, std::string_view text) {
    target = std::chrono::seconds(FACET_TRY(parse_integer(text, 1, 86'400)));
    return {};
}

Status set_bool(bool& target, std::string_view text) {
    if (text != "true" && text != "false") {
        return invalid_input(fmt::format("expected true or false, found '{}'", text));
    }
    target = text == "true";
    return {};
}

Status set_text(std::string& target, std::string_view text) {
    if (text.empty()) return invalid_input("expected a value, found none");
    target = text;
    return {};
}

Status add_key(ServeOptions& options, std::string_view key) {
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

Result<std::string> read_small_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return Error{ErrorKind::kNotFound, fmt::format("can not read '{}'", path)};
    std::string text(kFileBytesMax + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(stream.gcount()));
    if (stream.bad() || text.size() > kFileBytesMax) {
        return Error{ErrorKind::kIo,
                     fmt::format("'{}' is no file of less than {} bytes", path, kFileBytesMax)};
    }
    return text;
}

// Calls take(line, number) for each line, without blanks at its ends.
template <typename Take>
Status for_each_line(std::string_view text, const Take& take) {
    for (size_t number = 1; !text.empty(); ++number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        line = trim(line);
        if (!line.empty() && line[0] != '#') FACET_TRY(take(line, number));
    }
    return {};
}

Status add_keys_of_file(ServeOptions& options, std::string_view path) {
    const std::string text = FACET_TRY(read_small_file(std::string(path)));
    return for_each_line(text, [&](std::string_view line, size_t number) -> Status {
        const Status added = add_key(options, line);
        if (added.ok()) return {};
        return invalid_input(fmt::format("{}:{}: {}", path, number, added.error().message));
    });
}

Status add_host(ServeOptions& options, std::string_view host) {
    if (host.empty() || host.find_first_of("/@ ") != std::string_view::npos) {
        return invalid_input(fmt::format("expected a name as in a URL, found '{}'", host));
    }
    options.http.guard.allowed_hosts.emplace_back(host);
    return {};
}

Status add_origin(ServeOptions& options, std::string_view origin) {
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

const ServeOption* find_option(std::string_view name) {
    for (const ServeOption& option : serve_option_table()) {
        if (option.name == name) return &option;
    }
    return nullptr;
}

Error unknown_option(const Setting& setting) {
    std::vector<std::string> names;
    for (const ServeOption& option : serve_option_table()) names.emplace_back(option.name);
    const auto meant = closest(setting.name, names);
    return invalid_input(fmt::format("{}: there is no option '{}'{}", setting.where, setting.name,
                                     meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

// The settings of one source, over those of weaker ones.
Status apply_settings(ServeOptions& options, const std::vector<Setting>& settings) {
    std::set<void (*)(ServeOptions&)> cleared;
    for (const Setting& setting : settings) {
        if (setting.name == kConfig) continue;
        const ServeOption* option = find_option(setting.name);
        if (option == nullptr) return unknown_option(setting);
        if (option->clear != nullptr && cleared.insert(option->clear).second) {
            option->clear(options);
        }
        const Status taken = option->set(options, setting.value);
        if (!taken.ok()) {
            return Error{taken.error().kind,
                         fmt::format("{}: {}", setting.where, taken.error().message)};
        }
    }
    return {};
}

std::string config_of(const std::vector<Setting>& settings) {
    for (const Setting& setting : settings) {
        if (setting.name == kConfig) return setting.value;
    }
    return {};
}

Status check(const ServeOptions& options) {
    const HttpServerOptions& http = options.http;
    if (http.tls_certificate.empty() != http.tls_key.empty()) {
        return invalid_input("--tls-certificate and --tls-key go together");
    }
    if (http.limits.body_bytes > http.limits.body_bytes_total) {
        return invalid_input("--max-body is more than --max-body-total");
    }
    return {};
}

void clear_keys(ServeOptions& options) { options.http.guard.api_keys.clear(); }

}  // namespace

#define FACET_SET [](ServeOptions & o, std::string_view v) -> Status

const std::vector<ServeOption>& serve_option_table() {
    static const std::vector<ServeOption> table = {{"config", "FILE",
                                                    "settings from a file: lines of NAME = VALUE",
                                                    FACET_SET{return (void)o, (void)v, Status();
}
}  // namespace facet::serve
, {"host", "ADDRESS", "address or name to listen on (127.0.0.1)",
   FACET_SET{return set_text(o.http.host, v);
}
}
, {"port", "N", "port to listen on, 0: any that is free (8080)",
   FACET_SET{o.http.port = static_cast<uint16_t>(FACET_TRY(parse_integer(v, 0, 65'535)));
return {};
}
}
, {"api-key", "KEY", "ask clients for this key; repeatable", FACET_SET{return add_key(o, v);
}
, clear_keys
}
, {"api-key-file", "FILE", "ask clients for one of these keys, one a line",
   FACET_SET{return add_keys_of_file(o, v);
}
, clear_keys
}
, {"insecure", "", "let others on the network in without a key",
   FACET_SET{return set_bool(o.http.insecure, v);
}
}
, {"allowed-host", "NAME", "a name the server goes by, *: any; repeatable",
   FACET_SET{return add_host(o, v);
}
, [](ServeOptions& o) { o.http.guard.allowed_hosts.clear(); }
}
, {"cors-origin", "URL", "let pages from there use the server, *: all; repeatable",
   FACET_SET{return add_origin(o, v);
}
, [](ServeOptions& o) { o.http.guard.cors_origins.clear(); }
}
, {"tls-certificate", "FILE", "serve HTTPS with this PEM certificate and chain",
   FACET_SET{return set_text(o.http.tls_certificate, v);
}
}
, {"tls-key", "FILE", "the certificate's PEM key, without passphrase",
   FACET_SET{return set_text(o.http.tls_key, v);
}
}
, {"max-body", "MB", "largest request (64)",
   FACET_SET{return set_megabytes(o.http.limits.body_bytes, v);
}
}
, {"max-body-total", "MB", "all requests in memory together (512)",
   FACET_SET{return set_megabytes(o.http.limits.body_bytes_total, v);
}
}
, {"max-connections", "N", "connections at once (1024)",
   FACET_SET{o.http.limits.connections = FACET_TRY(parse_size(v, 1, 65'536));
return {};
}
}
, {"max-streams", "N", "streamed answers at once (512)",
   FACET_SET{o.http.limits.streams = FACET_TRY(parse_size(v, 1, 65'536));
return {};
}
}
, {"header-timeout", "S", "for a request's headers (15)",
   FACET_SET{return set_seconds(o.http.limits.header_timeout, v);
}
}
, {"body-timeout", "S", "for a request's body, more for large ones (30)",
   FACET_SET{return set_seconds(o.http.limits.body_timeout, v);
}
}
, {"idle-timeout", "S", "between two requests of a connection (75)",
   FACET_SET{return set_seconds(o.http.limits.idle_timeout, v);
}
}
, {"write-timeout", "S", "for a client to take what it asked for (30)",
   FACET_SET{return set_seconds(o.http.limits.write_timeout, v);
}
}
, {"drain-timeout", "S", "for running answers when the server is to stop (30)",
   FACET_SET{o.drain_timeout = std::chrono::seconds(FACET_TRY(parse_integer(v, 0, 86'400)));
return {};
}
}
, {"handler-threads", "N", "threads that read requests (2)",
   FACET_SET{o.http.handler_threads = static_cast<int>(FACET_TRY(parse_integer(v, 1, 256)));
return {};
}
}
, {"request-log", "FILE", "a JSON line for each request, -: to stderr",
   FACET_SET{return set_text(o.request_log, v);
}
}
,
}
;
return table;
}

#undef FACET_SET

Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file_name) {
    std::vector<Setting> settings;
    FACET_TRY(for_each_line(text, [&](std::string_view line, size_t number) -> Status {
        const std::string where = fmt::format("{}:{}", file_name, number);
        const size_t equals = line.find('=');
        if (equals == std::string_view::npos) {
            return invalid_input(fmt::format("{}: expected NAME = VALUE", where));
        }
        settings.push_back({std::string(trim(line.substr(0, equals))),
                            std::string(trim(line.substr(equals + 1))), where});
        if (settings.back().name != kConfig) return {};
        return invalid_input(fmt::format("{}: a file can not name another", where));
    }));
    return settings;
}

std::vector<Setting> settings_of_environment(const char* const* environment) {
    std::vector<Setting> settings;
    for (; *environment != nullptr; ++environment) {
        const std::string_view entry = *environment;
        const size_t equals = entry.find('=');
        if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
        const std::string variable(entry.substr(0, equals));
        std::string name = to_lower(entry.substr(kPrefix.size(), equals - kPrefix.size()));
        std::replace(name.begin(), name.end(), '_', '-');
        const ServeOption* option = find_option(name);
        std::string_view rest = entry.substr(equals + 1);
        while (option != nullptr && option->clear != nullptr && rest.find(',') != rest.npos) {
            const size_t comma = rest.find(',');
            settings.push_back({name, std::string(trim(rest.substr(0, comma))), variable});
            rest.remove_prefix(comma + 1);
        }
        settings.push_back({std::move(name), std::string(trim(rest)), variable});
    }
    return settings;
}

Result<ServeOptions> make_serve_options(const std::vector<Setting>& flags,
                                        const char* const* environment) {
    const std::vector<Setting> variables = settings_of_environment(environment);
    ServeOptions options;
    std::string config = config_of(flags);
    if (config.empty()) config = config_of(variables);
    if (!config.empty()) {
        const std::string text = FACET_TRY(read_small_file(config));
        FACET_TRY(apply_settings(options, FACET_TRY(parse_settings(text, config))));
    }
    FACET_TRY(apply_settings(options, variables));
    FACET_TRY(apply_settings(options, flags));
    FACET_TRY(check(options));
    return options;
}

}  // namespace facet::serve
