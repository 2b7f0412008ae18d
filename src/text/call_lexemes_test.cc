#include "text/call_lexemes.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

TEST(CallLexemes, NumbersAreJsonsAndKeepTheirSpelling) {
    for (const char* number : {"0", "-0", "7", "-12", "1.50", "0.5", "1e5", "1E+22", "2.0e-7",
                               "123456789012345678901234567890"}) {
        const auto value = read_scalar(number);
        ASSERT_TRUE(value && value->is_number()) << number;
        EXPECT_EQ(value->text, number);
    }
    for (const char* text : {"", "-", "01", "-01", "+1", ".5", "1.", "1e", "1e+", "0x1", "1 2",
                             "Infinity", "NaN", "1_0"}) {
        EXPECT_FALSE(read_scalar(text)) << text;
    }
}

TEST(CallLexemes, LiteralsAreJsons) {
    EXPECT_TRUE(read_scalar("true")->is_true());
    EXPECT_TRUE(read_scalar("false")->is_bool());
    EXPECT_TRUE(read_scalar("null")->is_null());
    for (const char* text : {"True", "None", "nil", "TRUE", "nullx"})
        EXPECT_FALSE(read_scalar(text)) << text;
}

TEST(CallLexemes, DecodesJsonsEscapes) {
    EXPECT_EQ(unescape(R"(a\"b\'c\\d\/e)"), "a\"b'c\\d/e");
    EXPECT_EQ(unescape(R"(\n\r\t\b\f)"), "\n\r\t\b\f");
    EXPECT_EQ(unescape(R"(\u00e9\u65e5\ud83c\udf27)"), "é日🌧");
    EXPECT_EQ(unescape(R"(\ud83c \ud83cx \udf27 \ud83c\u0041)"), "\uFFFD \uFFFDx \uFFFD \uFFFDA");
    EXPECT_EQ(unescape(R"(C:\dir \u12 \uzzzz \)"), R"(C:\dir \u12 \uzzzz \)");
}

}  // namespace
}  // namespace facet
