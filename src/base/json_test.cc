#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace facet {
namespace {

Json parsed(std::string_view text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json.ok()) << text << ": " << json.error().message;
    return json.ok() ? json.take() : Json::null();
}

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
    auto json = Json::parse(text, limits);
    return json.ok() ? "(accepted)" : json.error().message;
}

std::string round_trip(std::string_view text) { return parsed(text).dump(); }

std::string nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, KeepsKeyOrderAndTheSpellingOfNumbers) {
    const std::string text =
        R"({"z":1,"a":12345678901234567890,"m":2.0,"b":1e5,"c":-0.10,"d":123456789012345678901234567890})";
    EXPECT_EQ(round_trip(text), text);
}

TEST(Json, ReadsEveryKind) {
    const Json json = parsed(
        R"( {"n": null, "t": true, "f": false, "s": "x", "a": [1, [], {}], "o": {"k": "v"}} )");
    EXPECT_TRUE(json.find("n")->is_null());
    EXPECT_TRUE(json.find("t")->is_true());
    EXPECT_TRUE(json.find("f")->is_bool());
    EXPECT_FALSE(json.find("f")->is_true());
    EXPECT_EQ(json.find("s")->text, "x");
    ASSERT_EQ(json.find("a")->items.size(), 3u);
    EXPECT_EQ(json.find("o")->find("k")->text, "v");
    EXPECT_EQ(json.find("none"), nullptr);
    EXPECT_EQ(Json::array().find("x"), nullptr);
    EXPECT_EQ(json.dump(), R"({"n":null,"t":true,"f":false,"s":"x","a":[1,[],{}],"o":{"k":"v"}})");
}

TEST(Json, RepeatedKeysKeepTheFirstPlaceAndTheLastValue) {
    EXPECT_EQ(round_trip(R"({"a":1,"b":2,"a":3,"c":4,"b":5})"), R"({"a":3,"b":5,"c":4})");
    EXPECT_EQ(round_trip(R"([{"a":{"x":1},"a":{"y":2}}])"), R"([{"a":{"y":2}}])");
}

TEST(Json, RepeatedKeysCanBeRefused) {
    const JsonLimits limits = {.refuse_repeated_keys = true};
    EXPECT_EQ(refusal(R"({"o":{"a":1,"a":1}})", limits), "a key of a JSON object is repeated");
    EXPECT_EQ(refusal(R"([{"a":1},{"a":1}])", limits), "(accepted)");
}

TEST(Json, ManyRepeatedKeysTakeNoQuadraticTime) {
    std::string text = "{\"k0\":0";
    for (int i = 1; i < 200000; ++i)
        text += ",\"k" + std::to_string(i % 100000) + "\":" + std::to_string(i);
    const Json json = parsed(text + "}");
    ASSERT_EQ(json.members.size(), 100000u);
    EXPECT_EQ(json.members[7].first, "k7");
    EXPECT_EQ(json.members[7].second.text, "100007");
}

TEST(Json, LimitsDepth) {
    EXPECT_EQ(refusal(nested(kJsonDepthMax)), "(accepted)");
    EXPECT_EQ(refusal(nested(kJsonDepthMax + 1)), "JSON is nested deeper than 200 levels");
    EXPECT_EQ(refusal(std::string(1000000, '[')), "JSON is nested deeper than 200 levels");
    std::string objects;
    for (int i = 0; i < 201; ++i) objects += "{\"k\":";
    EXPECT_EQ(refusal(objects), "JSON is nested deeper than 200 levels");
}

TEST(Json, LimitsTheNumberOfValues) {
    EXPECT_EQ(refusal("[1,2,3]", {.value_count_max = 4}), "(accepted)");
    EXPECT_EQ(refusal("[1,2,3]", {.value_count_max = 3}), "JSON of more than 3 values");
}

TEST(Json, SaysWhereTextIsMalformed) {
    EXPECT_EQ(refusal(""), "malformed JSON at byte 1");
    EXPECT_EQ(refusal("[1,]"), "malformed JSON at byte 4");
    EXPECT_EQ(refusal("{\"a\":1} x"), "malformed JSON at byte 9");
    for (const char* text :
         {"{", "[1", "tru", "01", "1.", "+1", "'a'", "\"a", "\"\\x\"", "\"\\u12g4\"", "{a:1}",
          "{1:2}", "nan", "[1 2]", "\"\t\"", "// c", "1 2"}) {
        EXPECT_EQ(refusal(text).rfind("malformed JSON at byte ", 0), 0u) << text;
    }
}

TEST(Json, RefusesInvalidUtf8AndLoneSurrogates) {
    EXPECT_NE(refusal("\"\xff\""), "(accepted)");
    EXPECT_NE(refusal("\"\xc3\""), "(accepted)");
    EXPECT_NE(refusal("\"\xed\xa0\x80\""), "(accepted)");
    EXPECT_NE(refusal("\"\\ud800\""), "(accepted)");
    EXPECT_EQ(parsed("\"\\ud83d\\ude00\\u00e9\"").text, "\xf0\x9f\x98\x80\xc3\xa9");
    EXPECT_EQ(parsed("\"a\\u0000b\"").text, std::string("a\0b", 3));
}

TEST(Json, DumpsStringsThatReadBack) {
    std::string all;
    for (int i = 0; i < 128; ++i) all += static_cast<char>(i);
    EXPECT_EQ(parsed(Json::of(all).dump()).text, all);
    EXPECT_EQ(Json::of("\"\\\n\r\t\x01/").dump(), R"("\"\\\n\r\t\u0001/")");
    EXPECT_EQ(Json::of("a\xff"
                       "b")
                  .dump(),
              "\"a\xef\xbf\xbd"
              "b\"");
}

TEST(Json, NumbersReadBackAsTheSameDouble) {
    for (const double value : {0.1, 1e300, -2.5e-300, 5e-324, 1.0, 123456789.0, -0.0, 0x1p53}) {
        const Json json = parsed(Json::number(value).dump());
        EXPECT_EQ(json.to_double().value(), value);
    }
    EXPECT_TRUE(Json::number(std::nan("")).is_null());
    EXPECT_TRUE(Json::number(std::numeric_limits<double>::infinity()).is_null());
}

TEST(Json, ConvertsNumbersWithinRange) {
    EXPECT_EQ(parsed("9223372036854775807").to_integer().value(),
              std::numeric_limits<long long>::max());
    EXPECT_EQ(parsed("-9223372036854775808").to_integer().value(),
              std::numeric_limits<long long>::min());
    EXPECT_FALSE(parsed("9223372036854775808").to_integer().ok());
    EXPECT_FALSE(parsed("1.0").to_integer().ok());
    EXPECT_FALSE(parsed("\"1\"").to_integer().ok());
    EXPECT_FALSE(parsed("\"1\"").to_double().ok());
    EXPECT_FALSE(Json::null().to_double().ok());
    EXPECT_EQ(parsed("12345678901234567890").to_double().value(), 12345678901234567890.0);
}

TEST(Json, BuildsObjectsInOrder) {
    Json json = Json::object();
    json.set("b", Json::integer(-5))
        .set("a", Json::array().push(Json::of(true)).push(Json::of("x")))
        .set("b", Json::null());
    EXPECT_EQ(json.dump(), R"({"b":null,"a":[true,"x"]})");
}

TEST(Json, NoCharacterOfAStringEndsALine) {
    const std::string text =
        "a\xc2\x85"
        "b\xe2\x80\xa8"
        "c\xe2\x80\xa9"
        "d\x0b\x0c\x1c\n\xc2\xa0\xe2\x80\xa7";
    const std::string dumped = Json::of(text).dump();
    EXPECT_EQ(dumped, "\"a\\u0085b\\u2028c\\u2029d\\u000b\\u000c\\u001c\\n\xc2\xa0\xe2\x80\xa7\"");
    EXPECT_EQ(Json::parse(dumped).take().text, text);
}

}  // namespace
}  // namespace facet
