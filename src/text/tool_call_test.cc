// Bodies are written with `~` for the <|"|> token.
#include "text/tool_call.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

namespace facet {
namespace {

Json parsed(const std::string& text) {
    Result<Json> json = Json::parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.ok() ? json.take() : Json();
}

std::string marked(std::string text) {
    std::replace(text.begin(), text.end(), '~', kQuoteMark);
    return text;
}

// "name{json} .." with "repaired: " in front, or "malformed".
std::string outcome(const std::string& body, bool closed = true, const Json* tools = nullptr) {
    const std::optional<CallBody> result = parse_call_body(marked(body), closed, tools);
    if (!result) return "malformed";
    std::string text = result->repaired ? "repaired: " : "";
    for (const ToolCall& call : result->calls) {
        if (&call != &result->calls.front()) text += ' ';
        text += call.name + call.arguments.dump();
    }
    return text;
}

std::string unclosed(const std::string& body) { return outcome(body, false); }

TEST(ToolCall, ReadsTheStrictGrammar) {
    EXPECT_EQ(outcome("call:f{}"), "f{}");
    EXPECT_EQ(
        outcome("call:f{a:1,b:-2.50,c:true,d:false,e:null,g:[1,~x~,[]],h:{i:~deep~},j:~~}"),
        R"(f{"a":1,"b":-2.50,"c":true,"d":false,"e":null,"g":[1,"x",[]],"h":{"i":"deep"},"j":""})");
    EXPECT_EQ(outcome("call:f{n:12345678901234567890,m:2.0,k:1e-07}"),
              R"(f{"n":12345678901234567890,"m":2.0,"k":1e-07})");
    EXPECT_EQ(outcome("call:f{a-b.c d:1,e=f:2}"), R"(f{"a-b.c d":1,"e=f":2})");
    EXPECT_EQ(outcome("call:f{b:1,a:2,b:3}"), R"(f{"b":3,"a":2})");
}

TEST(ToolCall, StringsHaveNoEscapes) {
    EXPECT_EQ(outcome("call:f{a:~C:\\tmp \"q\" {},[]: \n\t'x'~}"),
              R"(f{"a":"C:\\tmp \"q\" {},[]: \n\t'x'"})");
    EXPECT_EQ(outcome("call:f{a:~<|\"|>}<tool_call|>~}"), R"(f{"a":"<|\"|>}<tool_call|>"})");
}

TEST(ToolCall, AcceptsVariationsWithoutCallingThemRepairs) {
    EXPECT_EQ(outcome(" call : f { a : 1 , b : [ 1 , 2 ] } "), R"(f{"a":1,"b":[1,2]})");
    EXPECT_EQ(outcome("f{a:1,}"), R"(f{"a":1})");
    EXPECT_EQ(outcome(":f{a:[1,]}"), R"(f{"a":[1]})");
    EXPECT_EQ(outcome("call{}"), "call{}");
    EXPECT_EQ(outcome("call:f{~a b~:1}"), R"(f{"a b":1})");
    EXPECT_EQ(outcome("call:f{a:1}\ncall:g{}"), R"(f{"a":1} g{})");
    EXPECT_EQ(outcome("call:fs.read-file/v2{}"), "fs.read-file/v2{}");
}

TEST(ToolCall, RepairsBrackets) {
    EXPECT_EQ(outcome("call:f{a:~x~"), R"(repaired: f{"a":"x"})");
    EXPECT_EQ(outcome("call:f{a:{b:[1,{c:~x~"), R"(repaired: f{"a":{"b":[1,{"c":"x"}]}})");
    EXPECT_EQ(outcome("call:f{a:[1,2}"), R"(repaired: f{"a":[1,2]})");
    EXPECT_EQ(outcome("call:f{a:[{b:1],c:2}"), R"(repaired: f{"a":[{"b":1}],"c":2})");
    EXPECT_EQ(outcome("call:f{a:1]}"), R"(repaired: f{"a":1})");
    EXPECT_EQ(outcome("call:f{a:~x~}}]} "), R"(repaired: f{"a":"x"})");
    EXPECT_EQ(outcome("call:f{a:1}}call:g{b:2}"), R"(repaired: f{"a":1} g{"b":2})");
    EXPECT_EQ(outcome("call:f(a:1,b:two)"), R"(repaired: f{"a":1,"b":"two"})");
    EXPECT_EQ(outcome("call:f{a:two(2)}"), R"-(repaired: f{"a":"two(2)"})-");
}

TEST(ToolCall, RepairsQuotes) {
    EXPECT_EQ(outcome(R"(call:f{"a":"x \"y\" \\ \u00e9\ud83c\udf27 \d",'b':'it\'s'})"),
              R"(repaired: f{"a":"x \"y\" \\ é🌧 \\d","b":"it's"})");
    EXPECT_EQ(outcome(R"(call:f{a:"say "hi" now",b:1})"),
              R"(repaired: f{"a":"say \"hi\" now","b":1})");
    EXPECT_EQ(outcome(R"(call:f{a:["x",'y, z',~w~]})"), R"(repaired: f{"a":["x","y, z","w"]})");
    EXPECT_EQ(outcome(R"(call:f{"a":5})"), R"(repaired: f{"a":5})");
    EXPECT_EQ(outcome(R"(call:f{a:"no end,b:1})"), R"(repaired: f{"a":"\"no end","b":1})");
    EXPECT_EQ(outcome(R"(call:f{a:"\ud83c"})"), "repaired: f{\"a\":\"\uFFFD\"}");
}

TEST(ToolCall, RepairsMissingDelimiters) {
    EXPECT_EQ(outcome("call:f{a:Oslo~,b:~x~}"), R"(repaired: f{"a":"Oslo","b":"x"})");
    EXPECT_EQ(outcome("call:f{a:Oslo, or Rome~,b:~x~}"),
              R"(repaired: f{"a":"Oslo, or Rome","b":"x"})");
    EXPECT_EQ(outcome("call:f{a:list:~,b:1}"), R"(repaired: f{"a":"list:","b":1})");
    EXPECT_EQ(outcome("call:f{a:Oslo,b:~x~}"), R"(repaired: f{"a":"Oslo","b":"x"})");
    EXPECT_EQ(outcome("call:f{a:[x,~y~,z]}"), R"(repaired: f{"a":["x","y","z"]})");
    EXPECT_EQ(outcome("call:f{a:~Oslo}"), R"(repaired: f{"a":"Oslo"})");
    EXPECT_EQ(outcome("call:f{a:[{b:~x {y} } ] }"), R"(repaired: f{"a":[{"b":"x {y} "}]})");
    EXPECT_EQ(outcome("call:f{a:~x"), R"(repaired: f{"a":"x"})");
    EXPECT_EQ(outcome("call:f{a:New York,b:1}"), R"(repaired: f{"a":"New York","b":1})");
    EXPECT_EQ(outcome("call:f{a:01234,b:+1,c:1.}"),
              R"(repaired: f{"a":"01234","b":"+1","c":"1."})");
}

TEST(ToolCall, RepairsLiteralsAndSeparators) {
    EXPECT_EQ(outcome("call:f{a:None,b:nil}"), R"(repaired: f{"a":null,"b":null})");
    EXPECT_EQ(outcome("call:f{a=1,b=~x~,c:2}"), R"(repaired: f{"a":1,"b":"x","c":2})");
    EXPECT_EQ(outcome("call:f{url=http://x}"), R"(repaired: f{"url":"http://x"})");
    EXPECT_EQ(outcome("call:f{a:1,,b:2}"), R"(repaired: f{"a":1,"b":2})");
}

TEST(ToolCall, AcceptsJsonBodies) {
    EXPECT_EQ(outcome(R"({"name":"f","arguments":{"a":"x","n":1.50}})"),
              R"(repaired: f{"a":"x","n":1.50})");
    EXPECT_EQ(outcome(R"([{"name":"f","arguments":{}},{"name":"g","arguments":"{\"b\": 1}"}])"),
              R"(repaired: f{} g{"b":1})");
    EXPECT_EQ(outcome(R"(call:{"name":"f","arguments":{}})"), "repaired: f{}");
    EXPECT_EQ(outcome(R"({"name":"f"})"), "malformed");
    EXPECT_EQ(outcome(R"({"name":"f","arguments":"x"})"), "malformed");
    EXPECT_EQ(outcome(R"({"name":"f","arguments":{}} and more)"), "malformed");
    EXPECT_EQ(outcome("[]"), "malformed");
}

TEST(ToolCall, WithoutItsEndOnlyACompleteBodyIsACall) {
    EXPECT_EQ(unclosed("call:f{a:~x~}"), R"(f{"a":"x"})");
    EXPECT_EQ(unclosed("call:f{a:x}}"), R"(repaired: f{"a":"x"})");
    for (const char* body :
         {"", "call", "call:f", "call:f{", "call:f{a", "call:f{a:", "call:f{a:1", "call:f{a:1,",
          "call:f{a:~rm -rf /tmp/a", "call:f{a:~x~", "call:f{a:[1]", "call:f{a:\"x\"",
          "call:f{a:1}call:g{b:~x", "{\"name\":\"f\",\"arguments\":{}"}) {
        EXPECT_EQ(unclosed(body), "malformed") << body;
    }
}

TEST(ToolCall, GivesUpOnWhatIsNoCall) {
    for (const char* body :
         {"", " ", "call:", "call:f", "call:f{a:}", "call:f{a}", "call:f{:1}", "call:f{a:,b:1}",
          "call:f{a:~x~y}", "call:f{a:~x,b:~y~}", "let me think", "{}", "call:{a:1}",
          "call:f{a:1} thanks", "call:f[1]", "call:f{[1]:2}", "call:f{\"a:1}"}) {
        EXPECT_EQ(outcome(body), "malformed") << body;
    }
}

TEST(ToolCall, TheSchemaKeepsBareLexemesStrings) {
    const Json tools = parsed(R"([{"type":"function","function":{"name":"other"}},
        {"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{
            "zip":{"type":"string"},"n":{"type":"integer"},"ok":{"type":"boolean"},
            "maybe":{"type":["String","null"]},"either":{"type":["string","integer"]},
            "tags":{"type":"array","items":{"type":"string"}},
            "o":{"type":"object","properties":{"zip":{"type":"string"}}}}}}}])");
    const auto with_schema = [&](const char* body) { return outcome(body, true, &tools); };
    EXPECT_EQ(with_schema("call:f{zip:01234,n:7}"), R"(repaired: f{"zip":"01234","n":7})");
    EXPECT_EQ(with_schema("call:f{zip:1.50,o:{zip:true},tags:[1,~2~],maybe:5}"),
              R"(repaired: f{"zip":"1.50","o":{"zip":"true"},"tags":["1","2"],"maybe":"5"})");
    EXPECT_EQ(with_schema("call:f{zip:null,either:5,n:~7~,unknown:1}"),
              R"(f{"zip":null,"either":5,"n":"7","unknown":1})");
    EXPECT_EQ(with_schema("call:f{ok:True,zip:True,n:True}"),
              R"(repaired: f{"ok":true,"zip":"True","n":"True"})");
    EXPECT_EQ(with_schema("call:g{zip:5}"), R"(g{"zip":5})");
}

TEST(ToolCall, NestingIsBounded) {
    const auto nested = [](size_t depth) {  // the arguments are the outermost container
        return "call:f{a:" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
    };
    EXPECT_NE(outcome(nested(kCallDepthMax)), "malformed");
    EXPECT_EQ(outcome(nested(kCallDepthMax + 1)), "malformed");
}

TEST(ToolCall, PrintsABodyAsTheModelWroteIt) {
    EXPECT_EQ(call_body_text(marked("call:f{a:~é~}")), R"(call:f{a:<|"|>é<|"|>})");
}

bool has_mark(const Json& json) {
    if (json.text.find(kQuoteMark) != std::string::npos) return true;
    return std::any_of(json.items.begin(), json.items.end(), has_mark) ||
           std::any_of(json.members.begin(), json.members.end(), [](const auto& member) {
               return member.first.find(kQuoteMark) != std::string::npos || has_mark(member.second);
           });
}

TEST(ToolCall, AMarkNeverBecomesText) {
    EXPECT_EQ(outcome(R"(call:f{a:"x\~,b:1})"), R"(repaired: f{"a":"\"x\\","b":1})");
    for (const char* body : {R"(call:f{a:"x\~","b":1})", R"(call:f{"a\~":1})", "call:f{a:'~',b:2}",
                             "call:f{a:x~y~z}", "call:~f~{}", "call:f~{}"}) {
        const auto result = parse_call_body(marked(body), true, nullptr);
        EXPECT_FALSE(result && has_mark(result->calls[0].arguments)) << body;
    }
}

std::string repeated(std::string_view text, size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += text;
    return out;
}

// Each of these once stood for a way to read the rest of the body again and again; quadratic time
// takes minutes.
TEST(ToolCall, HostileBodiesTakeLinearTime) {
    constexpr size_t kBytes = 2 << 20;
    const std::string spaces(kBytes / 2, ' ');
    const std::vector<std::string> bodies = {
        repeated("[", kBytes),
        "call:f{a:" + repeated("[", kBytes),
        "call:f{a:" + repeated("{a:", kBytes),
        "call:f{a:" + repeated("\"", kBytes),
        "call:f{" + repeated("a:\"x,", kBytes),
        "call:f{" + repeated("a:'x,b:\"y,", kBytes),
        "call:f{" + repeated("a:\"x\\,", kBytes) + "~",
        "call:f{" + repeated("a:x,", kBytes / 2) + spaces + "~",
        "call:f{" + repeated("a:x,", kBytes / 2) + "b:" + spaces + "~x~}",
        "call:f{" + repeated("a:x~" + std::string(50, ' ') + ",", kBytes) + "}",
        "call:f{a:" + repeated("[", 90) + "~" + spaces,
        "call:f{a:" + repeated("\" ", kBytes),
        "call:f{a:" + repeated("~", kBytes + 1),
        "call:f{" + repeated("}", kBytes),
        "call:f{a:" + repeated("[", 90) + repeated(")", kBytes),
        repeated("f{}", kBytes),
        "call:f{" + repeated("~a~:~b~,", kBytes) + "}",
        "call:f{" + repeated("\"", kBytes),
        "call:f{" + repeated("\\", kBytes),
        "call:f{a:" + repeated("\\u00", kBytes) + "}",
        repeated("call:", kBytes),
        repeated(" ", kBytes),
        repeated("=", kBytes),
    };
    for (size_t i = 0; i < bodies.size(); ++i) {
        for (const bool closed : {true, false}) {
            const auto begin = std::chrono::steady_clock::now();
            const auto result = parse_call_body(marked(bodies[i]), closed, nullptr);
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
            EXPECT_LT(seconds.count(), 20) << "body " << i;
            EXPECT_TRUE(!result || !result->calls.empty());
        }
    }
}

TEST(ToolCall, ManyDistinctKeysTakeLinearTime) {
    std::string body = "call:f{";
    for (size_t i = 0; i < 200000; ++i) body += "k" + std::to_string(i) + ":1,";
    const auto result = parse_call_body(body + "}", true, nullptr);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->calls[0].arguments.members.size(), 200000u);
}

TEST(ToolCall, MutatedBodiesGiveCallsOrNothing) {
    const std::string valid =
        marked("call:f{a:~x, {y}~,b:[1,true,{c:null}],d:-2.5e3,'e':\"q\\\"\",g:bare}call:g{h:~~}");
    const std::string alphabet = marked("{}[]()~~\"'\\,:= \ncallfx01-.etrunull\xc3\xa9");
    std::mt19937 random(7);
    const auto pick = [&](size_t count) { return random() % count; };
    size_t calls = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string body = valid;
        for (size_t edits = 1 + pick(6); edits > 0 && !body.empty(); --edits) {
            const size_t at = pick(body.size());
            switch (pick(4)) {
                case 0: body.erase(at, 1 + pick(5)); break;
                case 1: body.insert(at, 1, alphabet[pick(alphabet.size())]); break;
                case 2: body[at] = alphabet[pick(alphabet.size())]; break;
                case 3: body.resize(at); break;
            }
        }
        const auto result = parse_call_body(body, pick(2) == 0, nullptr);
        if (!result) continue;
        ASSERT_FALSE(result->calls.empty());
        for (const ToolCall& call : result->calls) {
            ASSERT_FALSE(call.name.empty());
            ASSERT_TRUE(call.arguments.is_object());
            ASSERT_FALSE(has_mark(call.arguments)) << call.arguments.dump();
        }
        ++calls;
    }
    EXPECT_GT(calls, 1000u);
}

}  // namespace
}  // namespace facet
