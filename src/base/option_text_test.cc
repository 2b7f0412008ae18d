#include "base/option_text.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

TEST(Closest, FindsTyposOnly) {
    const std::vector<std::string> commands = {"chat", "run", "render", "tokenize"};
    EXPECT_EQ(closest("rendr", commands), "render");
    EXPECT_EQ(closest("tokenise", commands), "tokenize");
    EXPECT_EQ(closest("xyzzy", commands), std::nullopt);
}

TEST(ParseInteger, TakesWholeNumbersInRange) {
    EXPECT_EQ(parse_integer("-3", -3, 5).value(), -3);
    EXPECT_EQ(parse_integer("5", -3, 5).value(), 5);
    for (const char* text :
         {"", " 1", "1 ", "+1", "1.0", "0x1", "6", "-4", "99999999999999999999"}) {
        EXPECT_FALSE(parse_integer(text, -3, 5).ok()) << text;
    }
    EXPECT_EQ(parse_integer("6", -3, 5).error().message,
              "expected a whole number from -3 to 5, found '6'");
}

}  // namespace
}  // namespace facet
