// See http_message.h.
#include "serve/http_message.h"

#include <algorithm>
#include <array>

#include "base/json.h"

namespace facet::serve {

namespace {

constexpr std::array<std::pair<int, std::string_view>, 25> kReasons = {{
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char letter = lower(c);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// Anthropic's names where it has one (docs of its API, "Errors"); OpenAI's clients go by the
// status.
std::string_view error_type(int status) {
    switch (status) {
        case 401: return "authentication_error";
        case 403: return "permission_error";
        case 404: return "not_found_error";
        case 413: return "request_too_large";
        case 429: return "rate_limit_error";
        case 503: return "overloaded_error";
        default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

}  // namespace

void Headers::add(std::string_view name, std::string value) {
    fields_.emplace_back(to_lower(name), std::move(value));
}

const std::string* Headers::find(std::string_view name) const {
    for (const auto& [key, value] : fields_) {
        if (key == name) return &value;
    }
    return nullptr;
}

std::optional<std::string> Request::query_parameter(std::string_view name) const {
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const size_t equals = pair.find('=');
        const auto key = percent_decode(pair.substr(0, equals), true);
        if (!key || *key != name) continue;
        if (equals == std::string_view::npos) return std::string();
        return percent_decode(pair.substr(equals + 1), true);
    }
    return std::nullopt;
}

std::optional<std::string> percent_decode(std::string_view text, bool form) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && form) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (i + 2 >= text.size()) return std::nullopt;
            const int value = 16 * hex_digit(text[i + 1]) + hex_digit(text[i + 2]);
            if (hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0 || value == 0) {
                return std::nullopt;
            }
            out += static_cast<char>(value);
            i += 2;
        }
    }
    return out;
}

std::string_view reason_phrase(int status) {
    for (const auto& [code, reason] : kReasons) {
        if (code == status) return reason;
    }
    return status == 505 ? "HTTP Version Not Supported" : "Unknown";
}

Response json_response(int status, std::string body) {
    Response response;
    response.status = status;
    response.headers.add("content-type", "application/json");
    response.body = std::move(body);
    return response;
}

Response error_response(int status, std::string_view message) {
    Json error = Json::object();
    error.set("message", Json::of(message))
        .set("type", Json::of(error_type(status)))
        .set("param", Json::null())
        .set("code", Json::null());
    return json_response(
        status,
        Json::object().set("type", Json::of("error")).set("error", std::move(error)).dump());
}

Response retry_response(int status, std::string_view message, std::chrono::seconds after) {
    Response response = error_response(status, message);
    response.headers.add("retry-after", std::to_string(after.count()));
    return response;
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_token_char(char c) {
    if ((c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z')) return true;
    return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace facet::serve
