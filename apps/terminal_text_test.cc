// What may reach a terminal, and widths.
#include "terminal_text.h"

#include <gtest/gtest.h>

namespace facet::app {
namespace {

TEST(Neutralize, KeepsOrdinaryTextNewlinesAndTabs) {
    EXPECT_EQ(neutralize("Grüße, 世界\n\t👩‍🔬"), "Grüße, 世界\n\t👩‍🔬");
}

TEST(Neutralize, MakesEscapeSequencesVisible) {
    EXPECT_EQ(neutralize("a\x1b[31mb"), "a␛[31mb");
    EXPECT_EQ(neutralize("\x1b]0;title\x07"), "␛]0;title␇");
    EXPECT_EQ(neutralize(std::string_view("\0\r\x7f", 3)), "␀␍␡");
}

TEST(Neutralize, ReplacesC1ControlsBidiOverridesAndInvalidBytes) {
    EXPECT_EQ(neutralize("\xc2\x9b"
                         "2J"),
              "\xef\xbf\xbd"
              "2J");
    EXPECT_EQ(neutralize("a\u202eb\u2066c"),
              "a\xef\xbf\xbd"
              "b\xef\xbf\xbd"
              "c");
    EXPECT_EQ(neutralize("a\xff"), "a\xef\xbf\xbd");
}

TEST(DisplayWidth, CountsColumns) {
    EXPECT_EQ(display_width("abc"), 3u);
    EXPECT_EQ(display_width("世界"), 4u);
    EXPECT_EQ(display_width("e\u0301"), 1u);
    EXPECT_EQ(display_width("👍"), 2u);
    EXPECT_EQ(display_width("\t"), kTabWidth);
}

TEST(Clusters, CombiningMarksAndJoinedEmojiAreOneStep) {
    const std::string text = "e\u0301👩‍🔬x";
    const size_t first = next_cluster(text, 0);
    EXPECT_EQ(first, 3u);
    const size_t second = next_cluster(text, first);
    EXPECT_EQ(second, text.size() - 1);
    EXPECT_EQ(previous_cluster(text, second), first);
    EXPECT_EQ(previous_cluster(text, first), 0u);
    EXPECT_EQ(previous_cluster(text, 0), 0u);
}

TEST(Clusters, ANewlineIsAStepOfItsOwn) {
    const std::string text = "a\nb";
    EXPECT_EQ(previous_cluster(text, 3), 2u);
    EXPECT_EQ(previous_cluster(text, 2), 1u);
    EXPECT_EQ(previous_cluster(text, 1), 0u);
}

}  // namespace
}  // namespace facet::app
