// The C++ face of the C API (include/facet/facet.hpp): errors, ownership, callbacks that throw. In
// a file that also sees the engine's own namespace.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/json.h"
#include "facet/facet.hpp"
#include "tests/edited_model.h"

namespace facet {
namespace {

const std::string kSum = api::chat_request({{"user", "What is 7 plus 5?"}});
const std::string kStory = api::chat_request({{"user", "Tell me a story."}});
const api::GenerationOptions kGreedy{.temperature = 0.0f};

// The status of the Error that a call throws, FACET_OK if none; `sentence` is what it must name.
template <typename Call>
facet_status error_of(const Call& call, const std::string& sentence) {
    try {
        call();
    } catch (const api::Error& error) {
        EXPECT_NE(std::string(error.what()).find(sentence), std::string::npos) << error.what();
        return error.status();
    }
    return FACET_OK;
}

static_assert(!std::is_copy_constructible_v<api::Model> &&
              std::is_nothrow_move_constructible_v<api::Model>);
static_assert(!std::is_copy_constructible_v<api::Session> &&
              std::is_nothrow_move_assignable_v<api::Session>);
static_assert(!std::is_copy_constructible_v<api::Request> &&
              std::is_nothrow_move_assignable_v<api::Request>);

TEST(CppApi, APlanIsKnownBeforeAModelIsOpen) {
    const Json plan = Json::parse(api::Model::plan(kDemoModel, {.context = 1024})).take();
    EXPECT_EQ(plan.find("context")->to_integer().take(), 1024);
    const api::Model model(kDemoModel, {.context = 1024});
    const Json info = Json::parse(model.info()).take();
    EXPECT_EQ(info.find("memory_plan")->find("weights_bytes")->dump(),
              plan.find("weights_bytes")->dump());
    EXPECT_EQ(info.find("vocabulary")->to_integer().take(), model.vocabulary_size());
}

TEST(CppApi, ErrorsCarryStatusAndSentence) {
    EXPECT_EQ(error_of([] { api::Model("/nonexistent.gguf"); }, "/nonexistent.gguf"),
              FACET_ERROR_NOT_FOUND);
    EXPECT_EQ(error_of([] { api::Model::plan("/nonexistent.gguf"); }, "/nonexistent.gguf"),
              FACET_ERROR_NOT_FOUND);
    EXPECT_EQ(error_of([] { api::Model(kDemoModel, {.device = "abacus"}); }, "abacus"),
              FACET_ERROR_UNSUPPORTED);
    api::Model model(kDemoModel);
    api::Session session(model);
    EXPECT_EQ(error_of([&] { session.chat("{}"); }, "messages"), FACET_ERROR_INVALID);
    EXPECT_EQ(error_of([&] { model.start(kSum, {.top_p = 2.0f}); }, "top_p"), FACET_ERROR_INVALID);
    EXPECT_EQ(error_of([&] { api::Session(model, {.context = 1 << 23}); }, "context"),
              FACET_ERROR_INVALID);
}

TEST(CppApi, ASessionAnswersAndCounts) {
    api::Model model(kDemoModel);
    api::Session session(model);
    std::string streamed;
    int ends = 0;
    const api::Reply reply = session.chat(kSum, kGreedy, [&](const api::Event& event) {
        if (event.kind == FACET_EVENT_TEXT) streamed += event.text;
        if (event.kind == FACET_EVENT_END) ++ends;
        return true;
    });
    EXPECT_EQ(reply.text, "7 + 5 = 12.");
    EXPECT_EQ(streamed, reply.text);
    EXPECT_EQ(ends, 1);
    EXPECT_EQ(reply.finish, FACET_FINISH_STOP);
    EXPECT_GT(reply.usage.completion_tokens, 5);
    EXPECT_EQ(session.chat(kSum, {.temperature = 0.0f, .stop = {"= "}}).text, "7 + 5 ");
    EXPECT_EQ(session.chat(kSum, {.max_tokens = 1}).finish, FACET_FINISH_LENGTH);
}

TEST(CppApi, ToolCallsAreCollected) {
    api::Model model(kDemoModel);
    const api::Reply reply = api::Session(model).chat(
        R"({"messages": [{"role": "user", "content": "What is the weather in Paris?"}],
            "tools": [{"type": "function", "function": {"name": "get_weather",
                       "description": "The weather in a city.", "parameters": {"type": "object",
                       "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]})",
        kGreedy);
    ASSERT_EQ(reply.tool_calls.size(), 1u) << reply.text;
    EXPECT_EQ(Json::parse(reply.tool_calls[0]).take().find("name")->text, "get_weather");
    EXPECT_EQ(reply.finish, FACET_FINISH_TOOL_CALLS);
}

TEST(CppApi, TextGoesThereAndBack) {
    const api::Model model(kDemoModel, {.vocab_only = true});
    const std::string text = std::string("\"Hello\" <turn|>\n w\xc3\xb6rld") + '\0' + "\\";
    EXPECT_EQ(model.detokenize(model.tokenize(text), true), text);
    EXPECT_EQ(model.tokenize("<turn|>", true).size(), 1u);
    EXPECT_EQ(model.detokenize({}), "");
    const Json parsed = Json::parse(api::json_text(text)).take();
    EXPECT_EQ(parsed.text, text);
}

TEST(CppApi, GenerateContinuesIdsAndLogitsAgree) {
    api::Model model(kDemoModel);
    api::Session session(model);
    const std::vector<int32_t> ids = model.tokenize("<bos>The capital of", true);
    const api::Reply reply = session.generate(ids, {.temperature = 0.0f, .max_tokens = 3});
    ASSERT_EQ(reply.ids.size(), 3u);
    const std::vector<int32_t> last = {static_cast<int32_t>(ids.size()) - 1};
    const std::vector<float> logits = session.logits(ids, last);
    ASSERT_EQ(logits.size(), static_cast<size_t>(model.vocabulary_size()));
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(best, reply.ids[0]);
}

TEST(CppApi, RequestsRunSideBySideAndOutliveTheirModel) {
    std::vector<api::Request> requests;
    {
        api::Model model(kDemoModel);
        for (int i = 0; i < 4; ++i) requests.push_back(model.start(kSum, kGreedy));
    }
    for (const api::Request& request : requests) EXPECT_EQ(request.wait().text, "7 + 5 = 12.");
    EXPECT_EQ(requests[0].wait().text, "7 + 5 = 12.") << "a second time";
}

TEST(CppApi, ARequestCanBeCancelledByItsHandleItsHandlerAndItsDestructor) {
    api::Model model(kDemoModel);
    std::atomic<int> texts = 0;
    // Ends of turns are forbidden, so that only a cancel ends it before the context does.
    const api::GenerationOptions endless{
        .temperature = 0.0f, .logit_bias = {{1, -100}, {49, -100}, {57, -100}, {58, -100}}};
    const auto count = [&](const api::Event& event) {
        if (event.kind == FACET_EVENT_TEXT) ++texts;
        return true;
    };
    api::Request request = model.start(kStory, endless, count);
    while (texts < 3) std::this_thread::yield();
    request.cancel();
    EXPECT_EQ(request.wait().finish, FACET_FINISH_CANCELLED);
    EXPECT_EQ(model.start(kStory, endless, [](const api::Event&) { return false; }).wait().finish,
              FACET_FINISH_CANCELLED);
    request = model.start(kStory, endless, count);
    request = model.start(kSum, kGreedy);  // ends the one before
    EXPECT_EQ(request.wait().text, "7 + 5 = 12.");
}

TEST(CppApi, AnotherThreadCancelsASession) {
    api::Model model(kDemoModel);
    api::Session session(model);
    std::atomic<int> events = 0;
    std::thread canceller([&] {
        while (events < 5) std::this_thread::yield();
        session.cancel();
    });
    const api::Reply reply = session.chat(
        kStory,
        {.temperature = 0.0f, .logit_bias = {{1, -100}, {49, -100}, {57, -100}, {58, -100}}},
        [&](const api::Event&) { return ++events > 0; });
    canceller.join();
    EXPECT_EQ(reply.finish, FACET_FINISH_CANCELLED);
}

TEST(CppApi, WhatCallbacksThrowComesOutOfTheCall) {
    const auto fail = [](const auto&...) -> bool { throw std::out_of_range("mine"); };
    EXPECT_THROW(api::Model(kDemoModel, {.on_load = fail}), std::out_of_range);
    EXPECT_EQ(
        error_of(
            [] { api::Model(kDemoModel, {.on_load = [](uint64_t, uint64_t) { return false; }}); },
            "cancelled"),
        FACET_ERROR_CANCELLED);
    api::Model model(kDemoModel);
    api::Session session(model);
    EXPECT_THROW(session.chat(kSum, {}, fail), std::out_of_range);
    const api::Request request = model.start(kSum, {}, fail);
    EXPECT_THROW(request.wait(), std::out_of_range);
    EXPECT_EQ(session.chat(kSum, kGreedy).text, "7 + 5 = 12.") << "the session goes on";
}

TEST(CppApi, MetricsCountRequests) {
    api::Model model(kDemoModel);
    api::Session(model).chat(kSum, kGreedy);
    const Json metrics = Json::parse(model.metrics()).take();
    EXPECT_EQ(metrics.find("requests")->to_integer().take(), 1);
}

}  // namespace
}  // namespace facet
