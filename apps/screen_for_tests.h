// A small terminal for tests: enough of ECMA-48 to see what a user would see, with the lines that
// scrolled off.
//
// Owns no policy; a sequence it does not know fails the test that sent it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "terminal_text.h"

namespace facet::app {

class Screen {
  public:
    Screen(size_t columns, size_t rows) : columns_(columns), rows_(rows), lines_(1) {}

    void write(std::string_view text) {
        while (!text.empty()) {
            size_t used = 1;
            if (text[0] == '\x1b') {
                used = escape(text);
            } else if (text[0] == '\n') {
                column_ = 0;
                if (++row_ == lines_.size()) lines_.emplace_back();
            } else if (text[0] == '\r') {
                column_ = 0;
            } else {
                used = next_cluster(text, 0);
                put(text.substr(0, used));
            }
            text.remove_prefix(used);
        }
    }

    // Everything written, scrolled off or not, without spaces at line ends.
    std::string text() const {
        std::string out;
        for (const auto& line : lines_) {
            std::string joined;
            for (const std::string& cell : line) joined += cell;
            joined.erase(joined.find_last_not_of(' ') + 1);
            out += joined + "\n";
        }
        while (out.ends_with("\n\n")) out.pop_back();
        return out;
    }

  private:
    size_t top() const { return lines_.size() > rows_ ? lines_.size() - rows_ : 0; }

    void put(std::string_view cluster) {
        const size_t width = display_width(cluster);
        ASSERT_LE(column_ + width, columns_) << "the terminal would wrap at: " << cluster;
        auto& line = lines_[row_];
        if (line.size() < column_ + width) line.resize(column_ + width, " ");
        line[column_] = cluster;
        for (size_t i = 1; i < width; ++i) line[column_ + i].clear();
        column_ += width;
    }

    size_t escape(std::string_view text) {
        size_t end = 2;
        while (end < text.size() && text[end] >= 0x20 && text[end] < 0x40) ++end;
        const std::string parameters(text.substr(2, end - 2));
        const size_t count =
            parameters.empty() || parameters[0] == '?' ? 1 : std::stoul(parameters);
        switch (text[end]) {
            case 'A':
                EXPECT_LE(count, row_ - top()) << "moved above the top of the screen";
                row_ -= std::min(count, row_ - top());
                break;
            case 'C': column_ += count; break;
            case 'J':
                lines_.resize(row_ + 1);
                lines_[row_].resize(std::min(lines_[row_].size(), column_));
                break;
            case 'm':
            case 'h':
            case 'l': break;
            default: ADD_FAILURE() << "unknown sequence ending in " << text[end];
        }
        return end + 1;
    }

    size_t columns_;
    size_t rows_;
    std::vector<std::vector<std::string>> lines_;
    size_t row_ = 0;
    size_t column_ = 0;
};

}  // namespace facet::app
