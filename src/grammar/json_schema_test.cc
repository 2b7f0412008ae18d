#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include <random>

#include "grammar/grammar_testing.h"

namespace facet {
namespace {

using namespace grammar_testing;

Json parse(std::string_view text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.take();
}

GrammarMatcher schema(std::string_view text) {
    return matcher_of(compile_json_schema(parse(text)));
}

std::string error_of(std::string_view text) {
    const Result<Grammar> grammar = compile_json_schema(parse(text));
    return grammar.ok() ? "" : grammar.error().message;
}

void expect_takes(std::string_view schema_text, const std::vector<std::string>& good,
                  const std::vector<std::string>& bad) {
    const GrammarMatcher matcher = schema(schema_text);
    for (const std::string& text : good) EXPECT_TRUE(matches(matcher, text)) << schema_text << text;
    for (const std::string& text : bad) EXPECT_FALSE(matches(matcher, text)) << schema_text << text;
}

TEST(JsonSchema, AnyValueIsJson) {
    expect_takes(
        "{}", {"null", "-1.5e3", R"("a\n\u00e9\ud83d\ude00")", R"([1, {"a": [] }])", "{}", "true"},
        {"", "01", "nul", "[1,]", "{a:1}", "\"\n\"", R"("\ud83d")", R"("\x")", "+1", "1."});
}

TEST(JsonSchema, StringsAreValidUtf8) {
    expect_takes(R"({"type":"string"})", {"\"日本\"", "\"\x7f\""},
                 {"\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"\xe2\x82\""});
}

TEST(JsonSchema, LengthsCountCharacters) {
    expect_takes(R"({"type":"string","minLength":2,"maxLength":3})",
                 {R"("ab")", R"("日本語")", R"("\ud83d\ude00a")"},
                 {R"("a")", R"("abcd")", R"("日")"});
}

TEST(JsonSchema, MembersComeInTheirOrder) {
    expect_takes(
        R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"null"},
                     "c":{"type":"boolean"}},"required":["a"]})",
        {R"({"a":null})", R"({"b":1,"a":null,"c":true})", "{\n  \"b\": 1,\n  \"a\": null\n}"},
        {"{}", R"({"b":1})", R"({"a":null,"b":1})", R"({"a":null,"x":1})", R"({"a":null,})"});
}

TEST(JsonSchema, OtherMembersComeAfterDeclaredOnesAndAreNoneOfThem) {
    expect_takes(
        R"({"properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"null"}})",
        {R"({"ab":1,"x":null,"y":null})", R"({"a":null})", R"({"abc":null})", "{}", R"({"":null})"},
        {R"({"ab":null})", R"({"\u0061b":null})", R"({"x":1})", R"({"x":null,"ab":1})"});
}

TEST(JsonSchema, PatternPropertiesHoldTogether) {
    expect_takes(R"({"properties":{"x1":{"minimum":5}},"patternProperties":{"^x":{"type":"integer"},
                     "1$":{"maximum":9}},"additionalProperties":false})",
                 {R"({"x1":7})", R"({"x":100})", R"({"xa1":9,"y1":3})"},
                 {R"({"x1":4})", R"({"x1":10})", R"({"xa1":10})", R"({"x":"a"})", R"({"y":1})"});
}

TEST(JsonSchema, MembersAreCounted) {
    expect_takes(R"({"properties":{"a":{},"b":{},"c":{}},"minProperties":2,"maxProperties":2})",
                 {R"({"a":1,"c":1})"}, {R"({"a":1})", R"({"a":1,"b":1,"c":1})", "{}"});
    expect_takes(
        R"({"additionalProperties":{"type":"integer"},"minProperties":1,"maxProperties":2})",
        {R"({"a":1})", R"({"a":1,"b":1})"}, {"{}", R"({"a":1,"b":1,"c":1})"});
}

TEST(JsonSchema, ItemsAreCounted) {
    expect_takes(R"({"items":{"type":"integer"},"minItems":1,"maxItems":2})", {"[1]", "[ 1, 2 ]"},
                 {"[]", "[1,2,3]", "[null]"});
    expect_takes(
        R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"},"minItems":1})",
        {"[1]", R"([1,"a"])", R"([1,"a",null,null])"}, {"[]", R"(["a"])", R"([1,null])"});
    expect_takes(R"({"items":[{"type":"integer"}],"additionalItems":false})", {"[]", "[1]"},
                 {"[1,2]"});
}

TEST(JsonSchema, UniqueItemsOfConstants) {
    expect_takes(R"({"type":"array","uniqueItems":true,"items":{"enum":["a","b",1]},"minItems":2})",
                 {R"(["a","b"])", R"([1,"b","a"])"}, {R"(["a"])", R"(["a","a"])"});
    EXPECT_NE(error_of(R"({"type":"array","uniqueItems":true})").find("#/uniqueItems"),
              std::string::npos);
}

TEST(JsonSchema, NumbersAreWithinTheirBounds) {
    expect_takes(R"({"type":"integer","minimum":-5,"maximum":120})", {"-5", "0", "9", "120", "99"},
                 {"-6", "121", "1.0", "007", "1000"});
    expect_takes(R"({"type":"number","exclusiveMinimum":0,"maximum":1.25})",
                 {"0.1", "1", "1.25", "1.2500", "0.001"},
                 {"0", "0.0", "1.26", "1.2501", "2", "-0.1"});
    expect_takes(R"({"type":"number","minimum":-2.5,"exclusiveMaximum":-2.25})",
                 {"-2.5", "-2.3", "-2.26"}, {"-2.25", "-2.51", "-2", "2.3"});
    expect_takes(R"({"type":"integer","multipleOf":7,"minimum":10,"maximum":30})",
                 {"14", "21", "28"}, {"7", "15", "35"});
}

// Every bound and value of a small range, beside plain arithmetic.
TEST(JsonSchema, IntegerBoundsAgreeWithArithmetic) {
    std::mt19937 random(9);
    for (int i = 0; i < 150; ++i) {
        const int min = static_cast<int>(random() % 300) - 150;
        const int max = min + static_cast<int>(random() % 200);
        const int multiple = 1 + static_cast<int>(random() % 9);
        if (max - min < multiple) continue;  // there may be none
        const GrammarMatcher matcher =
            schema("{\"type\":\"integer\",\"minimum\":" + std::to_string(min) +
                   ",\"exclusiveMaximum\":" + std::to_string(max + 1) +
                   ",\"multipleOf\":" + std::to_string(multiple) + "}");
        for (int value = min - 12; value <= max + 12; ++value) {
            const bool expected = value >= min && value <= max && value % multiple == 0;
            ASSERT_EQ(matches(matcher, std::to_string(value)), expected)
                << min << " " << max << " " << multiple << " " << value;
        }
    }
}

TEST(JsonSchema, PatternsAreSearchedAndHoldWithLengths) {
    expect_takes(R"({"type":"string","pattern":"b+"})", {R"("abc")", R"("b")", R"("\"b\\")"},
                 {R"("ac")", R"("")"});
    expect_takes(R"({"type":"string","pattern":"^a*$","minLength":2,"maxLength":3})",
                 {R"("aa")", R"("aaa")"}, {R"("a")", R"("aaaa")", R"("ab")"});
    expect_takes(R"({"type":"string","format":"date","pattern":"^20"})", {R"("2024-02-29")"},
                 {R"("1999-01-01")", R"("2023-02-29")", R"("2024-13-01")"});
}

TEST(JsonSchema, ConstantsSatisfyTheRest) {
    expect_takes(R"({"enum":[1,"a",{"k":[1,null]},2.5],"type":["integer","object"]})",
                 {"1", R"({"k":[1,null]})", R"({ "k": [ 1, null ] })"}, {R"("a")", "2.5"});
    expect_takes(R"({"allOf":[{"enum":[1,2,3]},{"enum":[2,3.0,4]},{"minimum":3}]})", {"3.0"},
                 {"2", "4"});
}

TEST(JsonSchema, ReferencesMayRecur) {
    const char* tree = R"({"$defs":{"t":{"type":"object","properties":{"v":{"type":"integer"},
        "c":{"type":"array","items":{"$ref":"#/$defs/t"}}},"required":["v"]}},"$ref":"#/$defs/t"})";
    expect_takes(tree, {R"({"v":1})", R"({"v":1,"c":[{"v":2,"c":[]},{"v":3}]})"},
                 {R"({"v":1,"c":[{}]})"});
    expect_takes(R"({"anyOf":[{"$ref":"#"},{"type":"boolean"}]})", {"true"}, {"1", "{}"});
    expect_takes(R"({"items":{"$ref":"#/$defs/a~1b"},"$defs":{"a/b":{"type":"null"}}})", {"[null]"},
                 {"[1]"});
    EXPECT_NE(
        error_of(R"({"properties":{"a":{"$ref":"#"}},"required":["a"]})").find("no finite text"),
        std::string::npos);
    EXPECT_NE(error_of(R"({"$ref":"other.json"})").find("#/$ref"), std::string::npos);
}

TEST(JsonSchema, OneOfNeedsBranchesThatExcludeEachOther) {
    expect_takes(R"({"oneOf":[{"properties":{"k":{"const":"a"}},"required":["k"],"type":"object"},
        {"properties":{"k":{"const":"b"},"n":{"type":"integer"}},"required":["k"],"type":"object"}]})",
                 {R"({"k":"a"})", R"({"k":"b","n":1})"}, {R"({"k":"c"})", R"({"k":"a","n":1})"});
    EXPECT_NE(error_of(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})").find("#/oneOf"),
              std::string::npos);
}

TEST(JsonSchema, WhatIsNotEnforcedIsRefusedWithItsPath) {
    for (const char* keyword :
         {"not", "if", "contains", "propertyNames", "dependentRequired", "dependencies",
          "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"}) {
        const std::string text = std::string(R"({"properties":{"p":{"type":"object","then":{},")") +
                                 keyword + "\":{}}}}";
        const std::string error = error_of(text);
        EXPECT_NE(error.find(std::string("#/properties/p/") + keyword), std::string::npos) << error;
    }
    EXPECT_NE(error_of(R"({"items":{"format":"idn-email"}})").find("#/items/format"),
              std::string::npos);
    EXPECT_NE(error_of(R"j({"pattern":"(?=a)"})j").find("look-ahead"), std::string::npos);
    EXPECT_NE(error_of(R"({"multipleOf":0.1})").find("#/multipleOf"), std::string::npos);
    EXPECT_NE(error_of(R"({"type":"text"})").find("#/type"), std::string::npos);
    EXPECT_NE(error_of("false"), "");
}

TEST(JsonSchema, AnnotationsAreIgnored) {
    EXPECT_EQ(
        error_of(
            R"({"title":"t","description":"d","default":1,"examples":[1],"$comment":"c","deprecated":true,
        "readOnly":true,"$schema":"s","$id":"i","x-order":1,"type":"integer"})"),
        "");
}

TEST(JsonSchema, LooseLeavesOutWhatItCanNotEnforce) {
    SchemaOptions options;
    options.loose = true;
    const Json json =
        parse(R"j({"properties":{"a":{"type":"integer","not":{"const":3}},"b":{"type":"STRING",
        "pattern":"(?=x)"}},"required":["a"]})j");
    const GrammarMatcher matcher = matcher_of(compile_json_schema(json, options));
    EXPECT_TRUE(matches(matcher, R"({"a":3,"b":"y"})"));
    EXPECT_FALSE(matches(matcher, R"({"a":"3"})"));
}

TEST(JsonSchema, CompactHasNoSpace) {
    SchemaOptions options;
    options.syntax = OutputSyntax::Kind::kCompactJson;
    const GrammarMatcher matcher = matcher_of(compile_json_object(options));
    EXPECT_TRUE(matches(matcher, R"({"a":[1,2]})"));
    EXPECT_FALSE(matches(matcher, R"({"a": 1})"));
}

TEST(JsonSchema, SpaceIsBounded) {
    const GrammarMatcher matcher = schema(R"({"type":"object"})");
    EXPECT_TRUE(matches(matcher, "{\n" + std::string(32, ' ') + "\"a\": 1}"));
    EXPECT_FALSE(matches(matcher, "{\n" + std::string(33, ' ') + "\"a\": 1}"));
    EXPECT_FALSE(matches(matcher, "{  \"a\": 1}"));
}

TEST(JsonSchema, HostileSchemasAreReadOrRefused) {
    std::string wide = "{\"anyOf\":[{}";
    for (int i = 0; i < 40; ++i) wide += ",{\"anyOf\":[{\"minimum\":1},{\"maximum\":2}]}";
    wide = "{\"allOf\":[" + wide + "]}," + wide + "]}," + wide + "]}]}";
    EXPECT_NE(error_of(wide).find("alternatives"), std::string::npos);
    std::string chain = "{\"$ref\":\"#/$defs/d0\",\"$defs\":{";
    for (int i = 0; i < 20'000; ++i)
        chain +=
            "\"d" + std::to_string(i) + "\":{\"$ref\":\"#/$defs/d" + std::to_string(i + 1) + "\"},";
    EXPECT_EQ(error_of(chain + "\"d20000\":{\"type\":\"null\"}}}"), "");
    std::string nested;
    for (int i = 0; i < 60; ++i) nested += "{\"items\":{\"oneOf\":[{\"type\":\"null\"},";
    nested += "{\"type\":\"string\"}";
    for (int i = 0; i < 60; ++i) nested += "]}}";
    error_of(nested);
    std::string ones;
    for (int i = 0; i < 80; ++i) ones += "{\"oneOf\":[{\"type\":\"null\"},";
    EXPECT_FALSE(error_of(ones + "{\"type\":\"string\"}" + std::string(0, ' ') +
                          [] {
                              std::string end;
                              for (int i = 0; i < 80; ++i) end += "]}";
                              return end;
                          }())
                     .empty());
    std::string many = "{\"properties\":{";
    for (int i = 0; i < 3000; ++i) many += "\"p" + std::to_string(i) + "\":{\"type\":\"integer\"},";
    many.back() = '}';
    EXPECT_EQ(error_of(many + ",\"additionalProperties\":false}"), "");
    EXPECT_NE(error_of(R"({"type":"string","maxLength":1000000,"pattern":"a{5000}"})"), "");
    EXPECT_EQ(error_of(R"({"type":"string","maxLength":100000000})"), "");
    EXPECT_NE(error_of(R"({"minimum":1e300})"), "");
}

}  // namespace
}  // namespace facet
