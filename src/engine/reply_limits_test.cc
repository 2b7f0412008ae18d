// What a request may demand of a reply, seen through the public API on the demo model.
#include <facet/facet.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

struct Seen {
    std::string thought, text, error;
    std::vector<Json> calls, logprobs;
    facet_finish finish = FACET_FINISH_STOP;
    facet_status status = FACET_OK;
};

int note(const facet_event* event, void* user) {
    Seen& seen = *static_cast<Seen*>(user);
    const std::string text(event->text != nullptr ? event->text : "", event->text_bytes);
    if (event->kind == FACET_EVENT_THOUGHT) seen.thought += text;
    if (event->kind == FACET_EVENT_THOUGHT_RETRACTED) seen.thought.clear();
    if (event->kind == FACET_EVENT_TEXT) seen.text += text;
    if (event->kind == FACET_EVENT_TOOL_CALL) seen.calls.push_back(Json::parse(text).take());
    if (event->kind == FACET_EVENT_LOGPROBS) seen.logprobs.push_back(Json::parse(text).take());
    if (event->kind == FACET_EVENT_END) seen.finish = event->finish;
    return 0;
}

constexpr const char* kHello = R"("messages": [{"role": "user", "content": "What is 7 plus 5?"}])";
constexpr const char* kReadFile = R"("messages": [{"role": "user",
    "content": "Please read the file index.py."}])";
constexpr const char* kTools = R"("tools": [
    {"type": "function", "function": {"name": "read_file", "description": "Reads a file.",
     "parameters": {"type": "object", "properties": {"path": {"type": "string"}},
                    "required": ["path"]}}},
    {"type": "function", "function": {"name": "set_light", "strict": true,
     "parameters": {"type": "object", "properties": {"level": {"type": "integer", "minimum": 0,
                    "maximum": 9}, "room": {"enum": ["kitchen", "hall"]}},
                    "required": ["level", "room"], "additionalProperties": false}}}])";

class ReplyLimits : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        ASSERT_EQ(facet_model_open(kDemoModel, nullptr, &model_), FACET_OK) << facet_last_error();
    }
    static void TearDownTestSuite() { facet_model_close(model_); }

    // members: of the request, in JSON.
    Seen ask(const std::string& members) {
        Seen seen;
        facet_session* session = nullptr;
        EXPECT_EQ(facet_session_create(model_, nullptr, &session), FACET_OK);
        seen.status =
            facet_session_chat(session, ("{" + members + "}").c_str(), &options_, note, &seen);
        if (seen.status != FACET_OK) seen.error = facet_last_error();
        facet_session_destroy(session);
        return seen;
    }
    Seen ask(const char* what, const std::string& members) {
        return ask(std::string(what) + ", " + members);
    }

    static facet_model* model_;
    facet_generation_options options_ = [] {
        facet_generation_options options = facet_generation_options_default();
        options.temperature = 0;
        options.max_tokens = 200;
        options.seed = 1;
        return options;
    }();
};
facet_model* ReplyLimits::model_ = nullptr;

TEST_F(ReplyLimits, ARegularExpressionIsMatchedAsAWhole) {
    for (const float temperature : {0.0f, 1.5f}) {
        options_.temperature = temperature;
        const Seen seen = ask(kHello, R"("regex": "[0-9]{3}-[a-f]{2}")");
        ASSERT_EQ(seen.status, FACET_OK) << seen.error;
        EXPECT_TRUE(std::regex_match(seen.text, std::regex("[0-9]{3}-[a-f]{2}"))) << seen.text;
        EXPECT_EQ(seen.finish, FACET_FINISH_STOP);
    }
}

TEST_F(ReplyLimits, OneOfTheChoicesIsTheAnswer) {
    for (int seed = 0; seed < 8; ++seed) {
        options_.temperature = 2;
        options_.seed = seed;
        const Seen seen = ask(kHello, R"("choice": ["yes", "no", "perhaps not"])");
        ASSERT_EQ(seen.status, FACET_OK) << seen.error;
        EXPECT_TRUE(seen.text == "yes" || seen.text == "no" || seen.text == "perhaps not")
            << seen.text;
    }
}

TEST_F(ReplyLimits, AGbnfGrammarIsFollowed) {
    const Seen seen = ask(kHello, R"("grammar": "root ::= \"<\" [a-z]+ \">\"")");
    ASSERT_EQ(seen.status, FACET_OK) << seen.error;
    if (seen.finish == FACET_FINISH_STOP) {
        EXPECT_TRUE(std::regex_match(seen.text, std::regex("<[a-z]+>"))) << seen.text;
    }
    EXPECT_TRUE(seen.text.starts_with("<")) << seen.text;
}

TEST_F(ReplyLimits, ASchemaIsKeptAfterAFreeThought) {
    const Seen seen = ask(
        kHello, R"("options": {"enable_thinking": true}, "response_format": {"type": "json_schema",
        "json_schema": {"schema": {"type": "object", "properties": {"sum": {"type": "integer",
        "minimum": 0, "maximum": 99}, "sure": {"type": "boolean"}}, "required": ["sum", "sure"],
        "additionalProperties": false}}})");
    ASSERT_EQ(seen.status, FACET_OK) << seen.error;
    EXPECT_FALSE(seen.thought.empty());
    auto answer = Json::parse(seen.text);
    ASSERT_TRUE(answer.ok()) << seen.text;
    ASSERT_TRUE(answer.value().find("sum") != nullptr) << seen.text;
    EXPECT_TRUE(answer.value().find("sum")->to_integer().ok());
    EXPECT_TRUE(answer.value().find("sure")->is_bool());
}

TEST_F(ReplyLimits, WithoutThinkingThereIsNoThoughtBeforeAnAnswerOfGivenForm) {
    const Seen seen = ask(kHello, R"("response_format": {"type": "json_object"})");
    ASSERT_EQ(seen.status, FACET_OK) << seen.error;
    EXPECT_TRUE(seen.thought.empty());
    EXPECT_TRUE(seen.text.starts_with("{")) << seen.text;
}

TEST_F(ReplyLimits, ARequiredCallComesWhateverWasAsked) {
    for (const bool thinks : {false, true}) {
        const Seen seen = ask(kHello, std::string(kTools) +
                                          R"(, "tool_choice": "required", "options":
                {"enable_thinking": )" + (thinks ? "true}" : "false}"));
        ASSERT_EQ(seen.status, FACET_OK) << seen.error;
        ASSERT_FALSE(seen.calls.empty()) << seen.text;
        EXPECT_EQ(seen.finish, FACET_FINISH_TOOL_CALLS);
        EXPECT_TRUE(seen.text.empty()) << seen.text;
    }
}

TEST_F(ReplyLimits, ANamedToolIsTheOneThatIsCalledAndItsStrictSchemaIsKept) {
    for (int seed = 0; seed < 8; ++seed) {
        options_.temperature = 1.5f;
        options_.seed = seed;
        const Seen seen = ask(kReadFile, std::string(kTools) + R"(, "parallel_tool_calls": false,
            "tool_choice": {"type": "function", "function": {"name": "set_light"}})");
        ASSERT_EQ(seen.status, FACET_OK) << seen.error;
        ASSERT_EQ(seen.calls.size(), 1u) << seen.text;
        EXPECT_EQ(seen.calls[0].find("name")->text, "set_light");
        const Json& arguments = *seen.calls[0].find("arguments");
        EXPECT_EQ(arguments.members.size(), 2u) << arguments.dump();
        const auto level = arguments.find("level")->to_integer();
        ASSERT_TRUE(level.ok()) << arguments.dump();
        EXPECT_TRUE(level.value() >= 0 && level.value() <= 9) << arguments.dump();
        const std::string room = arguments.find("room")->text;
        EXPECT_TRUE(room == "kitchen" || room == "hall") << room;
    }
}

TEST_F(ReplyLimits, NoneMeansNoCall) {
    const Seen free = ask(kReadFile, kTools);
    ASSERT_EQ(free.calls.size(), 1u) << free.text;
    EXPECT_EQ(free.calls[0].find("name")->text, "read_file");
    const Seen none = ask(kReadFile, std::string(kTools) + R"(, "tool_choice": "none")");
    ASSERT_EQ(none.status, FACET_OK) << none.error;
    EXPECT_TRUE(none.calls.empty());
    EXPECT_FALSE(none.text.empty());
}

TEST_F(ReplyLimits, APromptIsContinuedUnderItsGrammar) {
    const Seen seen = ask(R"("prompt": "The sum is", "regex": " [0-9]{2}\\.")");
    ASSERT_EQ(seen.status, FACET_OK) << seen.error;
    EXPECT_TRUE(std::regex_match(seen.text, std::regex(" [0-9]{2}\\."))) << seen.text;
    const Seen ids = ask(R"("prompt": [2, 5, 7], "choice": ["a"])");
    ASSERT_EQ(ids.status, FACET_OK) << ids.error;
    EXPECT_EQ(ids.text, "a");
}

TEST_F(ReplyLimits, WhatIsNotPossibleNamesTheMember) {
    const std::pair<std::string, std::string> cases[] = {
        {R"("regex": "(")", "regex: "},
        {R"("grammar": "root ::= undefined")", "grammar: "},
        {R"("choice": [])", "choice: "},
        {R"("choice": ["a", 1])", "choice: "},
        {R"("choice": "a")", "choice: "},
        {R"("regex": "a", "choice": ["a"])", "choice: not together with regex"},
        {R"("response_format": {"type": "xml"})", "response_format.type: "},
        {R"("response_format": {"type": "json_schema"})", "response_format.json_schema.schema: "},
        {R"("response_format": {"type": "json_schema", "json_schema": {"schema":
            {"type": "object", "unevaluatedProperties": {"$dynamicRef": "#x"}}}})",
         "response_format.json_schema.schema: "},
        {R"("tool_choice": "required")", "tool_choice: "},
        {R"("tool_choice": "sometimes")", "tool_choice: "},
        {std::string(kTools) + R"(, "tool_choice": {"type": "function", "function":
            {"name": "no_such"}})",
         "tool_choice: "},
        {std::string(kTools) + R"(, "parallel_tool_calls": 1)", "parallel_tool_calls: "},
        {R"("logprobs": 21)", "logprobs: "},
        {R"("prompt": "a")", "prompt: not together with messages"},
    };
    for (const auto& [members, start] : cases) {
        const Seen seen = ask(kHello, members);
        EXPECT_TRUE(seen.status == FACET_ERROR_INVALID || seen.status == FACET_ERROR_UNSUPPORTED)
            << members;
        EXPECT_TRUE(seen.error.starts_with(start)) << members << " gave: " << seen.error;
    }
    EXPECT_TRUE(ask(R"("prompt": [-1])").error.starts_with("prompt: "));
}

// Log probabilities do not change the reply, belong to its tokens, and are of a distribution.
TEST_F(ReplyLimits, LogProbabilitiesComeForEachTokenOfTheAnswer) {
    const Seen plain = ask(kHello);
    const Seen seen = ask(kHello, R"("logprobs": 4)");
    ASSERT_EQ(seen.status, FACET_OK) << seen.error;
    EXPECT_EQ(seen.text, plain.text);
    std::string text;
    for (const Json& token : seen.logprobs) {
        text += token.find("token")->text;
        const double logprob = token.find("logprob")->to_double().take();
        EXPECT_LE(logprob, 0);
        const Json& top = *token.find("top_logprobs");
        ASSERT_EQ(top.items.size(), 4u);
        double share = 0, before = 0;
        for (const Json& other : top.items) {
            const double value = other.find("logprob")->to_double().take();
            EXPECT_LE(value, before);
            before = value;
            share += std::exp(value);
        }
        EXPECT_LE(share, 1.0001);
        EXPECT_EQ(top.items[0].find("token")->text, token.find("token")->text);  // greedy
        EXPECT_EQ(token.find("bytes")->items.size(), token.find("token")->text.size());
    }
    EXPECT_EQ(text, seen.text);
    EXPECT_TRUE(plain.logprobs.empty());
}

TEST_F(ReplyLimits, TheSameReplyComesFromAListOfLogitsAndFromAll) {
    const std::string limits = R"("regex": "[a-z ]{1,12}\\.")";
    options_.temperature = 1;
    for (int seed = 0; seed < 4; ++seed) {
        options_.seed = seed;
        options_.top_k = 40;
        const Seen list = ask(kHello, limits);
        const Seen all = ask(kHello, limits + R"(, "logprobs": 0)");
        EXPECT_EQ(list.text, all.text);
    }
}

}  // namespace
}  // namespace facet
