// The cases were rendered by the official templates (tests/data/README.md); the serving form and
// the errors are ours.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "text/testing.h"

namespace facet {
namespace {

using test::demo_tokenizer;
using test::demo_vocabulary;
using test::real_tokenizer;
using test::real_vocabulary;

Json parsed(const std::string& text) {
    Result<Json> json = Json::parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.ok() ? json.take() : Json();
}

ChatOptions exact_form() {
    ChatOptions options;
    options.exact = true;
    return options;
}

// Renders with the demo's vocabulary; an error's message stands in for the text.
std::string render(const std::string& messages, const ChatOptions& options,
                   const std::string& tools = "null") {
    const Json tool_list = parsed(tools);
    const Result<RenderedChat> chat =
        render_chat(parsed(messages), &tool_list, options, demo_vocabulary());
    return chat.ok() ? rendered_text(chat.value().pieces, demo_vocabulary()) : chat.error().message;
}

// The only cases whose users write special strings: ids were made with those parsed, we keep them
// text.
const std::set<std::string>& cases_with_special_strings_of_users() {
    static const std::set<std::string> names = {"user_literal_channel_text_not_stripped"};
    return names;
}

TEST(ChatTemplate, RendersTheOfficialCases) {
    const Json cases = test::read_json("chat-template-cases.json");
    ASSERT_EQ(cases.items.size(), 121u);
    for (const Json& c : cases.items) {
        SCOPED_TRACE(c.find("name")->text);
        const Result<ChatOptions> options = chat_options_from_json(c.find("options"), exact_form());
        ASSERT_TRUE(options.ok());
        const auto chat =
            render_chat(*c.find("messages"), c.find("tools"), options.value(), real_vocabulary());
        ASSERT_TRUE(chat.ok()) << chat.error().message;
        const std::string& rendered = c.find("rendered")->text;
        EXPECT_EQ(rendered_text(chat.value().pieces, real_vocabulary()), rendered);
        EXPECT_EQ(chat.value().opens_thought, rendered.ends_with("<|channel>thought\n"));
    }
}

TEST(ChatTemplate, GivesTheOfficialIdsUnlessUsersWriteSpecialStrings) {
    const Json cases = test::read_json("chat-template-cases.json");
    for (const Json& c : cases.items) {
        SCOPED_TRACE(c.find("name")->text);
        const ChatOptions options = chat_options_from_json(c.find("options"), exact_form()).take();
        const auto chat =
            render_chat(*c.find("messages"), c.find("tools"), options, real_vocabulary());
        ASSERT_TRUE(chat.ok());
        const bool same =
            real_tokenizer().encode(chat.value().pieces) == test::ids_of(*c.find("token_ids"));
        EXPECT_NE(same, cases_with_special_strings_of_users().contains(c.find("name")->text));

        const auto demo =
            render_chat(*c.find("messages"), c.find("tools"), options, demo_vocabulary());
        const std::vector<int32_t> scanned =
            demo_tokenizer().encode(c.find("rendered")->text, true);
        EXPECT_EQ(demo_tokenizer().encode(demo.value().pieces) == scanned, same);
    }
}

TEST(ChatTemplate, TextFromOutsideNeverBecomesASpecialToken) {
    std::string every_special;
    for (size_t i = 0; i < kSpecialCount; ++i)
        every_special += special_text(static_cast<Special>(i));
    const std::string spelled = Json::of(every_special).dump();
    const auto render_with = [&](const std::string& text) {
        const Json messages =
            parsed(R"([{"role":"system","content":)" + text + R"(},{"role":"user","content":[
            {"type":"text","text":)" +
                   text + R"(}]},{"role":"assistant","reasoning":)" + text + R"(,"tool_calls":[
            {"id":"a","function":{"name":"f","arguments":{)" +
                   text + ":" + text + R"(}}}]},
            {"role":"tool","tool_call_id":"a","content":)" +
                   text + "}]");
        const Json tools = parsed(R"([{"function":{"name":"f","description":)" + text +
                                  R"(,"parameters":{"type":"object","properties":{)" + text +
                                  R"(:{"type":"string","enum":[)" + text + "]}}}}}]");
        auto chat = render_chat(messages, &tools, exact_form(), demo_vocabulary());
        EXPECT_TRUE(chat.ok());
        return chat.take().pieces;
    };
    const auto special_count = [](const std::vector<Piece>& pieces) {
        return std::count_if(pieces.begin(), pieces.end(),
                             [](const Piece& piece) { return piece.special_id >= 0; });
    };
    EXPECT_EQ(special_count(render_with(spelled)), special_count(render_with("\"x\"")));
}

TEST(ChatTemplate, ServingFormOpensATurnAfterTextThatFollowsResults) {
    const std::string messages =
        R"([{"role":"user","content":"Q"},{"role":"assistant","content":"Let me look.",
        "tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"7"}])";
    ChatOptions options;
    EXPECT_TRUE(render(messages, exact_form()).ends_with("Let me look.<turn|>\n"));
    EXPECT_TRUE(render(messages, options).ends_with("Let me look.<turn|>\n<|turn>model\n"));
    options.enable_thinking = true;
    EXPECT_TRUE(render(messages, options)
                    .ends_with("Let me look.<turn|>\n<|turn>model\n<|channel>thought\n"));
    options.add_generation_prompt = false;
    EXPECT_TRUE(render(messages, options).ends_with("Let me look.<turn|>\n"));
}

TEST(ChatTemplate, ServingFormEqualsTheOfficialOneWhereThatHasNoQuirk) {
    const std::string messages = R"([{"role":"user","content":"Q"},{"role":"assistant","content":"",
        "tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"7"}])";
    EXPECT_EQ(render(messages, ChatOptions()), render(messages, exact_form()));
}

TEST(ChatTemplate, ServingFormStripsALeadingThinkBlockOfTheAssistant) {
    const std::string messages = R"([{"role":"user","content":"<think>u</think>"},
        {"role":"assistant","content":"\n<think>a\nb</think>\n\nYes </think>"}])";
    EXPECT_EQ(render(messages, ChatOptions()),
              "<bos><|turn>user\n<think>u</think><turn|>\n<|turn>model\nYes </think><turn|>\n"
              "<|turn>model\n<|channel>thought\n<channel|>");
    EXPECT_NE(render(messages, exact_form()).find("model\n<think>a"), std::string::npos);
    const std::string open = R"([{"role":"assistant","content":"<think>never closed"}])";
    EXPECT_NE(render(open, ChatOptions()).find("<think>never closed"), std::string::npos);
}

TEST(ChatTemplate, ServingFormTakesRefusalsAsText) {
    const std::string messages =
        R"([{"role":"assistant","content":[{"type":"refusal","refusal":" No. "}]}])";
    EXPECT_NE(render(messages, ChatOptions()).find("model\nNo.<turn|>"), std::string::npos);
    EXPECT_NE(render(messages, exact_form()).find("model\n<turn|>"), std::string::npos);
}

TEST(ChatTemplate, ArgumentsThatAreNoObjectDoNotBreakTheConversation) {
    const auto call = [](const std::string& arguments) {
        const std::string text =
            render(R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":)" +
                       arguments + "}}]}]",
                   ChatOptions());
        const size_t begin = text.find("call:f");
        return text.substr(begin, text.find("<tool_call|>") - begin);
    };
    EXPECT_EQ(call(R"("{\"a\": 1.50}")"), "call:f{a:1.5}");
    EXPECT_EQ(call(R"({"a": {"B": 1, "a": 2}})"), "call:f{a:{a:2,B:1}}");
    EXPECT_EQ(call(R"("ls -la")"), R"(call:f{arguments:<|"|>ls -la<|"|>})");
    EXPECT_EQ(call(R"("[1, 2]")"), R"(call:f{arguments:<|"|>[1, 2]<|"|>})");
    EXPECT_EQ(call(R"([1,2])"), R"(call:f{arguments:<|"|>[1,2]<|"|>})");
    EXPECT_EQ(call(R"("")"), "call:f{}");
    EXPECT_EQ(call(R"("null")"), "call:f{}");
    EXPECT_EQ(call("null"), "call:f{}");
}

TEST(ChatTemplate, AnObjectAsToolContentIsPrintedAsAnObject) {
    const std::string messages =
        R"([{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}}]},
        {"role":"function","tool_call_id":"a","content":{"b":1,"A":"x"}}])";
    for (const ChatOptions& options : {ChatOptions(), exact_form()}) {
        EXPECT_NE(render(messages, options)
                      .find(R"(<|tool_response>response:f{A:<|"|>x<|"|>,b:1}<tool_response|>)"),
                  std::string::npos);
    }
}

TEST(ChatTemplate, CallAndResultWithoutIdsMatch) {
    const std::string messages = R"([{"role":"assistant","tool_calls":[{"function":{"name":"f"}},
        {"function":{"name":"g"}}]},{"role":"tool","content":"1","name":"h"}])";
    EXPECT_NE(render(messages, exact_form()).find("response:g{"), std::string::npos);
}

TEST(ChatTemplate, DeclarationsWithoutTypesBalanceInTheServingForm) {
    const std::string messages = R"([{"role":"user","content":"Q"}])";
    const std::string tools = R"([{"function":{"name":"f","description":null,
        "parameters":{"properties":{"a":{"type":"string"}}},"response":{"description":"R"}}}])";
    EXPECT_NE(
        render(messages, ChatOptions(), tools)
            .find(
                R"(<|tool>declaration:f{description:<|"|><|"|>,parameters:{properties:{a:{type:<|"|>STRING)"
                R"(<|"|>}},type:<|"|>OBJECT<|"|>},response:{description:<|"|>R<|"|>}}<tool|>)"),
        std::string::npos);
    EXPECT_NE(
        render(messages, exact_form(), tools)
            .find(
                R"(<|tool>declaration:f{description:<|"|>None<|"|>,parameters:{properties:{a:{type:<|"|>STRING)"
                R"(<|"|>}},,response:{description:<|"|>R<|"|>,}<tool|>)"),
        std::string::npos);
}

TEST(ChatTemplate, ErrorsNameMessageAndField) {
    const auto error = [](const std::string& messages, const std::string& tools = "null") {
        return render(messages, ChatOptions(), tools);
    };
    EXPECT_EQ(error("{}"), "messages: expected an array, found an object");
    EXPECT_EQ(error("[1]"), "messages[0]: expected an object, found a number");
    EXPECT_EQ(error(R"([{"role":"user"},{"role":"bot"}])"),
              "messages[1].role: expected system, developer, user, assistant, tool or function, "
              "found \"bot\"");
    EXPECT_EQ(error(R"([{"content":"x"}])"),
              "messages[0].role: expected system, developer, user, assistant, tool or function, "
              "found nothing");
    EXPECT_EQ(error(R"([{"role":"system","content":"s"},{"role":"user","content":7}])"),
              "messages[1].content: expected a string, null or an array of parts, found a number");
    EXPECT_EQ(error(R"([{"role":"user","content":["x"]}])"),
              "messages[0].content[0]: expected an object, found \"x\"");
    EXPECT_EQ(error(R"([{"role":"user","content":[{"type":"text","text":[]}]}])"),
              "messages[0].content[0].text: expected a string, found an array");
    EXPECT_EQ(error(R"([{"role":"assistant","reasoning_content":{}}])"),
              "messages[0].reasoning_content: expected a string, found an object");
    EXPECT_EQ(error(R"([{"role":"assistant","tool_calls":{}}])"),
              "messages[0].tool_calls: expected an array, found an object");
    EXPECT_EQ(error(R"([{"role":"assistant","tool_calls":[{"function":{"arguments":{}}}]}])"),
              "messages[0].tool_calls[0].function.name: expected a string, found nothing");
    EXPECT_EQ(error("[]", R"([{"type":"function"}])"), "tools[0].function: expected an object");
    EXPECT_EQ(error("[]", R"([{"function":{"name":"f","parameters":[]}}])"),
              "tools[0].function.parameters: expected an object");
    EXPECT_EQ(error("[]", R"("f")"), "tools: expected an array, found \"f\"");
}

TEST(ChatTemplate, ReadsOptionsOverDefaults) {
    ChatOptions defaults;
    defaults.exact = true;
    const Json given =
        parsed(R"({"template":"small","enable_thinking":true,"add_generation_prompt":null})");
    const ChatOptions options = chat_options_from_json(&given, defaults).take();
    EXPECT_EQ(options.variant, ChatOptions::Template::kSmall);
    EXPECT_TRUE(options.enable_thinking);
    EXPECT_TRUE(options.add_generation_prompt);
    EXPECT_FALSE(options.preserve_thinking);
    EXPECT_TRUE(options.exact);
    EXPECT_TRUE(chat_options_from_json(nullptr, defaults).take().exact);

    const auto error = [&](const char* text) {
        const Json json = parsed(text);
        const auto result = chat_options_from_json(&json, defaults);
        return result.ok() ? "" : result.error().message;
    };
    EXPECT_EQ(error(R"({"template":"medium"})"),
              "options.template: expected \"large\" or \"small\", found \"medium\"");
    EXPECT_EQ(error(R"({"enable_thinking":"yes"})"),
              "options.enable_thinking: expected true or false, found \"yes\"");
    EXPECT_EQ(error("[]"), "options: expected an object, found an array");
}

}  // namespace
}  // namespace facet
