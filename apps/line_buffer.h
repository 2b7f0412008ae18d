// The text being edited and the cursor in it, and how both look in a terminal of a given width.
//
// Pure: no terminal, no keys. The cursor moves by grapheme clusters; the text may have several
// lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace facet::app {

class LineBuffer {
  public:
    const std::string& text() const { return text_; }
    size_t cursor() const { return cursor_; }
    bool empty() const { return text_.empty(); }

    void set(std::string text);  // the cursor goes to the end
    // Control characters other than newline and tab are dropped; "\r\n" and "\r" become "\n".
    void insert(std::string_view text);

    void backspace();
    void delete_forward();
    void move_left();
    void move_right();
    void move_word_left();
    void move_word_right();
    void move_home();  // of the line the cursor is in
    void move_end();
    // Up and down within the text, keeping the column; false at the first or last line.
    bool move_up();
    bool move_down();
    void kill_to_home();
    void kill_to_end();
    void kill_word();  // back to the start of a word, words being separated by white space

    // If the character before the cursor, at the end of the text, is a backslash: makes it a
    // newline.
    bool turn_backslash_into_newline();

  private:
    size_t line_start(size_t at) const;
    size_t line_end(size_t at) const;
    void move_to_column(size_t start, size_t column);

    std::string text_;
    size_t cursor_ = 0;
};

// The rows a terminal shows; every row is shorter than `columns`, so that the terminal itself never
// wraps.
struct Layout {
    std::vector<std::string> rows;  // without prompt colours
    std::vector<size_t> row_widths;
    size_t cursor_row = 0;
    size_t cursor_column = 0;
};

// The first row begins with `prompt`, the first row of each further line with as many spaces.
Layout lay_out(const LineBuffer& buffer, std::string_view prompt, size_t columns);

}  // namespace facet::app
