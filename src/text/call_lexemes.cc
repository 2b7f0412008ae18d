#include "text/call_lexemes.h"

#include <cstddef>
#include <cstdint>

#include "base/utf8.h"

namespace facet {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// JSON's grammar of numbers: no leading zeros, no bare point.
bool is_number(std::string_view text) {
    size_t at = 0;
    const auto digits = [&] {
        const size_t begin = at;
        while (at < text.size() && is_digit(text[at])) ++at;
        return at > begin;
    };
    if (at < text.size() && text[at] == '-') ++at;
    const size_t integer = at;
    if (!digits() || (text[integer] == '0' && at > integer + 1)) return false;
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (!digits()) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        if (!digits()) return false;
    }
    return at == text.size();
}

// Four hexadecimal digits at the start of `text`; -1 if they are not there.
int32_t hex4(std::string_view text) {
    if (text.size() < 4) return -1;
    int32_t value = 0;
    for (const char c : text.substr(0, 4)) {
        const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
        if (!is_digit(lower) && (lower < 'a' || lower > 'f')) return -1;
        value = value * 16 + (is_digit(lower) ? lower - '0' : lower - 'a' + 10);
    }
    return value;
}

// Decodes the \uXXXX (or surrogate pair) at the start of `text`; returns the characters used, 0 if
// it is none.
size_t append_unicode_escape(std::string& out, std::string_view text) {
    const int32_t first = text.starts_with("\\u") ? hex4(text.substr(2)) : -1;
    if (first < 0) return 0;
    if (first < 0xd800 || first > 0xdfff) {
        append_utf8(out, static_cast<char32_t>(first));
        return 6;
    }
    const std::string_view rest = text.substr(6);
    const int32_t second = rest.starts_with("\\u") ? hex4(rest.substr(2)) : -1;
    if (first > 0xdbff || second < 0xdc00 || second > 0xdfff) {
        out += kReplacementCharacter;
        return 6;
    }
    append_utf8(out, static_cast<char32_t>(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)));
    return 12;
}

}  // namespace

std::optional<Json> read_scalar(std::string_view lexeme) {
    if (lexeme == "true") return Json::of(true);
    if (lexeme == "false") return Json::of(false);
    if (lexeme == "null") return Json::null();
    if (is_number(lexeme)) return Json::number(std::string(lexeme));
    return std::nullopt;
}

std::string unescape(std::string_view text) {
    constexpr std::string_view kLetters = "nrtbf\"'\\/";
    constexpr std::string_view kMeanings = "\n\r\t\b\f\"'\\/";
    std::string out;
    while (!text.empty()) {
        size_t used = 1;
        if (text[0] != '\\') {
            out += text[0];
        } else if (const size_t letter =
                       text.size() > 1 ? kLetters.find(text[1]) : std::string_view::npos;
                   letter != std::string_view::npos) {
            out += kMeanings[letter];
            used = 2;
        } else if (used = append_unicode_escape(out, text); used == 0) {
            out += '\\';
            used = 1;
        }
        text.remove_prefix(used);
    }
    return out;
}

}  // namespace facet
