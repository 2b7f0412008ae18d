#include "grammar/regex_grammar.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "grammar/grammar_testing.h"
#include "grammar/string_automaton.h"

namespace facet {
namespace {

using namespace grammar_testing;

std::string error_of(std::string_view pattern) {
    const Result<Grammar> grammar = compile_regex(pattern);
    return grammar.ok() ? "" : grammar.error().message;
}

// A random expression over a, b, c that std::regex reads in the same way.
std::string random_pattern(std::mt19937& random, int depth) {
    static constexpr const char* kAtoms[] = {"a", "b", "c", ".", "[ab]", "[^a]", "\\w", "[b-c]"};
    std::string pattern;
    const size_t parts = 1 + random() % 3;
    for (size_t i = 0; i < parts; ++i) {
        if (i > 0 && random() % 4 == 0) pattern += '|';
        if (depth > 0 && random() % 3 == 0) {
            pattern += (random() % 2 == 0 ? "(" : "(?:") + random_pattern(random, depth - 1) + ")";
        } else {
            pattern += kAtoms[random() % std::size(kAtoms)];
        }
        static constexpr const char* kQuantifiers[] = {"",  "",    "",      "*",    "+",
                                                       "?", "{2}", "{1,3}", "{2,}", "*?"};
        pattern += kQuantifiers[random() % std::size(kQuantifiers)];
    }
    return pattern;
}

std::string random_text(std::mt19937& random) {
    std::string text;
    for (size_t i = random() % 9; i > 0; --i) text += "abcd"[random() % 4];
    return text;
}

TEST(RegexGrammar, AgreesWithTheStandardLibrary) {
    std::mt19937 random(3);
    int matched = 0;
    for (int i = 0; i < 600; ++i) {
        const std::string pattern = random_pattern(random, 2);
        const std::regex oracle(pattern);
        const GrammarMatcher matcher = matcher_of(compile_regex(pattern));
        for (int j = 0; j < 30; ++j) {
            const std::string text = random_text(random);
            const bool expected = std::regex_match(text, oracle);
            matched += expected ? 1 : 0;
            ASSERT_EQ(matches(matcher, text), expected) << pattern << " on " << text;
        }
    }
    EXPECT_GT(matched, 1000);
}

TEST(RegexGrammar, TheAutomatonOfAPatternAgreesWithTheStandardLibrary) {
    std::mt19937 random(5);
    for (int i = 0; i < 400; ++i) {
        std::string pattern = random_pattern(random, 1);
        switch (random() % 5) {
            case 0: pattern = "^" + pattern; break;
            case 1: pattern += "$"; break;
            case 2: pattern = "^(?:" + pattern + ")$"; break;
            case 3: pattern = "(^a|" + pattern + ")(b|$)"; break;
            default: break;
        }
        const std::regex oracle(pattern);
        const Regex regex = parse_regex(pattern).take();
        const auto automaton = StringAutomaton::of(regex, RegexMatch::kContained);
        ASSERT_TRUE(automaton) << pattern;
        const auto shortened = automaton->intersection(*StringAutomaton::of_length(2, 5));
        GrammarBuilder builder;
        CodePointRules code_points(builder);
        const WriteCharacter write = [&](const CodePointSet& set) {
            return code_points.symbol(set);
        };
        const uint32_t root = builder.add_rule();
        builder.add_alternative(root, {automaton->add_to(builder, write)});
        Result<Grammar> grammar = builder.finish(root);
        GrammarBuilder direct_builder;
        CodePointRules direct_points(direct_builder);
        const auto direct =
            add_regex(direct_builder, regex, RegexMatch::kContained,
                      [&](const CodePointSet& set) { return direct_points.symbol(set); });
        const uint32_t direct_root = direct_builder.add_rule();
        if (direct) direct_builder.add_alternative(direct_root, {*direct});
        for (int j = 0; j < 20; ++j) {
            const std::string text = random_text(random);
            const bool expected = std::regex_search(text, oracle);
            ASSERT_EQ(automaton->contains(text), expected) << pattern << " on " << text;
            ASSERT_EQ(automaton->complement().contains(text), !expected);
            ASSERT_EQ(shortened->contains(text), expected && text.size() >= 2 && text.size() <= 5);
        }
        if (!grammar.ok()) continue;  // a pattern that nothing matches
        const GrammarMatcher matcher = matcher_of(std::move(grammar));
        const GrammarMatcher direct_matcher =
            direct ? matcher_of(direct_builder.finish(direct_root)) : matcher;
        for (int j = 0; j < 20; ++j) {
            const std::string text = random_text(random);
            const bool expected = std::regex_search(text, oracle);
            ASSERT_EQ(matches(matcher, text), expected) << pattern << " on " << text;
            ASSERT_EQ(matches(direct_matcher, text), expected) << pattern << " on " << text;
        }
    }
}

TEST(RegexGrammar, ClassesAndEscapesAreThoseOfEcmaScript) {
    EXPECT_TRUE(matches(matcher_of(compile_regex("^\\d{3}-\\d{4}$")), "555-0199"));
    EXPECT_FALSE(matches(matcher_of(compile_regex("\\d")), "٣"));
    EXPECT_TRUE(matches(matcher_of(compile_regex("\\s\\S\\w\\W\\D")), "\u3000x_éz"));
    EXPECT_TRUE(
        matches(matcher_of(compile_regex("[\\w.-]+@[^\\s@]+\\.(?<tld>[a-z]{2,})")), "a.b-c@d.org"));
    EXPECT_TRUE(matches(matcher_of(compile_regex("\\u00e9\\u{1F600}\\uD83D\\uDE00\\x41\\cJ\\/")),
                        "é😀😀A\n/"));
    EXPECT_FALSE(matches(matcher_of(compile_regex(".")), "\n"));
    EXPECT_TRUE(matches(matcher_of(compile_regex("[^]")), "\n"));
    EXPECT_TRUE(matches(matcher_of(compile_regex("a{,3}x{")), "a{,3}x{"));
    EXPECT_TRUE(matches(matcher_of(compile_regex("")), ""));
}

TEST(RegexGrammar, WhatIsNotSupportedIsNamed) {
    EXPECT_NE(error_of("a\\b").find("\\b is not supported"), std::string::npos);
    EXPECT_NE(error_of("(?=a)").find("look-ahead is not supported"), std::string::npos);
    EXPECT_NE(error_of("(?<!a)").find("look-behind is not supported"), std::string::npos);
    EXPECT_NE(error_of("(a)\\1").find("a back reference is not supported"), std::string::npos);
    EXPECT_NE(error_of("\\p{L}").find("\\p is not supported"), std::string::npos);
    EXPECT_NE(error_of("a*+").find("possessive"), std::string::npos);
    EXPECT_NE(error_of("(?i)a").find("flags is not supported"), std::string::npos);
    EXPECT_NE(error_of("a(^b)").find("^ or $ inside"), std::string::npos);
    EXPECT_NE(error_of("a{2000000000}").find("more than"), std::string::npos);
}

TEST(RegexGrammar, WrongSyntaxIsAnErrorWithItsPlace) {
    EXPECT_EQ(error_of("(a"), "regular expression, byte 2: a ( without its )");
    for (const char* pattern :
         {"a)", "[a", "*a", "a**", "\\", "[b-a]", "a{3,2}", "\\xg1", "^*", "\\u{110000}"})
        EXPECT_FALSE(error_of(pattern).empty()) << pattern;
}

TEST(RegexGrammar, HostilePatternsAreReadOrRefused) {
    EXPECT_TRUE(compile_regex(std::string(30'000, '(') + "a" + std::string(30'000, ')')).ok());
    EXPECT_FALSE(compile_regex(std::string(100'000, 'a')).ok());
    std::string nested = "a";
    for (int i = 0; i < 2000; ++i) nested = "(" + nested + "|b)*";
    EXPECT_TRUE(compile_regex(nested).ok());
    EXPECT_FALSE(
        StringAutomaton::of(parse_regex("((a{1000}){1000}){1000}").value(), RegexMatch::kWhole));
    EXPECT_FALSE(StringAutomaton::of(parse_regex("[ab]*a[ab]{40}").value(), RegexMatch::kWhole));
    GrammarMatcher matcher = matcher_of(compile_regex("[ab]*a[ab]{40}"));
    EXPECT_TRUE(matches(matcher, std::string(500, 'b') + "a" + std::string(40, 'b')));
}

}  // namespace
}  // namespace facet
