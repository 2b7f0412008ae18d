#include "grammar/tool_grammar.h"

#include <gtest/gtest.h>

#include "grammar/grammar_testing.h"

namespace facet {
namespace {

using namespace grammar_testing;

constexpr int32_t kBegin = 256, kEnd = 257, kQuote = 258, kStop = 259;
constexpr ToolCallTokens kTokens{kBegin, kEnd, kQuote};

std::shared_ptr<const GrammarVocabulary> vocabulary() {
    std::vector<std::string> texts;
    for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(b));
    texts.resize(260);
    return std::make_shared<const GrammarVocabulary>(
        GrammarVocabulary::create(std::move(texts), {kStop}).take());
}

Result<Grammar> compile(std::string_view tools, const ToolGrammarOptions& options = {}) {
    return compile_tool_calls(Json::parse(tools).take(), kTokens, options);
}

// In `text`, < > and | stand for the special tokens.
bool takes(GrammarMatcher matcher, std::string_view text) {
    for (const char c : text) {
        const int32_t id = c == '<'   ? kBegin
                           : c == '>' ? kEnd
                           : c == '|' ? kQuote
                                      : static_cast<uint8_t>(c);
        if (!matcher.accept(id).value()) return false;
    }
    return matcher.is_complete();
}

constexpr const char* kTools =
    R"([{"type":"function","function":{"name":"bash","parameters":{"type":"object",
    "properties":{"timeout":{"type":"integer"},"command":{"type":"string"},"env":{"type":"object",
    "additionalProperties":{"type":"string"}},"odd key:":{"type":"null"}},"required":["command"]}}},
    {"type":"function","function":{"name":"now"}}])";

TEST(ToolGrammar, CallsAreWrittenAsTheModelWritesThem) {
    const GrammarMatcher matcher = matcher_of(compile(kTools), vocabulary());
    EXPECT_TRUE(takes(matcher, "<call:bash{command:|ls -la \"{}\" \\ \n|}>"));
    EXPECT_TRUE(
        takes(matcher, "<call:bash{command:|é|,env:{A:|1|,B:||},|odd key:|:null,timeout:3}>"));
    EXPECT_TRUE(takes(matcher, "<call:now{}><call:bash{command:||}>"));
    EXPECT_TRUE(takes(matcher, "<call:now{a:[1,|x|,{b:true}]}>"));
    for (const char* text :
         {"", "<call:bash{}>", "<call:bash{command:ls}>", "<call:none{}>", "call:now{}>",
          "<call:now{}", "<call:bash{timeout:3,command:||}>", "<call:bash{command:|a|,}>",
          "<call:bash{command: |a|}>", "<call:bash{command:|a|,timeout:|3|}>"})
        EXPECT_FALSE(takes(matcher, text)) << text;
}

TEST(ToolGrammar, ACallMayHaveBegunAndBeTheOnlyOne) {
    ToolGrammarOptions options;
    options.has_begun = true;
    EXPECT_TRUE(
        takes(matcher_of(compile(kTools, options), vocabulary()), "call:now{}><call:now{}>"));
    options.calls_max = 1;
    options.name = "now";
    const GrammarMatcher one = matcher_of(compile(kTools, options), vocabulary());
    EXPECT_TRUE(takes(one, "call:now{}>"));
    EXPECT_FALSE(takes(one, "call:now{}><call:now{}>"));
    EXPECT_FALSE(takes(one, "call:bash{command:||}>"));
}

TEST(ToolGrammar, OnlyStrictToolsAreRefused) {
    const std::string head = R"([{"function":{"name":"f","strict":)";
    const std::string tail =
        R"(,"parameters":{"properties":{"a":{"type":"integer","not":{}}},"required":["a"]}}}])";
    const Result<Grammar> strict = compile(head + "true" + tail);
    ASSERT_FALSE(strict.ok());
    EXPECT_EQ(strict.error().message,
              "tool f: json schema, #/properties/a/not: the keyword not is not supported");
    EXPECT_TRUE(takes(matcher_of(compile(head + "false" + tail), vocabulary()), "<call:f{a:1}>"));
    EXPECT_TRUE(
        takes(matcher_of(compile(R"([{"function":{"name":"f","parameters":{"properties":[1]}}}])"),
                         vocabulary()),
              "<call:f{x:1}>"));
}

TEST(ToolGrammar, WrongListsAreErrors) {
    EXPECT_FALSE(compile("[]").ok());
    EXPECT_FALSE(compile(R"([{"function":{"name":"a b"}}])").ok());
    EXPECT_FALSE(compile(R"([{"type":"function"}])").ok());
    ToolGrammarOptions options;
    options.name = "other";
    EXPECT_EQ(compile(kTools, options).error().message, "tools: there is none named other");
}

}  // namespace
}  // namespace facet
