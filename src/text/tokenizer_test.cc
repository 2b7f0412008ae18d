// The tokenizer against recorded ids of Hugging Face's, and against a second, quadratic byte-pair
// encoder written here from the rules alone: no cuts, no heap, no ids, merges as the strings that
// the file holds.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <unordered_map>

#include "base/utf8.h"
#include "text/testing.h"

namespace facet {
namespace {

using test::demo_tokenizer;
using test::demo_vocabulary;
using test::real_tokenizer;
using test::real_vocabulary;

std::vector<std::string> characters_of(std::string_view text) {
    std::vector<std::string> characters;
    while (!text.empty()) {
        const size_t bytes = decode_utf8(text).bytes;
        characters.emplace_back(text.substr(0, bytes));
        text.remove_prefix(bytes);
    }
    return characters;
}

class ReferenceBpe {
  public:
    ReferenceBpe(const std::string& file_name, const Vocabulary& vocabulary)
        : vocabulary_(vocabulary) {
        const GgufFile file = test::open_gguf(file_name);
        for (const std::string_view merge : *file.string_array("tokenizer.ggml.merges").value()) {
            ranks_.emplace(merge, ranks_.size());
        }
    }

    std::vector<int32_t> encode(std::string_view text) const {
        std::vector<std::string> symbols = characters_of(replace_invalid_utf8(text));
        for (std::string& symbol : symbols) {
            if (symbol == " ") symbol = kSpaceSymbolText;
        }
        while (merge_best(symbols)) {
        }
        std::vector<int32_t> ids;
        for (const std::string& symbol : symbols) {
            const int32_t id = vocabulary_.find(symbol);
            if (id >= 0) {
                ids.push_back(id);
                continue;
            }
            for (const char byte : symbol) {
                ids.push_back(vocabulary_.byte_token(static_cast<uint8_t>(byte)));
            }
        }
        return ids;
    }

  private:
    bool merge_best(std::vector<std::string>& symbols) const {
        size_t best_rank = ranks_.size(), best = 0;
        for (size_t i = 0; i + 1 < symbols.size(); ++i) {
            const auto found = ranks_.find(symbols[i] + " " + symbols[i + 1]);
            if (found == ranks_.end() || found->second >= best_rank) continue;
            best_rank = found->second;
            best = i;
        }
        if (best_rank == ranks_.size()) return false;
        symbols[best] += symbols[best + 1];
        symbols.erase(symbols.begin() + static_cast<long>(best) + 1);
        return true;
    }

    const Vocabulary& vocabulary_;
    std::unordered_map<std::string, size_t> ranks_;
};

// Random text of the kinds that break tokenizers, one kind after another.
class TextSource {
  public:
    TextSource(const Vocabulary& vocabulary, unsigned seed)
        : vocabulary_(vocabulary), random_(seed) {}

    std::string next(size_t parts_max) {
        std::string text;
        for (size_t parts = 1 + pick(parts_max); parts > 0; --parts) append_part(text);
        return text;
    }

    size_t pick(size_t count) {
        return std::uniform_int_distribution<size_t>(0, count - 1)(random_);
    }

  private:
    void append_part(std::string& text) {
        static const std::vector<std::string> kHtml = {
            "<",   ">",      "</",  "> </", "> <", ">  </", " >",  "/>",
            "<p>", "</div>", "\n<", ">\n",  "=\"", "<!--",  "-->", "&nbsp;"};
        static const std::vector<std::string> kSpaces = {
            " ", "\n", "\t", "\r", "\r\n", "\xc2\xa0", "\xe3\x80\x80", "\xe2\x96\x81"};
        static const std::vector<std::string> kEmoji = {
            "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd",
            "e\xcc\x81", "\xf0\x9f\x87\xa7\xf0\x9f\x87\xb7", "\xe2\x9d\xa4\xef\xb8\x8f"};
        switch (pick(9)) {
            case 0:
            case 1:
                vocabulary_.append_text(
                    static_cast<int32_t>(pick(static_cast<size_t>(vocabulary_.size()))), text);
                break;
            case 2: append_piece_of_token(text); break;
            case 3: append_utf8(text, code_point()); break;
            case 4:
                repeat(text, kSpaces[pick(kSpaces.size())], 1 + pick(pick(4) == 0 ? 70 : 4));
                break;
            case 5: text += kHtml[pick(kHtml.size())]; break;
            case 6: text += special_text(static_cast<Special>(pick(kSpecialCount))); break;
            case 7: text += kEmoji[pick(kEmoji.size())]; break;
            case 8:
                repeat(text, std::string(1, static_cast<char>(' ' + pick(95))), 1 + pick(12));
                break;
        }
    }
    void append_piece_of_token(std::string& text) {
        const auto id = static_cast<int32_t>(pick(static_cast<size_t>(vocabulary_.size())));
        const std::vector<std::string> characters = characters_of(vocabulary_.token(id));
        const size_t begin = pick(characters.size());
        for (size_t i = begin; i < characters.size() && pick(5) != 0; ++i) text += characters[i];
    }
    char32_t code_point() {
        constexpr char32_t kTops[] = {0x80, 0x800, 0x3000, 0xa000, 0xd800, 0x1fb00, 0x110000};
        const auto value = static_cast<char32_t>(pick(kTops[pick(7)]));
        return value >= 0xd800 && value < 0xe000 ? 0xfffd : value;
    }
    static void repeat(std::string& text, const std::string& part, size_t count) {
        for (; count > 0; --count) text += part;
    }

    const Vocabulary& vocabulary_;
    std::mt19937 random_;
};

TEST(Tokenizer, GivesTheRecordedIdsAndText) {
    const Json cases = test::read_json("tokenizer-cases.json");
    ASSERT_EQ(cases.find("encode")->items.size(), 162u);
    for (const Json& item : cases.find("encode")->items) {
        SCOPED_TRACE(item.find("name")->text);
        const std::vector<int32_t> ids =
            real_tokenizer().encode(item.find("text")->text, item.find("parse_special")->is_true());
        EXPECT_EQ(ids, test::ids_of(*item.find("ids")));
        EXPECT_EQ(real_tokenizer().decode(ids, true), item.find("decoded")->text);
    }
    ASSERT_EQ(cases.find("decode")->items.size(), 7u);
    for (const Json& item : cases.find("decode")->items) {
        EXPECT_EQ(real_tokenizer().decode(test::ids_of(*item.find("ids")), true),
                  item.find("decoded")->text);
    }
}

TEST(Tokenizer, GivesTheRecordedIdsOfTheDemo) {
    const Json cases = test::read_json("demo-tokenizer-cases.json");
    ASSERT_GE(cases.items.size(), 50u);
    for (const Json& item : cases.items) {
        const std::vector<int32_t> ids = demo_tokenizer().encode(item.find("text")->text, true);
        EXPECT_EQ(ids, test::ids_of(*item.find("ids"))) << item.find("name")->text;
        EXPECT_EQ(demo_tokenizer().decode(ids, true), item.find("text")->text);
    }
}

TEST(Tokenizer, EqualsTheQuadraticReference) {
    const ReferenceBpe reference("gemma4-vocab.gguf", real_vocabulary());
    TextSource source(real_vocabulary(), 1);
    for (int round = 0; round < 6000; ++round) {
        const std::string text = source.next(10);
        ASSERT_EQ(real_tokenizer().encode(text, false), reference.encode(text)) << text;
    }
}

TEST(Tokenizer, EqualsTheQuadraticReferenceOnTheDemo) {
    const ReferenceBpe reference("demo-vocab.gguf", demo_vocabulary());
    TextSource source(demo_vocabulary(), 2);
    for (int round = 0; round < 6000; ++round) {
        const std::string text = source.next(10);
        ASSERT_EQ(demo_tokenizer().encode(text, false), reference.encode(text)) << text;
    }
}

// Runs have merges of their own and merge into one another; every length up to three full runs.
TEST(Tokenizer, EqualsTheQuadraticReferenceOnRuns) {
    const ReferenceBpe reference("gemma4-vocab.gguf", real_vocabulary());
    for (const char* unit :
         {" ", "\n", "\t", "a", "=", "-", "ab", "ha", "\xe3\x81\x82", " \n", "> ", "> </", ">  "}) {
        std::string text;
        for (int count = 1; count <= 96; ++count) {
            text += unit;
            ASSERT_EQ(real_tokenizer().encode(text, false), reference.encode(text))
                << unit << " x " << count;
            const std::string inside = "x" + text + "y";
            ASSERT_EQ(real_tokenizer().encode(inside, false), reference.encode(inside))
                << unit << " x " << count;
        }
    }
}

TEST(Tokenizer, ReadsInvalidUtf8AsReplacementCharacters) {
    const ReferenceBpe reference("gemma4-vocab.gguf", real_vocabulary());
    TextSource source(real_vocabulary(), 3);
    for (int round = 0; round < 1000; ++round) {
        std::string text = source.next(8) + '.';
        for (size_t breaks = 1 + source.pick(4); breaks > 0; --breaks) {
            text[source.pick(text.size())] = static_cast<char>(0x80 + source.pick(128));
        }
        const std::vector<int32_t> ids = real_tokenizer().encode(text, false);
        ASSERT_EQ(ids, reference.encode(text));
        ASSERT_EQ(ids, real_tokenizer().encode(replace_invalid_utf8(text), false));
        ASSERT_EQ(real_tokenizer().encode(text, true),
                  real_tokenizer().encode(replace_invalid_utf8(text), true));
    }
    EXPECT_EQ(real_tokenizer().decode(real_tokenizer().encode("a\xff<bos>\xe3\x81", true), true),
              "a\xef\xbf\xbd<bos>\xef\xbf\xbd");
}

TEST(Tokenizer, RoundTripsTextWithoutTheSpaceSymbol) {
    TextSource source(real_vocabulary(), 4);
    for (int round = 0; round < 5000; ++round) {
        const std::string text = source.next(20);
        if (text.find(kSpaceSymbolText) != std::string::npos) continue;
        ASSERT_EQ(real_tokenizer().decode(real_tokenizer().encode(text, false), true), text);
        ASSERT_EQ(real_tokenizer().decode(real_tokenizer().encode(text, true), true), text);
        ASSERT_EQ(demo_tokenizer().decode(demo_tokenizer().encode(text, false), false), text);
    }
}

TEST(Tokenizer, NeverMakesASpecialOfPlainText) {
    TextSource source(real_vocabulary(), 5);
    for (int round = 0; round < 5000; ++round) {
        std::string text = source.next(6);
        const std::string_view special =
            special_text(static_cast<Special>(source.pick(kSpecialCount)));
        text.insert(source.pick(text.size() + 1), special);
        const std::vector<int32_t> ids = real_tokenizer().encode(text, false);
        for (const int32_t id : ids) ASSERT_LT(real_vocabulary().special_of(id), 0) << text;
        const Piece piece = {.text = text};
        ASSERT_EQ(real_tokenizer().encode(std::span(&piece, 1)), ids);
    }
}

TEST(Tokenizer, ParsesSpecialsLeftToRight) {
    const Vocabulary& vocabulary = real_vocabulary();
    const Tokenizer& tokenizer = real_tokenizer();
    for (size_t i = 0; i < kSpecialCount; ++i) {
        const auto special = static_cast<Special>(i);
        const std::string text(special_text(special));
        EXPECT_EQ(tokenizer.encode(text, true), std::vector<int32_t>{vocabulary.id_of(special)});
        // A stray bracket before it, a doubled end, a string broken off: only the whole string
        // counts.
        EXPECT_EQ(tokenizer.encode("<" + text, true)[1], vocabulary.id_of(special));
        EXPECT_EQ(tokenizer.encode(text + ">", true)[0], vocabulary.id_of(special));
        for (size_t bytes = 1; bytes < text.size(); ++bytes) {
            const std::string part = text.substr(0, bytes);
            EXPECT_EQ(tokenizer.encode(part, true), tokenizer.encode(part, false));
        }
    }
    EXPECT_EQ(tokenizer.encode("<|turn><turn|>\n", true),
              (std::vector<int32_t>{vocabulary.id_of(Special::kTurnBegin),
                                    vocabulary.id_of(Special::kTurnEnd), vocabulary.find("\n")}));
}

// With specials cut out by a plain search, what lies between is encoded alone.
TEST(Tokenizer, ParsesSpecialsAsAPlainSearchDoes) {
    TextSource source(real_vocabulary(), 6);
    for (int round = 0; round < 3000; ++round) {
        const std::string text = source.next(12);
        std::vector<int32_t> expected;
        size_t begin = 0;
        const auto plain = [&](size_t end) {
            real_tokenizer().encode(std::string_view(text).substr(begin, end - begin), false,
                                    expected);
        };
        for (size_t at = 0; at < text.size();) {
            size_t special = 0;
            while (special < kSpecialCount &&
                   !text.substr(at).starts_with(special_text(static_cast<Special>(special))))
                ++special;
            if (special == kSpecialCount) {
                ++at;
                continue;
            }
            plain(at);
            expected.push_back(real_vocabulary().id_of(static_cast<Special>(special)));
            begin = at += special_text(static_cast<Special>(special)).size();
        }
        plain(text.size());
        ASSERT_EQ(real_tokenizer().encode(text, true), expected) << text;
    }
}

TEST(Tokenizer, JoinsAdjacentTextPieces) {
    const Vocabulary& vocabulary = real_vocabulary();
    const int32_t turn = vocabulary.id_of(Special::kTurnBegin);
    const std::vector<Piece> pieces = {{turn, ""},      {-1, "us"},          {-1, ""},
                                       {-1, "er\nHel"}, {-1, "lo \xe3\x81"}, {-1, "\x93"},
                                       {turn, ""},      {turn, ""}};
    std::vector<int32_t> expected = {turn};
    real_tokenizer().encode("user\nHello \xe3\x81\x93", false, expected);
    expected.insert(expected.end(), {turn, turn});
    EXPECT_EQ(real_tokenizer().encode(pieces), expected);
    EXPECT_TRUE(real_tokenizer().encode(std::span<const Piece>()).empty());
}

TEST(Tokenizer, DecodesByteRunsAsHuggingFaceDoes) {
    const Vocabulary& vocabulary = real_vocabulary();
    const int32_t e3 = vocabulary.byte_token(0xe3), x81 = vocabulary.byte_token(0x81),
                  x93 = vocabulary.byte_token(0x93);
    const int32_t bos = vocabulary.id_of(Special::kBos), hello = vocabulary.find("Hello");
    const auto decode = [](std::vector<int32_t> ids, bool show) {
        return real_tokenizer().decode(ids, show);
    };
    EXPECT_EQ(decode({e3, x81, x93}, false), "\xe3\x81\x93");
    EXPECT_EQ(decode({e3, x81, hello, x93}, false), "\xef\xbf\xbd\xef\xbf\xbdHello\xef\xbf\xbd");
    // One bad byte spoils its whole run.
    EXPECT_EQ(decode({e3, x81, x93, e3}, false),
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    // A special that is shown ends the run; one that is hidden is as if it were not there.
    EXPECT_EQ(decode({e3, x81, bos, x93}, true), "\xef\xbf\xbd\xef\xbf\xbd<bos>\xef\xbf\xbd");
    EXPECT_EQ(decode({e3, x81, bos, x93}, false), "\xe3\x81\x93");
    EXPECT_EQ(decode({bos, hello}, false), "Hello");
    EXPECT_EQ(decode({}, true), "");
}

// A quadratic method would need hours for any of these; the bound is loose enough for the slowest
// machine.
TEST(Tokenizer, TakesLongLinesWithoutSpaces) {
    constexpr size_t kCharacters = 1000000;
    const auto start = std::chrono::steady_clock::now();
    for (const std::string_view unit :
         {"a", "=", " ", "\n", "ha", "> </", "<", "\xe3\x81\x82", "{\"a\":1,"}) {
        std::string text;
        while (text.size() < kCharacters) text += unit;
        const std::vector<int32_t> ids = real_tokenizer().encode(text, true);
        EXPECT_EQ(real_tokenizer().decode(ids, true), text);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(5));
}

}  // namespace
}  // namespace facet
