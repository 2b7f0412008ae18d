// See markdown_table.h.
#include "markdown_table.h"

#include <algorithm>
#include <numeric>

namespace facet::app {

namespace {

constexpr size_t kColumnWidthMin = 4;
constexpr size_t kSeparatorWidth = 3;  // " │ "

// Takes columns from the widest until the sum fits; false if it cannot.
bool shrink_to_fit(std::vector<size_t>& widths, size_t room) {
    size_t sum = std::accumulate(widths.begin(), widths.end(), size_t{0});
    while (sum > room) {
        const auto widest = std::max_element(widths.begin(), widths.end());
        if (*widest <= kColumnWidthMin) return false;
        --*widest;
        --sum;
    }
    return true;
}

void add_row_lines(std::vector<StyledText>& out, const std::vector<StyledText>& row,
                   const std::vector<size_t>& widths) {
    std::vector<std::vector<StyledText>> cells;
    size_t height = 1;
    for (size_t column = 0; column < widths.size(); ++column) {
        cells.push_back(column < row.size() ? wrap(row[column], widths[column])
                                            : std::vector<StyledText>(1));
        height = std::max(height, cells.back().size());
    }
    for (size_t y = 0; y < height; ++y) {
        StyledText line;
        for (size_t column = 0; column < widths.size(); ++column) {
            if (column > 0) append_cells(line, " │ ", kDimmed);
            size_t used = 0;
            if (y < cells[column].size()) {
                used = width_of(cells[column][y]);
                line.insert(line.end(), cells[column][y].begin(), cells[column][y].end());
            }
            if (used < widths[column])
                append_cells(line, std::string(widths[column] - used, ' '), 0);
        }
        out.push_back(std::move(line));
    }
}

StyledText rule(const std::vector<size_t>& widths) {
    StyledText line;
    for (size_t column = 0; column < widths.size(); ++column) {
        if (column > 0) append_cells(line, "─┼─", kDimmed);
        for (size_t i = 0; i < widths[column]; ++i) append_cells(line, "─", kDimmed);
    }
    return line;
}

}  // namespace

std::vector<size_t> MarkdownTable::natural_widths() const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()), 1);
        for (size_t column = 0; column < row.size(); ++column) {
            widths[column] = std::max(widths[column], width_of(row[column]));
        }
    }
    return widths;
}

std::vector<StyledText> MarkdownTable::lay_out(size_t width) const {
    std::vector<StyledText> out;
    std::vector<size_t> widths = natural_widths();
    if (widths.empty()) return out;
    const size_t separators = kSeparatorWidth * (widths.size() - 1);
    if (separators >= width || !shrink_to_fit(widths, width - separators)) {
        for (const auto& row : rows_) {
            StyledText joined;
            for (const StyledText& cell : row) {
                if (!joined.empty()) append_cells(joined, " │ ", kDimmed);
                joined.insert(joined.end(), cell.begin(), cell.end());
            }
            for (StyledText& line : wrap(joined, width)) out.push_back(std::move(line));
        }
        return out;
    }
    for (size_t i = 0; i < rows_.size(); ++i) {
        add_row_lines(out, rows_[i], widths);
        if (i == 0) out.push_back(rule(widths));
    }
    return out;
}

}  // namespace facet::app
