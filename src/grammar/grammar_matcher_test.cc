#include "grammar/grammar_matcher.h"

#include <gtest/gtest.h>

#include "grammar/gbnf.h"
#include "grammar/grammar_testing.h"
#include "grammar/regex_grammar.h"

namespace facet {
namespace {

using namespace grammar_testing;

// Tokens that cross borders of rules, that repeat, and that are no whole characters.
std::vector<std::string> some_tokens() {
    return {"ab",
            "abc",
            "aa",
            "aaaa",
            "\"a",
            "a\"",
            "\",\"",
            "\"}",
            "{\"",
            "\xe2\x82",
            "\xac",
            "é",
            "éa",
            "1",
            "12",
            "123",
            "-1",
            "0.5",
            "true",
            "false",
            "[[",
            "]]",
            "],[",
            " ",
            "  ",
            "\n",
            "1]",
            ",",
            "aaaaaaaaaa",
            "(((",
            "))",
            "a)",
            "(a",
            "\\",
            "\\\"",
            "\\u00",
            "日本",
            "本\"",
            "x",
            "}",
            std::string(17, 'a'),
            std::string(20, 'a'),
            std::string(24, ' '),
            std::string(18, 'a') + "\"",
            std::string(15, 'a') + "\"aa"};
}

constexpr const char* kGrammars[] = {
    "root ::= \"\\\"\" [^\"]{3,25} \"\\\"\" [a-z\"]{0,20}",
    "root ::= [a ]{0,18} [ab,]{0,40} \"\\\"\"",
    "root ::= \"a\"* \"b\"",
    "root ::= [^\"]{2,9} \"\\\"\"",
    "root ::= \"(\" root \")\" | \"a\" | root2\nroot2 ::= \"[\" (root (\",\" root)*)? \"]\"",
    "root ::= (\"a\" | \"aa\"){3,7} \"b\"?",
    "root ::= string (\",\" string)*\nstring ::= \"\\\"\" ([^\"\\\\] | \"\\\\\" [\"\\\\])* "
    "\"\\\"\"",
    "root ::= string{1,3}\nstring ::= \"\\\"\" .{0,5} \"\\\"\"",
    "root ::= \"a\" root \"a\" | \"b\" | [é€]",
    "root ::= ((\"a\"?){2,5} \"b\"?){0,4} [0-9]+",
    "root ::= x{3,} x{0,4} \"c\"\nx ::= [ab]",
};

TEST(GrammarMatcher, MaskIsWhatAcceptTakes) {
    const auto vocabulary = vocabulary_of(some_tokens());
    std::mt19937 random(7);
    for (const char* text : kGrammars) {
        GrammarMatcher start = matcher_of(compile_gbnf(text), vocabulary);
        for (int round = 0; round < 12; ++round) {
            GrammarMatcher matcher = start;
            for (int step = 0; step < 20; ++step) {
                const std::vector<int32_t> allowed = allowed_ids(matcher, vocabulary->size());
                ASSERT_EQ(allowed, accepted_ids(matcher, vocabulary->size())) << text;
                ASSERT_FALSE(allowed.empty()) << text;
                const int32_t id = allowed[random() % allowed.size()];
                if (vocabulary->is_end(id)) break;
                ASSERT_TRUE(matcher.accept(id).value());
            }
        }
    }
}

TEST(GrammarMatcher, EndIsAllowedExactlyWhereTheTextIsComplete) {
    const auto vocabulary = vocabulary_of({});
    const int32_t end = vocabulary->end_ids()[0];
    GrammarMatcher matcher = matcher_of(compile_gbnf("root ::= \"ab\"+"), vocabulary);
    EXPECT_FALSE(matcher.accept(end).value());
    EXPECT_TRUE(matcher.accept('a').value());
    EXPECT_FALSE(matcher.accept(end).value());
    EXPECT_TRUE(matcher.accept('b').value());
    EXPECT_TRUE(matcher.is_complete());
    EXPECT_FALSE(matcher.is_finished());
    EXPECT_TRUE(matcher.accept(end).value());
}

TEST(GrammarMatcher, ARefusedTokenChangesNothing) {
    const auto vocabulary = vocabulary_of({"ax"});
    GrammarMatcher matcher = matcher_of(compile_gbnf("root ::= \"ab\""), vocabulary);
    EXPECT_FALSE(matcher.accept(256).value());
    EXPECT_FALSE(matcher.accept(-1).value());
    EXPECT_FALSE(matcher.accept(100'000).value());
    EXPECT_TRUE(matcher.accept_text("ab").value());
    EXPECT_TRUE(matcher.is_finished());
}

TEST(GrammarMatcher, ACopyGoesItsOwnWay) {
    GrammarMatcher one = matcher_of(compile_gbnf("root ::= \"a\" (\"b\" | \"c\")"));
    EXPECT_TRUE(one.accept('a').value());
    GrammarMatcher other = one;
    EXPECT_TRUE(one.accept('b').value());
    EXPECT_TRUE(other.accept('c').value());
    EXPECT_FALSE(other.accept('b').value());
    other = one;
    EXPECT_TRUE(other.is_finished());
    other.reset();
    EXPECT_TRUE(matches(other, "ac"));
}

TEST(GrammarMatcher, ForcedTextEndsAtTheFirstChoice) {
    GrammarMatcher matcher = matcher_of(compile_gbnf("root ::= \"name: \" [a-z]+"));
    EXPECT_EQ(matcher.forced_text(100), "name: ");
    EXPECT_EQ(matcher.forced_text(3), "nam");
    EXPECT_TRUE(matcher.accept_text("name: x").value());
    EXPECT_EQ(matcher.forced_text(100), "");
}

TEST(GrammarMatcher, TokensOfNoTextAreNamedByTheGrammar) {
    std::vector<std::string> texts = {"a", "b", "", "", ""};
    auto vocabulary =
        std::make_shared<const GrammarVocabulary>(GrammarVocabulary::create(texts, {4}).take());
    GrammarBuilder builder;
    const uint32_t root = builder.add_rule();
    builder.add_alternative(root,
                            {GrammarBuilder::token(2), builder.repeat(builder.byte('a'), 1, 3),
                             GrammarBuilder::token(3)});
    GrammarMatcher matcher = matcher_of(builder.finish(root), vocabulary);
    EXPECT_EQ(allowed_ids(matcher, 5), std::vector<int32_t>({2}));
    EXPECT_TRUE(matcher.accept(2).value());
    EXPECT_EQ(allowed_ids(matcher, 5), std::vector<int32_t>({0}));
    EXPECT_TRUE(matcher.accept(0).value());
    EXPECT_EQ(allowed_ids(matcher, 5), std::vector<int32_t>({0, 3}));
    EXPECT_TRUE(matcher.accept(3).value());
    EXPECT_EQ(allowed_ids(matcher, 5), std::vector<int32_t>({4}));
}

TEST(GrammarMatcher, ATokenThatIsNotInTheVocabularyIsRefused) {
    GrammarBuilder builder;
    const uint32_t root = builder.add_rule();
    builder.add_alternative(root, {GrammarBuilder::token(1'000'000)});
    EXPECT_FALSE(GrammarAutomaton::create(builder.finish(root).take(), vocabulary_of({})).ok());
}

TEST(GrammarMatcher, HugeCountsCostNothing) {
    GrammarMatcher matcher = matcher_of(compile_gbnf("root ::= [a-z]{1000000} \"!\""));
    const std::string letters(1'000'000, 'q');
    EXPECT_TRUE(matcher.accept_text(std::string_view(letters).substr(1)).value());
    EXPECT_FALSE(matcher.accept('!').value());
    EXPECT_TRUE(matcher.accept('q').value());
    EXPECT_TRUE(matcher.accept('!').value());
    EXPECT_TRUE(matcher.is_finished());
}

TEST(GrammarMatcher, DeepNestingTakesNoStack) {
    GrammarMatcher matcher = matcher_of(compile_gbnf("root ::= \"[\" root? \"]\""));
    const size_t depth = 100'000;
    EXPECT_TRUE(matcher.accept_text(std::string(depth, '[')).value());
    EXPECT_EQ(allowed_ids(matcher, 257).size(), 2u);
    EXPECT_TRUE(matcher.accept_text(std::string(depth, ']')).value());
    EXPECT_TRUE(matcher.is_finished());
}

TEST(GrammarMatcher, RightRecursionDoesNotGrow) {
    GrammarMatcher matcher =
        matcher_of(compile_gbnf("root ::= \"a\" rest\nrest ::= \"b\" root | \"c\""));
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += "ab";
    EXPECT_TRUE(matcher.accept_text(text).value());
    EXPECT_TRUE(matcher.accept_text("ac").value());
}

TEST(GrammarMatcher, AmbiguityIsShared) {
    // Exponentially many ways to read such a text.
    GrammarMatcher matcher =
        matcher_of(compile_gbnf("root ::= s\ns ::= \"a\" s s | \"a\" s | \"a\""));
    EXPECT_TRUE(matcher.accept_text(std::string(300, 'a')).value());
    EXPECT_TRUE(matcher.is_complete());
    GrammarMatcher stars = matcher_of(compile_regex("((a*)*|(a|aa)+)*b"));
    EXPECT_TRUE(matches(stars, std::string(5000, 'a') + "b"));
}

TEST(GrammarMatcher, HopelessAmbiguityIsAnErrorAndNotAHang) {
    GrammarMatcher matcher = matcher_of(compile_regex("(((a{0,900}b?){0,900}c?){0,900}d?){0,900}"));
    const Result<bool> taken = matcher.accept_text(std::string(1000, 'a'));
    ASSERT_FALSE(taken.ok());
    EXPECT_NE(taken.error().message.find("too ambiguous"), std::string::npos);
    std::vector<uint32_t> bits(9);
    EXPECT_TRUE(matcher.mask(bits).ok());  // of the reply as it was before
}

TEST(GrammarMatcher, MemoryStaysWithinItsLimit) {
    const size_t limit = 1u << 20;
    auto automaton = GrammarAutomaton::create(compile_gbnf("root ::= .{1000000}").take(),
                                              vocabulary_of(some_tokens()), limit);
    ASSERT_TRUE(automaton.ok());
    GrammarMatcher matcher(automaton.value());
    GrammarMatcher other(automaton.value());
    std::vector<uint32_t> bits(16);
    for (int i = 0; i < 20'000; ++i) {
        ASSERT_TRUE(matcher.accept('a' + i % 26).value());
        if (i % 10 == 0) {
            ASSERT_TRUE(matcher.mask(bits).ok());
        }
        // A mask may go beyond it, by a table that doubles; the next accept() tidies up.
        ASSERT_LT(automaton.value()->bytes(), limit + limit / 4);
    }
    EXPECT_TRUE(other.accept_text(std::string(999'990, 'x')).value());
    EXPECT_FALSE(other.is_complete());
    EXPECT_TRUE(other.accept_text("0123456789").value());
    EXPECT_TRUE(other.is_finished());
}

TEST(GrammarMatcher, StacksBeyondTheMemoryLimitAreAnError) {
    auto automaton = GrammarAutomaton::create(
        compile_gbnf("root ::= \"(\" root \")\" | \"a\"").take(), vocabulary_of({}), 1u << 20);
    GrammarMatcher matcher(automaton.value());
    const Result<bool> taken = matcher.accept_text(std::string(1'000'000, '('));
    ASSERT_FALSE(taken.ok());
    EXPECT_NE(taken.error().message.find("too deep"), std::string::npos);
    EXPECT_TRUE(matcher.accept_text("(a)").value());
    EXPECT_TRUE(matcher.is_finished());
}

}  // namespace
}  // namespace facet
