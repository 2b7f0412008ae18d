// Streaming decode against the documented rules and against whole-sequence decode.
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "text/testing.h"
#include "text/tokenizer.h"

namespace facet {
namespace {

using test::real_tokenizer;
using test::real_vocabulary;

// Byte tokens of `bytes`.
std::vector<int32_t> byte_ids(std::string_view bytes) {
    std::vector<int32_t> ids;
    for (const char byte : bytes)
        ids.push_back(real_vocabulary().byte_token(static_cast<uint8_t>(byte)));
    return ids;
}

std::string stream(const std::vector<int32_t>& ids) {
    Detokenizer detokenizer(real_vocabulary());
    std::string text;
    for (const int32_t id : ids) text += detokenizer.push(id);
    return text + detokenizer.finish();
}

TEST(Detokenizer, GivesACharacterWithItsLastByte) {
    Detokenizer detokenizer(real_vocabulary());
    const std::vector<int32_t> ids = byte_ids("\xf0\x9f\x98\x80\xc3\xa9");
    EXPECT_EQ(detokenizer.push(ids[0]), "");
    EXPECT_EQ(detokenizer.push(ids[1]), "");
    EXPECT_EQ(detokenizer.push(ids[2]), "");
    EXPECT_EQ(detokenizer.push(ids[3]), "\xf0\x9f\x98\x80");
    EXPECT_EQ(detokenizer.push(ids[4]), "");
    EXPECT_EQ(detokenizer.push(ids[5]), "\xc3\xa9");
    EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, TurnsHeldBytesIntoOneReplacementEach) {
    Detokenizer detokenizer(real_vocabulary());
    const std::string twice =
        std::string(kReplacementCharacter) + std::string(kReplacementCharacter);
    for (const int32_t id : byte_ids("\xe3\x81")) EXPECT_EQ(detokenizer.push(id), "");
    EXPECT_EQ(detokenizer.push(real_vocabulary().find("Hello")), twice + "Hello");
    for (const int32_t id : byte_ids("\xe3\x81")) EXPECT_EQ(detokenizer.push(id), "");
    EXPECT_EQ(detokenizer.push(real_vocabulary().id_of(Special::kTurnEnd)), twice);
    for (const int32_t id : byte_ids("\xe3\x81")) EXPECT_EQ(detokenizer.push(id), "");
    EXPECT_EQ(detokenizer.finish(), twice);
    EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, DoesNotHoldBytesThatCannotBeCompleted) {
    Detokenizer detokenizer(real_vocabulary());
    EXPECT_EQ(detokenizer.push(byte_ids("\xff")[0]), kReplacementCharacter);
    EXPECT_EQ(detokenizer.push(byte_ids("\xe3")[0]), "");
    // The second lead byte shows that the first stands alone, and waits itself.
    EXPECT_EQ(detokenizer.push(byte_ids("\xe3")[0]), kReplacementCharacter);
    EXPECT_EQ(detokenizer.push(byte_ids("\x81")[0]), "");
    EXPECT_EQ(detokenizer.push(byte_ids("\x93")[0]), "\xe3\x81\x93");
}

TEST(Detokenizer, GivesNoTextForSpecialsAndKeepsLeadingSpaces) {
    const Vocabulary& vocabulary = real_vocabulary();
    EXPECT_EQ(stream({vocabulary.id_of(Special::kBos), vocabulary.find("\xe2\x96\x81the"),
                      vocabulary.id_of(Special::kTurnEnd)}),
              " the");
}

TEST(Detokenizer, EqualsWholeDecodeOnAllCases) {
    const Json cases = test::read_json("tokenizer-cases.json");
    for (const Json& item : cases.find("encode")->items) {
        const std::vector<int32_t> ids = test::ids_of(*item.find("ids"));
        EXPECT_EQ(stream(ids), real_tokenizer().decode(ids, false)) << item.find("name")->text;
    }
}

// However a text is cut into tokens, byte tokens anywhere among them: what has come so far and what
// is held make up the bytes so far, and never more than three are held.
TEST(Detokenizer, EqualsWholeDecodeAtEverySplit) {
    std::mt19937 random(1);
    const std::u32string alphabet =
        U"aZ \n\u00e9\u07ff\u0800\u3053\uffff\U00010000\U0001f600\U0010ffff";
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        std::vector<int32_t> ids;
        for (size_t length = random() % 12; length > 0; --length) {
            std::string character;
            append_utf8(character, alphabet[random() % alphabet.size()]);
            text += character;
            const bool as_bytes = random() % 2 == 0;
            const auto part =
                as_bytes ? byte_ids(character) : real_tokenizer().encode(character, false);
            ids.insert(ids.end(), part.begin(), part.end());
        }
        ASSERT_EQ(real_tokenizer().decode(ids, false), text);
        Detokenizer detokenizer(real_vocabulary());
        std::string bytes, streamed;
        for (size_t split = 0; split < ids.size(); ++split) {
            const int byte = real_vocabulary().byte_of(ids[split]);
            if (byte >= 0) {
                bytes.push_back(static_cast<char>(byte));
            } else {
                real_vocabulary().append_text(ids[split], bytes);
            }
            streamed += detokenizer.push(ids[split]);
            ASSERT_EQ(bytes.compare(0, streamed.size(), streamed), 0);
            ASSERT_LE(bytes.size() - streamed.size(), 3u);
            // Ending here is what whole decode says of this prefix, unless it breaks a character.
            const std::vector<int32_t> prefix(ids.begin(),
                                              ids.begin() + static_cast<long>(split) + 1);
            if (replace_invalid_utf8(bytes) == bytes) {
                ASSERT_EQ(streamed, real_tokenizer().decode(prefix, false));
            }
        }
        ASSERT_EQ(streamed + detokenizer.finish(), text);
    }
}

TEST(Detokenizer, GivesOneReplacementAByteForNoise) {
    std::mt19937 random(2);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (size_t length = random() % 12; length > 0; --length)
            bytes.push_back(static_cast<char>(random() % 256));
        const std::string text = stream(byte_ids(bytes));
        EXPECT_EQ(replace_invalid_utf8(text), text);
        // Valid characters survive; each other byte is one U+FFFD.
        std::string expected;
        for (std::string_view rest = bytes; !rest.empty();) {
            const Utf8Character character = decode_utf8(rest);
            for (size_t i = 0; i < character.bytes && !character.valid; ++i) {
                expected += kReplacementCharacter;
            }
            if (character.valid) expected += rest.substr(0, character.bytes);
            rest.remove_prefix(character.bytes);
        }
        ASSERT_EQ(text, expected);
    }
}

}  // namespace
}  // namespace facet
