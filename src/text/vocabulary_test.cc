// What from_gguf accepts, what it refuses and in which words. Broken files are written here, byte
// by byte.
#include "text/vocabulary.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "text/testing.h"

namespace facet {
namespace {

using Strings = std::vector<std::string>;

// The smallest vocabulary that is accepted: the specials, the byte tokens and three words that one
// merge list builds.
Strings small_tokens() {
    Strings tokens;
    for (size_t i = 0; i < kSpecialCount; ++i)
        tokens.emplace_back(special_text(static_cast<Special>(i)));
    for (int byte = 0; byte < 256; ++byte) tokens.push_back(fmt::format("<0x{:02X}>", byte));
    for (const char* word : {"a", "b", "ab", "\xe2\x96\x81",
                             "\xe2\x96\x81"
                             "ab"})
        tokens.emplace_back(word);
    return tokens;
}

Strings small_merges() { return {"a b", "\xe2\x96\x81 ab"}; }

struct Contents {
    std::optional<std::string> model = "gemma4";
    std::optional<Strings> tokens = small_tokens();
    std::optional<Strings> merges = small_merges();
};

template <typename T>
void append(std::string& out, T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
}

void append_string(std::string& out, const std::string& text) {
    append<uint64_t>(out, text.size());
    out += text;
}

void append_strings(std::string& out, const std::string& key, const Strings& strings) {
    append_string(out, key);
    append(out, GgufType::kArray);
    append(out, GgufType::kString);
    append<uint64_t>(out, strings.size());
    for (const std::string& text : strings) append_string(out, text);
}

Result<Vocabulary> read(const Contents& contents) {
    std::string bytes = "GGUF";
    append<uint32_t>(bytes, 3);
    append<uint64_t>(bytes, 0);
    append<uint64_t>(bytes, contents.model.has_value() + contents.tokens.has_value() +
                                contents.merges.has_value());
    if (contents.model) {
        append_string(bytes, "tokenizer.ggml.model");
        append(bytes, GgufType::kString);
        append_string(bytes, *contents.model);
    }
    if (contents.tokens) append_strings(bytes, "tokenizer.ggml.tokens", *contents.tokens);
    if (contents.merges) append_strings(bytes, "tokenizer.ggml.merges", *contents.merges);
    auto file = GgufFile::parse({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                "small.gguf");
    if (!file.ok()) return file.error();
    return Vocabulary::from_gguf(file.value());
}

std::string error_of(const Contents& contents) {
    auto vocabulary = read(contents);
    return vocabulary.ok() ? "no error" : vocabulary.error().message;
}

TEST(Vocabulary, ReadsEveryEntryOfTheRealFile) {
    const Vocabulary& vocabulary = test::real_vocabulary();
    EXPECT_EQ(vocabulary.size(), 262144);
    EXPECT_EQ(vocabulary.merges().size(), 514906u);
    EXPECT_EQ(vocabulary.find("\xe2\x96\x81the"), 506);
    for (int32_t id = 0; id < vocabulary.size(); ++id)
        ASSERT_EQ(vocabulary.find(vocabulary.token(id)), id);
    for (const Vocabulary::Merge& merge : vocabulary.merges()) {
        std::string joined(vocabulary.token(merge.left));
        joined += vocabulary.token(merge.right);
        ASSERT_EQ(joined, vocabulary.token(merge.result));
    }
}

TEST(Vocabulary, FindsNothingThatIsNoEntry) {
    EXPECT_EQ(test::real_vocabulary().find(""), -1);
    EXPECT_EQ(test::real_vocabulary().find("no such entry"), -1);
    EXPECT_EQ(test::real_vocabulary().find(std::string(100000, 'x')), -1);
}

TEST(Vocabulary, HasTheSpecialsAtThePublishedIds) {
    constexpr int32_t kPublished[kSpecialCount] = {
        0,  1,   2,   3,   4,   46,     47,     48,     49,     50,     51,     52,
        98, 100, 101, 105, 106, 255999, 256000, 258880, 258881, 258882, 258883, 258884};
    const Vocabulary& vocabulary = test::real_vocabulary();
    size_t specials = 0;
    for (int32_t id = 0; id < vocabulary.size(); ++id) specials += vocabulary.special_of(id) >= 0;
    EXPECT_EQ(specials, kSpecialCount);
    for (size_t i = 0; i < kSpecialCount; ++i) {
        EXPECT_EQ(vocabulary.id_of(static_cast<Special>(i)), kPublished[i]);
        EXPECT_EQ(vocabulary.special_of(kPublished[i]), static_cast<int>(i));
        EXPECT_EQ(vocabulary.token(kPublished[i]), special_text(static_cast<Special>(i)));
    }
}

TEST(Vocabulary, FindsSpecialsOfTheDemoByTheirText) {
    const Vocabulary& vocabulary = test::demo_vocabulary();
    EXPECT_EQ(vocabulary.size(), 5120);
    for (size_t i = 0; i < kSpecialCount; ++i) {
        const auto special = static_cast<Special>(i);
        EXPECT_EQ(vocabulary.token(vocabulary.id_of(special)), special_text(special));
    }
    EXPECT_EQ(vocabulary.id_of(Special::kTurnBegin), 57);
}

// parse_special counts on this form (tokenizer.cc).
TEST(Vocabulary, SpecialTextsAreOneAngleBracketPair) {
    for (size_t i = 0; i < kSpecialCount; ++i) {
        const std::string_view text = special_text(static_cast<Special>(i));
        EXPECT_EQ(text.rfind('<'), 0u) << text;
        EXPECT_EQ(text.find('>'), text.size() - 1) << text;
        EXPECT_LE(text.size(), 16u) << text;
    }
}

TEST(Vocabulary, KnowsByteTokensAndUnusedEntries) {
    const Vocabulary& vocabulary = test::real_vocabulary();
    int32_t bytes = 0, unused = 0;
    for (int32_t id = 0; id < vocabulary.size(); ++id) {
        bytes += vocabulary.byte_of(id) >= 0;
        unused += vocabulary.is_unused(id);
    }
    EXPECT_EQ(bytes, 256);
    EXPECT_EQ(unused, 6227);
    for (int byte = 0; byte < 256; ++byte) {
        EXPECT_EQ(vocabulary.byte_token(static_cast<uint8_t>(byte)), 238 + byte);
        EXPECT_EQ(vocabulary.byte_of(238 + byte), byte);
    }
    EXPECT_FALSE(vocabulary.is_unused(vocabulary.find("<table>")));
}

TEST(Vocabulary, TextHasSpacesForTheSpaceSymbol) {
    const Vocabulary& vocabulary = test::real_vocabulary();
    std::string text = "=";
    vocabulary.append_text(vocabulary.find("\xe2\x96\x81the"), text);
    vocabulary.append_text(vocabulary.find(">\xe2\x96\x81</"), text);
    vocabulary.append_text(vocabulary.find("\xe2\x96\x81\xe2\x96\x81\xe2\x96\x81"), text);
    EXPECT_EQ(text, "= the> </   ");
}

TEST(Vocabulary, SurvivesBeingMoved) {
    auto result = read({});
    ASSERT_TRUE(result.ok()) << result.error().message;
    Vocabulary first = result.take();
    const Vocabulary second = std::move(first);
    EXPECT_EQ(second.token(second.find("ab")), "ab");
    EXPECT_EQ(second.token(second.merges()[1].result),
              "\xe2\x96\x81"
              "ab");
}

TEST(Vocabulary, AcceptsBothModelNamesAndNone) {
    EXPECT_EQ(error_of({}), "no error");
    EXPECT_EQ(error_of({.model = "llama"}), "no error");
    EXPECT_EQ(error_of({.model = std::nullopt}), "no error");
}

TEST(Vocabulary, RefusesOtherTokenizers) {
    EXPECT_EQ(error_of({.model = "gpt2"}),
              "small.gguf: tokenizer.ggml.model is \"gpt2\", expected \"gemma4\" or \"llama\"");
    EXPECT_EQ(error_of({.tokens = std::nullopt}),
              "small.gguf: tokenizer.ggml.tokens is missing: the file has no Gemma 4 tokenizer");
    EXPECT_EQ(error_of({.merges = std::nullopt}),
              "small.gguf: tokenizer.ggml.merges is missing: the file has no Gemma 4 tokenizer");
    EXPECT_EQ(error_of({.tokens = Strings{}}),
              "small.gguf: tokenizer.ggml.tokens has no \"<pad>\": the tokenizer is not Gemma 4's");
}

TEST(Vocabulary, AFileForTextOnlyDoesWithoutMediaTokens) {
    Contents contents;
    for (size_t i = static_cast<size_t>(kFirstMediaSpecial); i < kSpecialCount; ++i) {
        contents.tokens->at(i) = fmt::format("word{}", i);
    }
    EXPECT_EQ(error_of(contents), "no error");
}

TEST(Vocabulary, RefusesAMissingOrRepeatedSpecial) {
    for (size_t i = 0; i < static_cast<size_t>(kFirstMediaSpecial); ++i) {
        Contents contents;
        contents.tokens->at(i).clear();
        EXPECT_EQ(error_of(contents),
                  fmt::format("small.gguf: tokenizer.ggml.tokens has no \"{}\": the tokenizer is "
                              "not Gemma 4's",
                              special_text(static_cast<Special>(i))));
    }
    Contents contents;
    contents.tokens->push_back("<turn|>");
    EXPECT_EQ(error_of(contents),
              "small.gguf: tokenizer.ggml.tokens[16] and [285] are both \"<turn|>\", expected one");
}

TEST(Vocabulary, RefusesAMissingByteToken) {
    Contents contents;
    (*contents.tokens)[kSpecialCount + 0x0a] = "<0x0a>";
    EXPECT_EQ(
        error_of(contents),
        "small.gguf: tokenizer.ggml.tokens has no \"<0x0A>\": the tokenizer is not Gemma 4's");
}

TEST(Vocabulary, RefusesEntriesThatAreTooLongOrNoUtf8) {
    Contents contents;
    contents.tokens->push_back(std::string(kTokenBytesMax + 1, 'x'));
    EXPECT_EQ(error_of(contents),
              "small.gguf: tokenizer.ggml.tokens[285] has 1025 bytes, expected at most 1024");
    contents.tokens->back() = "x\xff";
    EXPECT_EQ(error_of(contents),
              "small.gguf: tokenizer.ggml.tokens[285] is \"x\xef\xbf\xbd\", expected valid UTF-8");
    contents.tokens = Strings(kVocabularySizeMax + 1);
    EXPECT_EQ(error_of(contents),
              "small.gguf: tokenizer.ggml.tokens has 1048577 entries, expected at most 1048576");
}

TEST(Vocabulary, RefusesMergesThatDoNotFit) {
    const auto error = [](const std::string& merge) {
        Contents contents;
        contents.tokens->push_back("<b");
        contents.tokens->push_back("os>");
        contents.tokens->push_back(" ");
        contents.merges->push_back(merge);
        return error_of(contents);
    };
    const std::string at = "small.gguf: tokenizer.ggml.merges[2] is ";
    for (const std::string merge : {"", "a", " a", "ab ", "a b "}) {
        EXPECT_TRUE(error(merge).starts_with(fmt::format("{}\"{}\"", at, merge)));
    }
    EXPECT_EQ(error("ab"), at + "\"ab\": expected two tokens with a space between them");
    EXPECT_EQ(error("c a"), at + "\"c a\": its left part is no token");
    EXPECT_EQ(error("a c"), at + "\"a c\": its right part is no token");
    EXPECT_EQ(error("b a"), at + "\"b a\": its parts joined are no token");
    EXPECT_EQ(error("<b os>"), at + "\"<b os>\": it makes a special or byte token out of text");
    // The first space at index 1 or later parts the two, so the left one may itself be a space.
    EXPECT_EQ(error("  a"), at + "\"  a\": its parts joined are no token");
}

TEST(Vocabulary, KeepsTheFirstOfRepeatedOrdinaryEntries) {
    Contents contents;
    contents.tokens->push_back("ab");
    auto vocabulary = read(contents);
    ASSERT_TRUE(vocabulary.ok());
    EXPECT_EQ(vocabulary.value().find("ab"), 282);
    EXPECT_EQ(vocabulary.value().merges()[0].result, 282);
}

}  // namespace
}  // namespace facet
