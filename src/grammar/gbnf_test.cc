#include "grammar/gbnf.h"

#include <gtest/gtest.h>

#include "grammar/grammar_testing.h"

namespace facet {
namespace {

using namespace grammar_testing;

std::string error_of(std::string_view text) {
    const Result<Grammar> grammar = compile_gbnf(text);
    return grammar.ok() ? "" : grammar.error().message;
}

TEST(Gbnf, ReadsRulesClassesGroupsAndComments) {
    const GrammarMatcher matcher = matcher_of(compile_gbnf(R"gbnf(# a sum
root  ::= term (op term)*   # left to right
op    ::= [-+*/] | " or "
term  ::=
  number |
  "(" root ")"
number ::= "0" | [1-9] [0-9]{0,3}
)gbnf"));
    EXPECT_TRUE(matches(matcher, "1+(20*3 or 0)"));
    EXPECT_FALSE(matches(matcher, "01"));
    EXPECT_FALSE(matches(matcher, "12345"));
    EXPECT_FALSE(matches(matcher, "(1"));
}

TEST(Gbnf, ReadsEscapesAndCharactersBeyondAscii) {
    const GrammarMatcher matcher = matcher_of(
        compile_gbnf(R"(root ::= "\n\t\\\"\x41" [\]\[\u00e9\U0001F600-\U0001F602] [^a-z] .)"));
    EXPECT_TRUE(matches(matcher, "\n\t\\\"A]éx"));
    EXPECT_TRUE(matches(matcher, "\n\t\\\"A😁日本"));
    EXPECT_FALSE(matches(matcher, "\n\t\\\"A😃日本"));
    EXPECT_FALSE(matches(matcher, "\n\t\\\"A]ax"));
}

TEST(Gbnf, AcceptsOnlyValidUtf8ForAnyCharacter) {
    const GrammarMatcher matcher = matcher_of(compile_gbnf("root ::= ."));
    for (const char* text : {"a", "é", "\xe2\x82\xac", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"})
        EXPECT_TRUE(matches(matcher, text)) << text;
    for (const char* text :
         {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "ab"})
        EXPECT_FALSE(matches(matcher, text)) << text;
}

TEST(Gbnf, RepetitionsApplyToTheWholeElement) {
    const GrammarMatcher matcher =
        matcher_of(compile_gbnf("root ::= \"ab\"{2,3} (\"c\" | \"d\")+ \"e\"?"));
    EXPECT_TRUE(matches(matcher, "ababc"));
    EXPECT_TRUE(matches(matcher, "abababcdde"));
    EXPECT_FALSE(matches(matcher, "abbc"));
    EXPECT_FALSE(matches(matcher, "ababababc"));
    EXPECT_FALSE(matches(matcher, "abab"));
}

TEST(Gbnf, AnAlternativeMayContinueOnTheNextLine) {
    const GrammarMatcher matcher =
        matcher_of(compile_gbnf("root ::= \"a\"\n  | other\n\nother ::= \"b\""));
    EXPECT_TRUE(matches(matcher, "b"));
}

TEST(Gbnf, SaysWhatIsWrongAndWhere) {
    EXPECT_EQ(error_of("root ::= a"), "grammar: the rule a is used but not defined");
    EXPECT_EQ(error_of("a ::= \"x\""), "grammar: there is no rule named root");
    EXPECT_EQ(error_of("root ::= \"x\"\nroot ::= \"y\""),
              "grammar, line 2: the rule root is defined twice");
    EXPECT_EQ(error_of("root ::= \"x"), "grammar, line 1: a \" is missing");
    EXPECT_EQ(error_of("root ::= (\"x\""), "grammar, line 1: a ( without its )");
    EXPECT_EQ(error_of("root ::= [a"), "grammar, line 1: a ] is missing");
    EXPECT_EQ(error_of("root ::= \"\\q\""), "grammar, line 1: an unknown escape");
    EXPECT_EQ(error_of("root ::= \"a\"{3,2}"),
              "grammar, line 1: a repetition of fewer at most than at least");
    EXPECT_EQ(error_of("root = \"a\""), "grammar, line 1: expected ::= after root");
}

TEST(Gbnf, LeftRecursionIsRefusedByName) {
    const std::string direct = error_of("root ::= expr\nexpr ::= expr \"+\" expr | \"1\"");
    EXPECT_EQ(direct, "left recursion: expr calls itself before it has read anything");
    EXPECT_NE(error_of("root ::= a\na ::= \"x\"? b\nb ::= a \"y\" | \"z\"").find("left recursion"),
              std::string::npos);
    EXPECT_NE(error_of("root ::= a\na ::= a | a").find("no finite text"), std::string::npos);
}

TEST(Gbnf, WhatNeverEndsIsDropped) {
    const GrammarMatcher matcher =
        matcher_of(compile_gbnf("root ::= \"a\" loop | \"b\"\nloop ::= \"c\" loop"));
    EXPECT_EQ(
        matcher_of(compile_gbnf("root ::= \"a\" loop | \"b\"\nloop ::= \"c\" loop")).forced_text(9),
        "b");
    EXPECT_NE(error_of("root ::= \"a\" root").find("no finite text"), std::string::npos);
}

TEST(Gbnf, DeepGroupsAndLongTextsAreReadOrRefused) {
    const std::string deep(50'000, '(');
    EXPECT_TRUE(compile_gbnf("root ::= " + deep + "\"a\"" + std::string(50'000, ')')).ok());
    EXPECT_NE(error_of("root ::= " + std::string(200'000, '(')).find("too deep"),
              std::string::npos);
    EXPECT_NE(error_of("root ::= \"" + std::string(1'100'000, 'a') + "\"").find("bytes"),
              std::string::npos);
    std::string many = "root ::= \"a\"";
    for (int i = 0; i < 200'000; ++i) many += "*";
    EXPECT_FALSE(error_of(many).empty());
}

}  // namespace
}  // namespace facet
