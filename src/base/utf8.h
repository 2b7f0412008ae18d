// UTF-8 at the door: which bytes form a character, and what to do with those that do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace facet {

struct Utf8Character {
    char32_t code_point = 0;  // meaningful if valid
    size_t bytes = 0;         // bytes consumed; at least 1 on non-empty input
    bool valid = false;
    bool incomplete =
        false;  // not valid, but a prefix of a valid character: more bytes could complete it
};

// Decodes the character at the start of `text` (not empty). An invalid start consumes the maximal
// subpart, as Unicode recommends and Python does, so that each consumed run stands for one U+FFFD.
Utf8Character decode_utf8(std::string_view text);

void append_utf8(std::string& out, char32_t code_point);

// The text with each invalid run replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

}  // namespace facet
