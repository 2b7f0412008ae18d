// See styled_text.h. Attributes are those of ECMA-48 SGR.
#include "styled_text.h"

#include <algorithm>

#include "terminal_text.h"

namespace facet::app {

namespace {

bool is_break(const Cell& cell) { return cell.text == "\n"; }

std::string sgr(uint8_t style) {
    constexpr struct {
        StyleBit bit;
        const char* code;
    } kCodes[] = {{kBold, ";1"},       {kDimmed, ";2"}, {kItalic, ";3"},
                  {kUnderlined, ";4"}, {kStruck, ";9"}, {kCode, ";36"}};
    std::string out = "\x1b[0";
    for (const auto& [bit, code] : kCodes) {
        if (style & bit) out += code;
    }
    return out + "m";
}

// Moves [begin, end) of `text` into a line of its own, without the spaces at its end.
void add_line(std::vector<StyledText>& lines, const StyledText& text, size_t begin, size_t end) {
    while (end > begin && text[end - 1].text == " ") --end;
    lines.emplace_back(text.begin() + static_cast<std::ptrdiff_t>(begin),
                       text.begin() + static_cast<std::ptrdiff_t>(end));
}

}  // namespace

void append_cells(StyledText& out, std::string_view text, uint8_t style) {
    const std::string visible = neutralize(text);
    for (size_t at = 0; at < visible.size();) {
        const size_t end = next_cluster(visible, at);
        const std::string_view cluster = std::string_view(visible).substr(at, end - at);
        if (cluster == "\t") {
            for (size_t i = 0; i < kTabWidth; ++i) out.push_back({" ", style, 1});
        } else {
            out.push_back({std::string(cluster), style,
                           static_cast<uint8_t>(std::min<size_t>(display_width(cluster), 255))});
        }
        at = end;
    }
}

size_t width_of(const StyledText& text) {
    size_t width = 0;
    for (const Cell& cell : text) width += cell.width;
    return width;
}

std::vector<StyledText> wrap(const StyledText& text, size_t width) {
    std::vector<StyledText> lines;
    size_t begin = 0;        // of the current line
    size_t after_space = 0;  // where it can be broken; begin if nowhere
    size_t used = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        const Cell& cell = text[i];
        if (is_break(cell)) {
            add_line(lines, text, begin, i);
            begin = after_space = i + 1;
            used = 0;
            continue;
        }
        const bool is_space = cell.text == " ";
        if (used + cell.width > width && !is_space && i > begin) {
            const size_t at = after_space > begin ? after_space : i;
            add_line(lines, text, begin, at);
            begin = after_space = at;
            used = 0;
            for (size_t j = at; j < i; ++j) used += text[j].width;
        }
        used += cell.width;
        if (is_space) after_space = i + 1;
    }
    if (begin < text.size() || lines.empty()) add_line(lines, text, begin, text.size());
    return lines;
}

std::vector<StyledText> wrap_hard(const StyledText& text, size_t width) {
    std::vector<StyledText> lines(1);
    size_t used = 0;
    for (const Cell& cell : text) {
        if (is_break(cell) || (used + cell.width > width && used > 0)) {
            lines.emplace_back();
            used = 0;
        }
        if (is_break(cell)) continue;
        lines.back().push_back(cell);
        used += cell.width;
    }
    return lines;
}

std::string paint(const StyledText& text, bool colors) {
    std::string out;
    uint8_t style = 0;
    for (const Cell& cell : text) {
        if (colors && cell.style != style) {
            out += sgr(cell.style);
            style = cell.style;
        }
        out += cell.text;
    }
    if (style != 0) out += "\x1b[0m";
    return out;
}

}  // namespace facet::app
