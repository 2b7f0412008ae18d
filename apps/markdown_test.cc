// Markdown to lines: golden strings, and what must hold for any text.
#include "markdown.h"

#include <gtest/gtest.h>

#include <random>

#include "screen_for_tests.h"

namespace facet::app {
namespace {

std::string plain(std::string_view source, int width = 40) {
    std::string out;
    for (const std::string& line : render_markdown(source, width, false)) out += line + "\n";
    return out;
}

std::string colored(std::string_view source, int width = 40) {
    std::string out;
    for (const std::string& line : render_markdown(source, width, true)) out += line + "\n";
    return out;
}

TEST(Markdown, ShowsEmphasisAndCode) {
    EXPECT_EQ(colored("a **b** *c* ~~d~~ `e`"),
              "a \x1b[0;1mb\x1b[0m \x1b[0;3mc\x1b[0m \x1b[0;9md\x1b[0m \x1b[0;36me\x1b[0m\n");
    EXPECT_EQ(colored("***x***"), "\x1b[0;1;3mx\x1b[0m\n");
    EXPECT_EQ(plain("a **b** `c`"), "a b `c`\n");
}

TEST(Markdown, EachLineCarriesItsOwnColours) {
    EXPECT_EQ(colored("**one two**", 8), "\x1b[0;1mone two\x1b[0m\n");
    EXPECT_EQ(colored("**three four five**", 11),
              "\x1b[0;1mthree four\x1b[0m\n\x1b[0;1mfive\x1b[0m\n");
}

TEST(Markdown, ShowsLinksWithTheirAddress) {
    EXPECT_EQ(plain("[Facet](https://x.org/a)"), "Facet (https://x.org/a)\n");
    EXPECT_EQ(plain("see https://x.org/a now"), "see https://x.org/a now\n");
    EXPECT_EQ(plain("![a cat](cat.png)"), "a cat (cat.png)\n");
}

TEST(Markdown, LaysOutLists) {
    EXPECT_EQ(plain("Gems:\n- ruby\n- opal\n  - black\n  - fire\n\n3. three\n4. four\n"),
              "Gems:\n\n• ruby\n• opal\n  • black\n  • fire\n\n3. three\n4. four\n");
    EXPECT_EQ(plain("- [x] done\n- [ ] open"), "☑ done\n☐ open\n");
    EXPECT_EQ(plain("- one\n\n  more\n- two"), "• one\n\n  more\n\n• two\n");
    EXPECT_EQ(plain("- a long item that wraps", 18), "• a long item that\n  wraps\n");
    EXPECT_EQ(plain("-\n- x"), "•\n• x\n");
}

TEST(Markdown, IndentsCodeAndKeepsItsLines) {
    EXPECT_EQ(plain("```python\ndef f():\n\treturn 1\n\n\nx\n```\n"),
              "python\n  def f():\n      return 1\n\n\n  x\n");
    EXPECT_EQ(colored("```\na\n```"), "\x1b[0;2m  \x1b[0;36ma\x1b[0m\n");
    EXPECT_EQ(plain("```\n" + std::string(30, 'x') + "\n```", 24),
              "  " + std::string(22, 'x') + "\n  " + std::string(8, 'x') + "\n");
}

TEST(Markdown, LaysOutTables) {
    EXPECT_EQ(plain("| gem | hardness |\n|---|---|\n| ruby | 9 |\n| 世界 | **7** |\n"),
              "gem  │ hardness\n─────┼─────────\nruby │ 9\n世界 │ 7\n");
    const std::string narrow = plain("| a | b |\n|---|---|\n| x | one two three four five |\n", 20);
    EXPECT_EQ(narrow, "a │ b\n──┼─────────────────\nx │ one two three\n  │ four five\n");
}

TEST(Markdown, ATableTooNarrowForItsColumnsIsStillReadable) {
    const std::string wide = "|" + std::string("c|", 2) + "d|e|f|g|h|i|j|k|l|m|n|o|p\n|" +
                             std::string("-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|") +
                             "\n|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|\n";
    for (const std::string& line : render_markdown(wide, 20, false))
        EXPECT_LE(display_width(line), 20u) << line;
    EXPECT_NE(plain(wide, 20).find("14"), std::string::npos);
}

TEST(Markdown, ShowsHeadingsQuotesAndRules) {
    EXPECT_EQ(colored("# One\n## Two"), "\x1b[0;1;4mOne\x1b[0m\n\n\x1b[0;1mTwo\x1b[0m\n");
    EXPECT_EQ(plain("## Two\ntext"), "## Two\n\ntext\n");
    EXPECT_EQ(plain("> one\n> two\n\nthree"), "│ one\n│ two\n\nthree\n");
    EXPECT_EQ(plain("a\n\n---\n\nb", 20), "a\n\n────────────────────\n\nb\n");
}

TEST(Markdown, KeepsLineBreaksAndMath) {
    EXPECT_EQ(plain("roses\nviolets"), "roses\nviolets\n");
    EXPECT_EQ(plain("$a_1 * b_2 * c$"), "$a_1 * b_2 * c$\n");
}

TEST(Markdown, TextOfTheModelCannotReachTheTerminalsControls) {
    EXPECT_EQ(plain("a\x1b[2Jb &#27;[2J &amp; &#x202e;"), "a␛[2Jb ␛[2J & \xef\xbf\xbd\n");
    EXPECT_EQ(plain("<b>html</b>"), "<b>html</b>\n");
    EXPECT_EQ(plain("```\n\x1b[31m\n```"), "  ␛[31m\n");
    EXPECT_EQ(plain("[x](https://\x07)").find('\x07'), std::string::npos);
}

TEST(Markdown, DeepNestingStaysWithinTheWidth) {
    std::string deep;
    for (int i = 0; i < 500; ++i) deep += "> ";
    for (const std::string& line : render_markdown(deep + "x", 30, false))
        EXPECT_LE(display_width(line), 30u);
    std::string list;
    for (int i = 0; i < 60; ++i)
        list += std::string(static_cast<size_t>(2 * i), ' ') + "- some words here\n";
    for (const std::string& line : render_markdown(list, 30, true)) {
        Screen screen(30, 10);
        screen.write(line);
    }
}

TEST(Markdown, NoTextBreaksTheWidthOrLeavesAColourOn) {
    const std::string_view pieces[] = {"**",     "*",
                                       "`",      "```\n",
                                       "\n",     "\n\n",
                                       "- ",     "1. ",
                                       "> ",     "| a | b |\n|---|---|\n",
                                       "| ",     "世界",
                                       "word ",  "longlonglonglongword",
                                       "[x](y)", "# ",
                                       "$",      "\\",
                                       "&lt;",   "\t",
                                       "~~"};
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        std::string source;
        for (int i = 0; i < 20; ++i) source += pieces[random() % std::size(pieces)];
        for (const std::string& line : render_markdown(source, 24, true)) {
            Screen screen(24, 10);
            screen.write(line);
            const size_t last = line.rfind('\x1b');
            const std::string closing =
                last == std::string::npos ? "\x1b[0m" : line.substr(last, 4);
            EXPECT_EQ(closing, "\x1b[0m") << source;
            if (HasFailure()) FAIL() << source;
        }
    }
}

}  // namespace
}  // namespace facet::app
