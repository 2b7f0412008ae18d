// Styled characters and their wrapping into terminal lines. Knows no markdown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace facet::app {

// Bits of a style.
enum StyleBit : uint8_t {
    kBold = 1,
    kDimmed = 2,
    kItalic = 4,
    kUnderlined = 8,
    kStruck = 16,
    kCode = 32,
};

// One grapheme cluster, a space or a forced line break ("\n").
struct Cell {
    std::string text;
    uint8_t style = 0;
    uint8_t width = 0;
};

using StyledText = std::vector<Cell>;

// Splits into cells; control characters are neutralized, tabs become spaces.
void append_cells(StyledText& out, std::string_view text, uint8_t style);

size_t width_of(const StyledText& text);

// Lines of at most `width` columns, broken at spaces where possible; a space at a break vanishes.
// At least one line.
std::vector<StyledText> wrap(const StyledText& text, size_t width);

// Lines of at most `width` columns with every space kept: for code.
std::vector<StyledText> wrap_hard(const StyledText& text, size_t width);

// As terminal output. The result leaves all attributes off.
std::string paint(const StyledText& text, bool colors);

}  // namespace facet::app
