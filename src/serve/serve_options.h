// The options of `facet serve` that concern HTTP, from flags, environment and a file.
//
// Owns: the table of options, the file's form and the order of the sources: file, then environment,
// then flags. An option has one name in all three: --max-body, FACET_SERVE_MAX_BODY, "max-body =".
// Knows nothing of how flags are split (the command's option parser feeds them in).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/http_server.h"

namespace facet::serve {

struct ServeOptions {
    HttpServerOptions http;
    std::string request_log;                 // a file, "-": stderr, empty: none
    std::chrono::seconds drain_timeout{30};  // how long SIGTERM waits for answers
};

// A row of the table.
struct ServeOption {
    std::string_view name;         // "max-body"
    std::string_view placeholder;  // "MB"; empty: a flag, whose value is true or false
    std::string_view help;
    // Errors: a value that is none; the caller adds the option's name.
    Status (*set)(ServeOptions& options, std::string_view value);
    // For an option that may be repeated: empties its list, because a list of one source replaces
    // that of a weaker one. Null for the others, of which the last counts.
    void (*clear)(ServeOptions& options) = nullptr;
};
const std::vector<ServeOption>& serve_option_table();

// One value, and where it comes from as an error says it.
struct Setting {
    std::string name;  // of a row
    std::string value;
    std::string where;  // "--port", "FACET_SERVE_PORT" or "serve.conf:3"
};

// Lines of "name = value", empty ones, and comments that begin with #. Errors: other lines.
Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file_name);

// The variables FACET_SERVE_*, as a program's `environ` holds them. A list is separated by commas.
std::vector<Setting> settings_of_environment(const char* const* environment);

// All sources together. The file is the one that the setting "config" names, by a flag or by
// FACET_SERVE_CONFIG. Errors: an unknown name (with the one that was meant), a value out of range,
// options that do not go together.
Result<ServeOptions> make_serve_options(const std::vector<Setting>& flags,
                                        const char* const* environment);

}  // namespace facet::serve
