// See terminal_text.h. The set of neutralized characters is that of the "Trojan Source" advice
// (CVE-2021-42574) and of terminals' control functions (ECMA-48).
#include "terminal_text.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace facet::app {

namespace {

bool is_bidi_control(char32_t c) {
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string neutralize(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Utf8Character c = decode_utf8(text);
        const char32_t code = c.code_point;
        if (!c.valid || (code >= 0x80 && code < 0xa0) || is_bidi_control(code)) {
            out.append(kReplacementCharacter);
        } else if (code == 0x7f) {
            append_utf8(out, 0x2421);
        } else if (code < 0x20 && code != '\n' && code != '\t') {
            append_utf8(out, 0x2400 + code);
        } else {
            out.append(text.substr(0, c.bytes));
        }
        text.remove_prefix(c.bytes);
    }
    return out;
}

size_t display_width(std::string_view text) {
    size_t width = 0;
    while (!text.empty()) {
        if (text[0] >= 0x20 && text[0] < 0x7f) {
            width += 1;
            text.remove_prefix(1);
            continue;
        }
        const Utf8Character c = decode_utf8(text);
        if (!c.valid) {
            width += 1;
        } else if (c.code_point == '\t') {
            width += kTabWidth;
        } else {
            width += static_cast<size_t>(
                utf8proc_charwidth(static_cast<utf8proc_int32_t>(c.code_point)));
        }
        text.remove_prefix(c.bytes);
    }
    return width;
}

size_t next_cluster(std::string_view text, size_t at) {
    if (at >= text.size()) return text.size();
    // ASCII after ASCII always starts anew, but for "\r\n".
    const auto is_ascii = [&](size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
    if (is_ascii(at) && text[at] != '\r' && (at + 1 == text.size() || is_ascii(at + 1)))
        return at + 1;
    Utf8Character c = decode_utf8(text.substr(at));
    utf8proc_int32_t state = 0;
    while (true) {
        at += c.bytes;
        if (at >= text.size()) return text.size();
        const Utf8Character following = decode_utf8(text.substr(at));
        if (!c.valid || !following.valid) return at;
        if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(c.code_point),
                                             static_cast<utf8proc_int32_t>(following.code_point),
                                             &state)) {
            return at;
        }
        c = following;
    }
}

size_t previous_cluster(std::string_view text, size_t at) {
    // Borders depend on what comes before, so they are walked forward from the line's start.
    const size_t newline = at < 2 ? std::string_view::npos : text.rfind('\n', at - 2);
    size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    while (start < at) {
        const size_t end = next_cluster(text, start);
        if (end >= at) return start;
        start = end;
    }
    return start;
}

}  // namespace facet::app
