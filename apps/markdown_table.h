// A table laid out in terminal columns. Knows no markdown and no parser.
#pragma once

#include <cstddef>
#include <vector>

#include "styled_text.h"

namespace facet::app {

// Rows of cells, the first being the header; a row may be short.
class MarkdownTable {
  public:
    void add_row() { rows_.emplace_back(); }
    void add_cell(StyledText cell) {
        if (!rows_.empty()) rows_.back().push_back(std::move(cell));
    }

    // Lines of at most `width` columns: columns get the room they need, the widest give way first
    // and wrap. Where even narrow columns do not fit, each row becomes wrapped text with bars
    // between its cells.
    std::vector<StyledText> lay_out(size_t width) const;

  private:
    std::vector<size_t> natural_widths() const;

    std::vector<std::vector<StyledText>> rows_;
};

}  // namespace facet::app
