#include "engine/generation.h"

#include <gtest/gtest.h>

#include "engine/plumbing.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

struct Collected {
    std::string thought, text;
    std::vector<ToolCall> calls;
    Finish finish = Finish::kStop;
    Usage usage;
    std::vector<int32_t> ids;
    int ends = 0;
};

class Generation : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { model_ = LoadedModel::open(kDemoModel, {}).take(); }
    static void TearDownTestSuite() { model_.reset(); }

    void SetUp() override {
        session_ = Session::create(model_, 0).take();
        options_.sampling.temperature = 0;
        options_.max_tokens = 200;
    }

    // Answers a chat request; `stop_after` events cancels.
    Collected chat(const std::string& request, int stop_after = -1) {
        auto prompt = render_request(*model_, request).take();
        Collected collected;
        int events = 0;
        const Status status = generate(
            *session_, prompt.ids, options_, {true, &prompt.tools, prompt.rendered.opens_thought},
            [&](const GenerationEvent& event) {
                using Kind = GenerationEvent::Kind;
                if (event.kind == Kind::kThought) collected.thought += event.text;
                if (event.kind == Kind::kText) collected.text += event.text;
                if (event.kind == Kind::kToolCall) collected.calls.push_back(*event.call);
                if (event.kind == Kind::kEnd) {
                    ++collected.ends;
                    collected.finish = event.finish;
                    collected.usage = event.usage;
                }
                return event.kind == Kind::kProgress || ++events != stop_after;
            },
            &collected.ids);
        EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
        return collected;
    }

    static inline std::shared_ptr<LoadedModel> model_;
    std::unique_ptr<Session> session_;
    GenerationOptions options_;
};

constexpr char kSum[] = R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}]})";
constexpr char kThinkingSum[] =
    R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}], "options": {"enable_thinking": true}})";

TEST_F(Generation, AnswersASum) {
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.text, "7 + 5 = 12.");
    EXPECT_EQ(answer.finish, Finish::kStop);
    EXPECT_EQ(answer.ends, 1);
    EXPECT_EQ(answer.usage.cached_tokens, 0);
    EXPECT_EQ(answer.usage.completion_tokens, int32_t(answer.ids.size()));
}

TEST_F(Generation, ThoughtsAndAnswerArriveApart) {
    const Collected answer = chat(kThinkingSum);
    EXPECT_FALSE(answer.thought.empty());
    EXPECT_FALSE(answer.text.empty());
    EXPECT_GT(answer.usage.reasoning_tokens, 0);
    EXPECT_LT(answer.usage.reasoning_tokens, answer.usage.completion_tokens);
}

TEST_F(Generation, TheThinkingBudgetClosesTheThought) {
    const Collected free = chat(kThinkingSum);
    options_.thinking_budget = 4;
    const Collected held = chat(kThinkingSum);
    EXPECT_LT(held.usage.reasoning_tokens, free.usage.reasoning_tokens);
    EXPECT_LE(held.usage.reasoning_tokens, 4 + 2)
        << "the newline and the closing token are counted";
    EXPECT_FALSE(held.text.empty());
    EXPECT_EQ(free.thought.rfind(held.thought, 0), 0u) << "the thought is cut, not changed";
}

TEST_F(Generation, MaxTokensEndsWithLength) {
    options_.max_tokens = 3;
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.finish, Finish::kLength);
    EXPECT_EQ(answer.ids.size(), 3u);
}

TEST_F(Generation, AStopStringEndsTheTextBeforeIt) {
    options_.stop = {"= 1"};
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.text, "7 + 5 ");
    EXPECT_EQ(answer.finish, Finish::kStop);
}

TEST_F(Generation, TheCallbackCanCancelAndTheSessionGoesOn) {
    const Collected cancelled = chat(kSum, 1);
    EXPECT_EQ(cancelled.finish, Finish::kCancelled);
    EXPECT_EQ(cancelled.ends, 1);
    EXPECT_EQ(chat(kSum).text, "7 + 5 = 12.");
}

TEST_F(Generation, ASecondTurnReusesTheFirst) {
    const Collected first = chat(kSum);
    const Collected second = chat(
        R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}, {"role": "assistant", "content": "7 + 5 = 12."},
            {"role": "user", "content": "What is 3 plus 4?"}]})");
    // Up to where the first prompt opened its empty thought, which the history does not repeat.
    EXPECT_GE(second.usage.cached_tokens, first.usage.prompt_tokens - 5);
}

TEST_F(Generation, ToolCallsEndTheReply) {
    const Collected answer =
        chat(R"({"messages": [{"role": "user", "content": "Please read the file index.py."}],
        "tools": [{"type": "function", "function": {"name": "read_file", "description": "Read a file.", "parameters":
        {"type": "object", "properties": {"path": {"type": "string", "description": "File name"}}, "required": ["path"]}}}]})");
    ASSERT_EQ(answer.calls.size(), 1u);
    EXPECT_EQ(answer.calls[0].name, "read_file");
    EXPECT_EQ(answer.calls[0].arguments.dump(), R"({"path":"index.py"})");
    EXPECT_EQ(answer.finish, Finish::kToolCalls);
}

TEST_F(Generation, SameSeedSameTokens) {
    options_.sampling = {};
    options_.sampling.seed = 11;
    constexpr char kStory[] = R"({"messages": [{"role": "user", "content": "Tell me a story."}]})";
    const Collected one = chat(kStory), again = chat(kStory);
    EXPECT_EQ(one.ids, again.ids);
    options_.sampling.seed = 12;
    EXPECT_NE(chat(kStory).ids, one.ids);
}

TEST_F(Generation, APromptWithoutRoomIsRefused) {
    session_ = Session::create(model_, 10).take();
    const std::vector<int32_t> prompt(10, 2);
    const Status status = generate(
        *session_, prompt, options_, {}, [](const GenerationEvent&) { return true; }, nullptr);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("context of 10"), std::string::npos);
}

TEST_F(Generation, TheContextIsFilledToTheLastTokenAndNotBeyond) {
    session_ = Session::create(model_, 40).take();
    options_.max_tokens = 0;
    options_.sampling.logit_bias = {};
    for (const Special end :
         {Special::kEos, Special::kTurnEnd, Special::kToolResponseBegin, Special::kTurnBegin}) {
        options_.sampling.logit_bias.push_back(
            {model_->tokenizer().take()->vocabulary().id_of(end), -100});
    }
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.finish, Finish::kLength);
    EXPECT_EQ(answer.usage.prompt_tokens + answer.usage.completion_tokens, 40);
}

TEST(RepetitionGuard, SeesShortAndLongLoopsOnly) {
    std::vector<int32_t> ids;
    for (int i = 0; i < 32; ++i) ids.push_back(7);
    EXPECT_TRUE(repeats_itself(ids));
    ids.pop_back();
    EXPECT_FALSE(repeats_itself(ids)) << "31 equal tokens may be a line of dashes";
    ids.clear();
    for (int i = 0; i < 8 * 20; ++i) ids.push_back(i % 20);
    EXPECT_TRUE(repeats_itself(ids));
    ids[3] = 99;
    EXPECT_FALSE(repeats_itself(ids));
}

}  // namespace
}  // namespace facet
