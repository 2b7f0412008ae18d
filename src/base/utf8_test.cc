#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace facet {
namespace {

std::string encoded(char32_t code_point) {
    std::string out;
    append_utf8(out, code_point);
    return out;
}

TEST(Utf8, EveryCodePointRoundTrips) {
    for (char32_t code_point = 0; code_point <= 0x10ffff; ++code_point) {
        if (code_point >= 0xd800 && code_point <= 0xdfff) continue;
        const std::string text = encoded(code_point);
        const Utf8Character character = decode_utf8(text);
        ASSERT_TRUE(character.valid) << static_cast<uint32_t>(code_point);
        ASSERT_EQ(character.code_point, code_point);
        ASSERT_EQ(character.bytes, text.size());
        ASSERT_FALSE(character.incomplete);
    }
}

TEST(Utf8, EveryPrefixOfACharacterIsIncomplete) {
    for (const char32_t code_point :
         {U'\x80', U'\x7ff', U'\x800', U'\xd7ff', U'\xe000', U'\xffff', U'\x10000', U'\x10ffff'}) {
        const std::string text = encoded(code_point);
        for (size_t size = 1; size < text.size(); ++size) {
            const Utf8Character character = decode_utf8(std::string_view(text).substr(0, size));
            EXPECT_FALSE(character.valid);
            EXPECT_TRUE(character.incomplete);
            EXPECT_EQ(character.bytes, size);
        }
    }
}

TEST(Utf8, ReadsOnlyTheFirstCharacter) {
    const Utf8Character character = decode_utf8("\xc3\xa9x\xff");
    EXPECT_TRUE(character.valid);
    EXPECT_EQ(character.code_point, U'\xe9');
    EXPECT_EQ(character.bytes, 2u);
}

// Which runs of bytes stand for one U+FFFD each; the same as Python's bytes.decode("utf-8",
// "replace").
TEST(Utf8, ReplacesMaximalSubparts) {
    const std::string r(kReplacementCharacter);
    EXPECT_EQ(replace_invalid_utf8(""), "");
    EXPECT_EQ(replace_invalid_utf8("plain \xe2\x82\xac"), "plain \xe2\x82\xac");
    EXPECT_EQ(replace_invalid_utf8("\x80\xbf"), r + r);
    EXPECT_EQ(replace_invalid_utf8("\xc0\xaf"), r + r);                  // overlong
    EXPECT_EQ(replace_invalid_utf8("\xe0\x80\xaf"), r + r + r);          // overlong
    EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), r + r + r);          // surrogate
    EXPECT_EQ(replace_invalid_utf8("\xf4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
    EXPECT_EQ(replace_invalid_utf8("\xf5\xff"), r + r);
    EXPECT_EQ(replace_invalid_utf8("\xe2\x82x"), r + "x");  // cut short: one for both bytes
    EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x98"), r);
    EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\xe2\x82\xac"), r + "\xe2\x82\xac");
    // Unicode 15, table 3-8.
    EXPECT_EQ(replace_invalid_utf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
                                   "A"),
              r + r + r + r + "A");
}

TEST(Utf8, EveryPairOfBytesIsConsumed) {
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            const std::string text = {static_cast<char>(first), static_cast<char>(second), 'x'};
            const Utf8Character character = decode_utf8(text);
            ASSERT_GE(character.bytes, 1u);
            ASSERT_LE(character.bytes, 2u);
            // Followed by 'x' nothing longer than two bytes is valid, and nothing is incomplete.
            ASSERT_FALSE(character.incomplete);
            ASSERT_EQ(character.valid, character.bytes == (first < 0x80 ? 1u : 2u) &&
                                           (first < 0x80 || (first >= 0xc2 && first < 0xe0 &&
                                                             (second & 0xc0) == 0x80)));
        }
    }
}

}  // namespace
}  // namespace facet
