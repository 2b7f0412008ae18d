// See serve_options.h.
#include "serve/serve_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/option_text.h"
#include "serve/setting_lines.h"

namespace facet::serve {

namespace {

constexpr std::string_view kPrefix = "FACET_SERVE_";
constexpr std::string_view kConfig = "config";

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
    std::string file;
    for (const Setting& setting : settings) {
        if (setting.name == kConfig) file = setting.value;
    }
    return file;
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

}  // namespace

Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file_name) {
    std::vector<Setting> settings;
    FACET_TRY(for_each_setting_line(text, [&](std::string_view line, size_t number) -> Status {
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
        const std::string text = FACET_TRY(read_setting_file(config));
        FACET_TRY(apply_settings(options, FACET_TRY(parse_settings(text, config))));
    }
    FACET_TRY(apply_settings(options, variables));
    FACET_TRY(apply_settings(options, flags));
    FACET_TRY(check(options));
    return options;
}

}  // namespace facet::serve
