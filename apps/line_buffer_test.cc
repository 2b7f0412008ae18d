// Editing the message, and how it is laid out.
#include "line_buffer.h"

#include <gtest/gtest.h>

namespace facet::app {
namespace {

LineBuffer with(const std::string& text) {
    LineBuffer buffer;
    buffer.insert(text);
    return buffer;
}

TEST(LineBuffer, InsertsAtTheCursor) {
    LineBuffer buffer = with("ac");
    buffer.move_left();
    buffer.insert("b");
    EXPECT_EQ(buffer.text(), "abc");
    EXPECT_EQ(buffer.cursor(), 2u);
}

TEST(LineBuffer, BackspaceRemovesWhatAReaderSeesAsOneCharacter) {
    LineBuffer buffer = with("xe\u0301");
    buffer.backspace();
    EXPECT_EQ(buffer.text(), "x");
    buffer = with("x👩‍🔬");
    buffer.backspace();
    EXPECT_EQ(buffer.text(), "x");
    buffer.backspace();
    buffer.backspace();
    EXPECT_EQ(buffer.text(), "");
}

TEST(LineBuffer, DeleteRemovesForward) {
    LineBuffer buffer = with("世界");
    buffer.move_home();
    buffer.delete_forward();
    EXPECT_EQ(buffer.text(), "界");
    buffer.move_end();
    buffer.delete_forward();
    EXPECT_EQ(buffer.text(), "界");
}

TEST(LineBuffer, KillsWordsAndLineParts) {
    LineBuffer buffer = with("one two  ");
    buffer.kill_word();
    EXPECT_EQ(buffer.text(), "one ");
    buffer = with("one\ntwo three");
    buffer.move_word_left();
    buffer.kill_to_home();
    EXPECT_EQ(buffer.text(), "one\nthree");
    buffer.kill_to_end();
    EXPECT_EQ(buffer.text(), "one\n");
}

TEST(LineBuffer, MovesUpAndDownKeepingTheColumn) {
    LineBuffer buffer = with("long line\nab\nlast one");
    buffer.move_home();
    for (int i = 0; i < 4; ++i) buffer.move_right();
    EXPECT_TRUE(buffer.move_up());
    EXPECT_EQ(buffer.cursor(), 12u);  // the end of "ab"
    EXPECT_TRUE(buffer.move_up());
    EXPECT_EQ(buffer.cursor(), 2u);
    EXPECT_FALSE(buffer.move_up());
    EXPECT_TRUE(buffer.move_down());
    EXPECT_TRUE(buffer.move_down());
    EXPECT_FALSE(buffer.move_down());
}

TEST(LineBuffer, CleansWhatIsPasted) {
    EXPECT_EQ(with("a\r\nb\rc\x1b[0m\td").text(), "a\nb\nc[0m\td");
}

TEST(LineBuffer, ABackslashAtTheEndBecomesANewline) {
    LineBuffer buffer = with("one\\");
    EXPECT_TRUE(buffer.turn_backslash_into_newline());
    EXPECT_EQ(buffer.text(), "one\n");
    EXPECT_FALSE(buffer.turn_backslash_into_newline());
    buffer = with("a\\b");
    EXPECT_FALSE(buffer.turn_backslash_into_newline());
}

TEST(Layout, WrapsBeforeTheLastColumn) {
    const Layout layout = lay_out(with("abcdefghij"), "> ", 8);
    ASSERT_EQ(layout.rows.size(), 2u);
    EXPECT_EQ(layout.rows[0], "> abcde");
    EXPECT_EQ(layout.rows[1], "fghij");
    EXPECT_EQ(layout.cursor_row, 1u);
    EXPECT_EQ(layout.cursor_column, 5u);
}

TEST(Layout, WideCharactersAreNotSplit) {
    const Layout layout = lay_out(with("世界世界"), "> ", 8);
    ASSERT_EQ(layout.rows.size(), 2u);
    EXPECT_EQ(layout.rows[0], "> 世界");
    EXPECT_EQ(layout.rows[1], "世界");
    EXPECT_EQ(layout.row_widths[0], 6u);
}

TEST(Layout, FurtherLinesAreIndentedLikeThePrompt) {
    LineBuffer buffer = with("a\nb");
    buffer.move_up();
    const Layout layout = lay_out(buffer, "> ", 20);
    ASSERT_EQ(layout.rows.size(), 2u);
    EXPECT_EQ(layout.rows[1], "  b");
    EXPECT_EQ(layout.cursor_row, 0u);
    EXPECT_EQ(layout.cursor_column, 3u);
}

TEST(Layout, TheCursorAfterAFullRowIsOnTheNext) {
    const Layout layout = lay_out(with("abcde"), "> ", 8);
    EXPECT_EQ(layout.cursor_row, 1u);
    EXPECT_EQ(layout.cursor_column, 0u);
}

}  // namespace
}  // namespace facet::app
