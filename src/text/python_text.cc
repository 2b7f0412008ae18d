#include "text/python_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.h"

namespace facet {

namespace {

bool is_python_space(char32_t c) {
    if (c >= 0x09 && c <= 0x0d) return true;
    if (c >= 0x1c && c <= 0x20) return true;
    if (c >= 0x2000 && c <= 0x200a) return true;
    switch (c) {
        case 0x85:
        case 0xa0:
        case 0x1680:
        case 0x2028:
        case 0x2029:
        case 0x202f:
        case 0x205f:
        case 0x3000: return true;
        default: return false;
    }
}

// The last character of `text` (not empty); invalid bytes are one character each.
Utf8Character last_character(std::string_view text) {
    size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (text[begin] & 0xc0) == 0x80) --begin;
    const Utf8Character character = decode_utf8(text.substr(begin));
    if (character.valid && begin + character.bytes == text.size()) return character;
    return {0, 1, false, false};
}

// repr() of a string. Of the characters Python escapes beyond ASCII only the C1 range is known
// here.
void append_string_repr(std::string& out, std::string_view text) {
    const bool has_single = text.find('\'') != std::string_view::npos;
    const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
    out += quote;
    while (!text.empty()) {
        const Utf8Character character = decode_utf8(text);
        const char32_t c = character.code_point;
        if (c == '\\' || c == static_cast<char32_t>(quote)) {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (character.valid && (c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad)) {
            out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
        } else {
            out += text.substr(0, character.bytes);
        }
        text.remove_prefix(character.bytes);
    }
    out += quote;
}

void append_repr(std::string& out, const Json& value) {
    switch (value.kind) {
        case Json::Kind::kNull: out += "None"; return;
        case Json::Kind::kBool: out += value.boolean ? "True" : "False"; return;
        case Json::Kind::kNumber: out += python_number(value); return;
        case Json::Kind::kString: append_string_repr(out, value.text); return;
        case Json::Kind::kArray:
            out += '[';
            for (const Json& item : value.items) {
                if (&item != &value.items.front()) out += ", ";
                append_repr(out, item);
            }
            out += ']';
            return;
        case Json::Kind::kObject:
            out += '{';
            for (const auto& member : value.members) {
                if (&member != &value.members.front()) out += ", ";
                append_string_repr(out, member.first);
                out += ": ";
                append_repr(out, member.second);
            }
            out += '}';
            return;
    }
}

}  // namespace

std::string_view strip_start(std::string_view text) {
    while (!text.empty()) {
        const Utf8Character first = decode_utf8(text);
        if (!first.valid || !is_python_space(first.code_point)) break;
        text.remove_prefix(first.bytes);
    }
    return text;
}

std::string_view strip_end(std::string_view text) {
    while (!text.empty()) {
        const Utf8Character last = last_character(text);
        if (!last.valid || !is_python_space(last.code_point)) break;
        text.remove_suffix(last.bytes);
    }
    return text;
}

std::string_view strip(std::string_view text) { return strip_start(strip_end(text)); }

std::string lower_ascii(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::string upper_ascii(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return out;
}

std::string python_float(double value) {
    char digits[32];  // the longest shortest-form double has 24 characters
    const auto scientific =
        std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific);
    const std::string_view text(digits, static_cast<size_t>(scientific.ptr - digits));
    int exponent = 0;
    std::string_view exponent_text = text.substr(text.find('e') + 1);
    if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
    std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
    if (exponent < -4 || exponent >= 16) return std::string(text);

    const auto fixed =
        std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed);
    std::string out(digits, static_cast<size_t>(fixed.ptr - digits));
    if (out.find('.') == std::string::npos) out += ".0";
    return out;
}

std::string python_number(const Json& number) {
    if (number.text.find_first_of(".eE") == std::string::npos) return number.text;
    const Result<double> value = number.to_double();
    // Only what is too small for a double gets here without a value: JSON parsing refuses what is
    // too large.
    if (!value.ok()) return number.text.starts_with('-') ? "-0.0" : "0.0";
    return python_float(value.value());
}

std::string python_str(const Json& value) {
    if (value.is_string()) return value.text;
    std::string out;
    append_repr(out, value);
    return out;
}

bool python_truth(const Json* value) {
    if (value == nullptr) return false;
    switch (value->kind) {
        case Json::Kind::kNull: return false;
        case Json::Kind::kBool: return value->boolean;
        case Json::Kind::kNumber: {
            const std::string_view mantissa =
                std::string_view(value->text).substr(0, value->text.find_first_of("eE"));
            return mantissa.find_first_of("123456789") != std::string_view::npos;
        }
        case Json::Kind::kString: return !value->text.empty();
        case Json::Kind::kArray: return !value->items.empty();
        case Json::Kind::kObject: return !value->members.empty();
    }
    return false;
}

}  // namespace facet
