#include "text/python_text.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

Json parsed(const char* text) {
    Result<Json> json = Json::parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.take();
}

TEST(PythonText, StripsWhatPythonCallsWhitespace) {
    EXPECT_EQ(strip(" \t\r\n\v\fx\x1c\x1f"), "x");
    EXPECT_EQ(strip("\u0085\u00a0\u1680\u2000\u200ax\u2028\u2029\u202f\u205f\u3000"), "x");
    EXPECT_EQ(strip("\u200bx\ufeff"), "\u200bx\ufeff");
    EXPECT_EQ(strip("a b"), "a b");
    EXPECT_EQ(strip(" \u3000 "), "");
    EXPECT_EQ(strip(""), "");
    EXPECT_EQ(strip_start(" x "), "x ");
    EXPECT_EQ(strip_end(" x "), " x");
    EXPECT_EQ(strip(" \x80\xff "), "\x80\xff");
}

TEST(PythonText, PrintsFloatsAsReprDoes) {
    EXPECT_EQ(python_float(2.0), "2.0");
    EXPECT_EQ(python_float(0.1), "0.1");
    EXPECT_EQ(python_float(-0.0), "-0.0");
    EXPECT_EQ(python_float(1e-4), "0.0001");
    EXPECT_EQ(python_float(9.9e-5), "9.9e-05");
    EXPECT_EQ(python_float(1e-7), "1e-07");
    EXPECT_EQ(python_float(9999999999999998.0), "9999999999999998.0");
    EXPECT_EQ(python_float(1e16), "1e+16");
    EXPECT_EQ(python_float(1.5e22), "1.5e+22");
    EXPECT_EQ(python_float(-1.7976931348623157e308), "-1.7976931348623157e+308");
    EXPECT_EQ(python_float(5e-324), "5e-324");
    EXPECT_EQ(python_float(0.00012345678901234567), "0.00012345678901234567");
}

TEST(PythonText, KeepsIntegersAsWritten) {
    EXPECT_EQ(python_number(Json::number("123456789012345678901234567890")),
              "123456789012345678901234567890");
    EXPECT_EQ(python_number(Json::number("1E22")), "1e+22");
    EXPECT_EQ(python_number(Json::number("1000.00")), "1000.0");
    EXPECT_EQ(python_number(Json::number("1e-400")), "0.0");
    EXPECT_EQ(python_number(Json::number("-1e-400")), "-0.0");
}

TEST(PythonText, ShowsListsAndDictsAsStrDoes) {
    EXPECT_EQ(python_str(parsed(R"(["string", null, true, 2.50, {"a": []}])")),
              "['string', None, True, 2.5, {'a': []}]");
    EXPECT_EQ(python_str(parsed(R"(["it's", "say \"x\"", "both ' \"", "a\\b\n\u0001\u00a0é"])")),
              R"(["it's", 'say "x"', 'both \' "', 'a\\b\n\x01\xa0é'])");
    EXPECT_EQ(python_str(parsed(R"("plain")")), "plain");
    EXPECT_EQ(python_str(Json::null()), "None");
}

TEST(PythonText, KnowsWhatIsTrue) {
    EXPECT_FALSE(python_truth(nullptr));
    for (const char* text : {"null", "false", "0", "0.0", "-0.0", "0e5", "\"\"", "[]", "{}"}) {
        const Json value = parsed(text);
        EXPECT_FALSE(python_truth(&value)) << text;
    }
    for (const char* text : {"true", "1", "-0.1", "1e-5", "\"false\"", "[0]", "{\"a\":0}"}) {
        const Json value = parsed(text);
        EXPECT_TRUE(python_truth(&value)) << text;
    }
}

TEST(PythonText, MapsOnlyAsciiLetters) {
    EXPECT_EQ(upper_ascii("['string', é]"), "['STRING', é]");
    EXPECT_EQ(lower_ascii("AbZ_Ä"), "abz_Ä");
}

}  // namespace
}  // namespace facet
