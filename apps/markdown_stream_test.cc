// Streaming: whatever the pieces, the screen ends up as if the text had come at once.
#include "markdown_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "markdown.h"
#include "screen_for_tests.h"

namespace facet::app {
namespace {

constexpr std::string_view kAnswer =
    "# Sums\n\nHere is **how** to add,\nstep by step:\n\n1. Take `7`.\n2. Take *5*.\n\n   A "
    "remark.\n\n3. Add.\n\n"
    "```python\ndef add(a, b):\n\n    return a + b\n```\n\n| a | b | sum |\n|---|---|---|\n| 7 | 5 "
    "| 12 |\n"
    "| 100 | 20000 | 20100 |\n\n> Quoted\n> text.\n\nThe end: 世界.\n";

// The blocks of a text, rendered at once.
std::string at_once(std::string_view text, int columns) {
    std::string out;
    BlockSplitter splitter;
    while (!text.empty()) {
        const size_t end = std::min(splitter.find_end(text), text.size());
        if (!out.empty()) out += "\n";
        for (const std::string& line : render_markdown(text.substr(0, end), columns - 1, false))
            out += line + "\n";
        text.remove_prefix(end);
        splitter.restart();
    }
    return out;
}

std::string streamed(std::string_view text, int columns, int rows, unsigned seed) {
    Screen screen(static_cast<size_t>(columns), static_cast<size_t>(rows));
    MarkdownStream stream(
        false,
        [&] {
            return TerminalSize{columns, rows};
        },
        [&](std::string_view out) { screen.write(out); });
    std::mt19937 random(seed);
    while (!text.empty()) {
        const size_t piece = std::min<size_t>(1 + random() % 9, text.size());
        stream.append(text.substr(0, piece));
        text.remove_prefix(piece);
    }
    stream.finish();
    return screen.text();
}

TEST(BlockSplitter, EndsABlockAtABlankLineOutsideFences) {
    const auto first = [](std::string_view text) {
        const size_t end = BlockSplitter().find_end(text);
        return end == std::string_view::npos ? "open" : std::string(text.substr(0, end));
    };
    EXPECT_EQ(first("a\nb\n\nc"), "a\nb\n\n");
    EXPECT_EQ(first("a\n\n"), "open");
    EXPECT_EQ(first("- a\n\n  b\n\nc"), "- a\n\n  b\n\n");
    EXPECT_EQ(first("```\na\n\nb\n```\n\nc"), "```\na\n\nb\n```\n\n");
    EXPECT_EQ(first("````\n```\n\nb\n"), "open");
    EXPECT_EQ(first("```not a fence```\n\nb"), "```not a fence```\n\n");
    EXPECT_EQ(first("1. ```\n   a\n\nb\n"), "open");
    EXPECT_EQ(first("\n\na"), "open");
}

TEST(MarkdownStream, EndsUpAsIfTheTextHadComeAtOnce) {
    const std::string expected = at_once(kAnswer, 40);
    EXPECT_NE(expected.find("100 │ 20000 │ 20100"), std::string::npos) << expected;
    for (unsigned seed = 0; seed < 50; ++seed) {
        ASSERT_EQ(streamed(kAnswer, 40, 30, seed), expected) << "seed " << seed;
    }
}

TEST(MarkdownStream, ABlockTallerThanTheScreenScrollsWithoutHarm) {
    std::string code = "```\n";
    std::string expected;
    for (int i = 0; i < 50; ++i) {
        code += "line " + std::to_string(i) + "\n";
        expected += "  line " + std::to_string(i) + "\n";
    }
    EXPECT_EQ(streamed(code + "```\n", 40, 6, 1), expected);
    std::string paragraph;
    for (int i = 0; i < 200; ++i) paragraph += "word" + std::to_string(i) + " ";
    EXPECT_EQ(streamed(paragraph, 30, 5, 2), at_once(paragraph, 30));
}

TEST(MarkdownStream, ATableTallerThanTheScreenIsNotRepeated) {
    std::string table = "| a | b |\n|---|---|\n";
    for (int i = 0; i < 40; ++i)
        table += "| row" + std::to_string(i) + " | " +
                 std::string(static_cast<size_t>(i / 4 + 1), 'x') + " |\n";
    const std::string shown = streamed(table, 40, 8, 3);
    for (int i = 0; i < 40; ++i) {
        const std::string name = "row" + std::to_string(i) + " ";
        EXPECT_EQ(shown.find(name), shown.rfind(name)) << name << "\n" << shown;
        EXPECT_NE(shown.find(name), std::string::npos) << name << "\n" << shown;
    }
}

TEST(MarkdownStream, CanBeUsedForSeveralAnswers) {
    Screen screen(40, 10);
    MarkdownStream stream(
        false,
        [] {
            return TerminalSize{40, 10};
        },
        [&](std::string_view out) { screen.write(out); });
    stream.append("one\n");
    stream.finish();
    stream.append("two");
    stream.finish();
    stream.finish();
    EXPECT_EQ(screen.text(), "one\ntwo\n");
}

TEST(MarkdownStream, AResizeLeavesEarlierLinesAlone) {
    Screen screen(80, 10);
    int columns = 40;
    MarkdownStream stream(
        false,
        [&] {
            return TerminalSize{columns, 10};
        },
        [&](std::string_view out) { screen.write(out); });
    stream.append("- one\n- two\n- three");
    columns = 60;
    stream.append("\n- four\n");
    stream.finish();
    EXPECT_EQ(screen.text(), "• one\n• two\n• three\n• four\n");
}

TEST(MarkdownStream, WritesInProportionToALongBlock) {
    size_t written = 0;
    MarkdownStream stream(
        false,
        [] {
            return TerminalSize{80, 24};
        },
        [&](std::string_view out) { written += out.size(); });
    stream.append("```\n");
    size_t sent = 0;
    for (int i = 0; i < 5'000; ++i) {
        stream.append("some code;\n");
        sent += 11;
    }
    stream.finish();
    EXPECT_LT(written, 20 * sent);
}

}  // namespace
}  // namespace facet::app
