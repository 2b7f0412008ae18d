// What the endpoints read out of a request, and how they refuse one. Whole conversations with real
// clients are in tests/clients.
#include <gtest/gtest.h>

#include "endpoints/api_errors.h"
#include "endpoints/chat_completions.h"
#include "endpoints/completions.h"
#include "endpoints/messages.h"
#include "endpoints/metrics_text.h"
#include "endpoints/responses.h"
#include "tests/edited_model.h"

namespace facet::endpoints {
namespace {

class Endpoints : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        model_ = new api::Model(kDemoModel, {.vocab_only = true});
        served_ = new ServedModel{*model_, "demo", 0, 8192, true, "test"};
    }
    static void TearDownTestSuite() {
        delete served_;
        delete model_;
    }

    using Read = Result<ReplyCallRequest> (*)(const ServedModel&, std::string_view);
    static Json engine_request(Read read, std::string_view body) {
        const auto call = read(*served_, body);
        EXPECT_TRUE(call.ok()) << call.error().message;
        return call.ok() ? Json::parse(call.value().replies.front().request).take() : Json();
    }
    static std::string refusal(Read read, std::string_view body) {
        const auto call = read(*served_, body);
        return call.ok() ? "accepted" : call.error().message;
    }

    static api::Model* model_;
    static ServedModel* served_;
};
api::Model* Endpoints::model_ = nullptr;
ServedModel* Endpoints::served_ = nullptr;

TEST_F(Endpoints, AChatCompletionKeepsWhatTheEngineReads) {
    const Json request = engine_request(
        chat_completion_call,
        R"({"model": "any", "messages": [{"role": "user", "content": "Hi"}], "logprobs": true,
        "top_logprobs": 2, "regex": "a", "reasoning_effort": "none", "unknown": 1, "stop": null})");
    EXPECT_EQ(request.dump(),
              R"({"messages":[{"role":"user","content":"Hi"}],"regex":"a","logprobs":2,)"
              R"("options":{"enable_thinking":false}})");
}

TEST_F(Endpoints, ChoicesHaveSeedsOfTheirOwn) {
    const auto call = chat_completion_call(
        *served_, R"({"messages": [{"role": "user", "content": "Hi"}], "n": 3, "seed": 5})");
    ASSERT_EQ(call.value().replies.size(), 3u);
    EXPECT_EQ(call.value().replies[2].options.seed, 7);
}

TEST_F(Endpoints, AFieldThatIsWrongIsNamed) {
    const std::string hello = R"("messages": [{"role": "user", "content": "Hi"}], )";
    for (const auto& [members, field] : std::vector<std::pair<std::string, std::string_view>>{
             {R"("n": 17)", "n"},
             {R"("n": 1.5)", "n"},
             {R"("top_p": 2)", "top_p"},
             {R"("stream": "yes")", "stream"},
             {R"("stop": [1])", "stop"},
             {R"("logit_bias": {"x": 1})", "logit_bias"},
             {R"("max_tokens": 0)", "max_tokens"},
             {R"("top_logprobs": 1)", "top_logprobs"},
             {R"("modalities": ["audio"])", "modalities"},
             {R"("functions": [{}])", "functions"},
             {R"("reasoning_effort": "extreme")", "reasoning_effort"},
             {R"("chat_template_kwargs": {"enable_thinking": "on"})", "enable_thinking"},
             {R"("stream_options": {})", "stream_options"}}) {
        const std::string message = refusal(chat_completion_call, "{" + hello + members + "}");
        EXPECT_EQ(named_field(message), field) << message;
    }
    EXPECT_EQ(named_field(refusal(chat_completion_call, "{}")), "messages");
    EXPECT_EQ(named_field(refusal(completion_call, R"({"prompt": {}})")), "prompt");
    EXPECT_EQ(named_field(refusal(completion_call, R"({"prompt": "a", "echo": true})")), "echo");
    EXPECT_EQ(named_field(refusal(response_call, R"({"input": "a", "background": true})")),
              "background");
    EXPECT_EQ(named_field(refusal(message_call, R"({"messages": []})")), "max_tokens");
}

TEST_F(Endpoints, WhatIsNoJsonObjectIsRefused) {
    for (const Read read : {chat_completion_call, completion_call, message_call, response_call}) {
        for (const char* body : {"", "[]", "{", "nul", "\xff", "{} {}"})
            EXPECT_NE(refusal(read, body), "accepted") << body;
        EXPECT_NE(refusal(read, std::string(100'000, '[')), "accepted");
    }
}

TEST_F(Endpoints, AnthropicsBlocksBecomeMessages) {
    const Json request = engine_request(message_call, R"({"max_tokens": 9, "system":
        [{"type": "text", "text": "Be kind."}], "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": ""},
            {"type": "text", "text": "Wait"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content":
            [{"type": "text", "text": "42"}]}, {"type": "text", "text": "Go on"}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}})");
    EXPECT_EQ(request.find("messages")->dump(),
              R"([{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"},)"
              R"({"role":"assistant","content":"Wait","reasoning_content":"Hm","tool_calls":)"
              R"([{"id":"t1","type":"function","function":{"name":"f","arguments":{"a":1}}}]},)"
              R"({"role":"tool","content":"42","tool_call_id":"t1"},)"
              R"({"role":"user","content":"Go on"}])");
    EXPECT_EQ(request.find("tools")->dump(), R"([{"type":"function","function":{"name":"f",)"
                                             R"("parameters":{"type":"object"}}}])");
    EXPECT_EQ(request.find("tool_choice")->text, "required");
    EXPECT_FALSE(request.find("parallel_tool_calls")->boolean);
    EXPECT_TRUE(refusal(message_call, R"({"max_tokens": 9, "messages": [{"role": "user",
        "content": [{"type": "image", "source": {}}]}]})")
                    .starts_with("messages[0].content: "));
}

TEST_F(Endpoints, ItemsOfAResponseBecomeMessages) {
    const Json request = engine_request(response_call, R"({"instructions": "Be kind.", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": "2"}]})");
    const std::vector<Json>& messages = request.find("messages")->items;
    ASSERT_EQ(messages.size(), 5u);
    EXPECT_EQ(messages[2].find("tool_calls")->items.size(), 2u);
    EXPECT_EQ(messages[2].find("reasoning_content")->text, "Hm");
    EXPECT_EQ(messages[4].find("tool_call_id")->text, "c2");
}

TEST_F(Endpoints, TokensAreCountedAsTheyWouldBeRead) {
    const auto one = count_tokens(*served_, R"({"messages": [{"role": "user", "content": "a"}]})");
    const auto more =
        count_tokens(*served_, R"({"messages": [{"role": "user", "content": "a b c d e"}]})");
    ASSERT_TRUE(one.ok() && more.ok());
    EXPECT_LT(one.value().find("input_tokens")->to_integer().value(),
              more.value().find("input_tokens")->to_integer().value());
}

TEST(ApiErrors, OnlyAFieldAtTheBeginningIsNamed) {
    EXPECT_EQ(named_field("response_format.json_schema.schema: no"),
              "response_format.json_schema.schema");
    EXPECT_EQ(named_field("messages[3].content: no"), "messages[3].content");
    for (const char* text : {"", "the body is no JSON: no", ": no", "n:no", "Temperature: no"})
        EXPECT_EQ(named_field(text), "") << text;
    EXPECT_EQ(error_answer({ErrorKind::kBusy, "full"}).status, 429);
    EXPECT_EQ(error_answer({ErrorKind::kUnsupported, "no"}).status, 400);
}

TEST(MetricsText, HistogramsAddUp) {
    CallMetrics calls;
    for (const double seconds : {0.0004, 0.003, 0.003, 7.0, 5000.0}) calls.request.note(seconds);
    const serve::ServerCounters server;
    const std::string text =
        metrics_text(Json::parse(R"({"requests": 3, "running": 1})").take(), server, calls);
    EXPECT_NE(text.find("facet_replies_total 3\n"), std::string::npos);
    EXPECT_NE(text.find("# TYPE facet_replies_running gauge\n"), std::string::npos);
    EXPECT_NE(text.find("facet_request_seconds_bucket{le=\"0.005\"} 3\n"), std::string::npos);
    EXPECT_NE(text.find("facet_request_seconds_bucket{le=\"+Inf\"} 5\n"), std::string::npos);
    EXPECT_NE(text.find("facet_request_seconds_count 5\n"), std::string::npos);
}

}  // namespace
}  // namespace facet::endpoints
