#include "base/utf8.h"

namespace facet {

namespace {

struct Sequence {
    size_t length;       // total bytes; 0 if the lead byte is invalid
    uint8_t second_min;  // allowed range of the second byte: excludes overlong forms, surrogates, >
                         // U+10FFFF
    uint8_t second_max;
};

// Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
Sequence sequence_of(uint8_t lead) {
    if (lead < 0x80) return {1, 0, 0};
    if (lead < 0xc2) return {0, 0, 0};
    if (lead < 0xe0) return {2, 0x80, 0xbf};
    if (lead == 0xe0) return {3, 0xa0, 0xbf};
    if (lead == 0xed) return {3, 0x80, 0x9f};
    if (lead < 0xf0) return {3, 0x80, 0xbf};
    if (lead == 0xf0) return {4, 0x90, 0xbf};
    if (lead < 0xf4) return {4, 0x80, 0xbf};
    if (lead == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

}  // namespace

Utf8Character decode_utf8(std::string_view text) {
    const auto lead = static_cast<uint8_t>(text[0]);
    const Sequence sequence = sequence_of(lead);
    if (sequence.length == 0) return {0, 1, false, false};
    if (sequence.length == 1) return {lead, 1, true, false};
    char32_t code_point = lead & (0x7fu >> sequence.length);
    for (size_t i = 1; i < sequence.length; ++i) {
        if (i == text.size()) return {0, i, false, true};
        const auto byte = static_cast<uint8_t>(text[i]);
        const uint8_t low = i == 1 ? sequence.second_min : 0x80;
        const uint8_t high = i == 1 ? sequence.second_max : 0xbf;
        if (byte < low || byte > high) return {0, i, false, false};
        code_point = (code_point << 6) | (byte & 0x3fu);
    }
    return {code_point, sequence.length, true, false};
}

void append_utf8(std::string& out, char32_t code_point) {
    const auto byte = [&out](char32_t value) { out += static_cast<char>(value); };
    if (code_point < 0x80) {
        byte(code_point);
    } else if (code_point < 0x800) {
        byte(0xc0 | (code_point >> 6));
        byte(0x80 | (code_point & 0x3f));
    } else if (code_point < 0x10000) {
        byte(0xe0 | (code_point >> 12));
        byte(0x80 | ((code_point >> 6) & 0x3f));
        byte(0x80 | (code_point & 0x3f));
    } else {
        byte(0xf0 | (code_point >> 18));
        byte(0x80 | ((code_point >> 12) & 0x3f));
        byte(0x80 | ((code_point >> 6) & 0x3f));
        byte(0x80 | (code_point & 0x3f));
    }
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Utf8Character character = decode_utf8(text);
        if (character.valid) {
            out.append(text.substr(0, character.bytes));
        } else {
            out.append(kReplacementCharacter);
        }
        text.remove_prefix(character.bytes);
    }
    return out;
}

}  // namespace facet
