#include "engine/engine.h"

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

class Replies : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { engine_ = Engine::open(kDemoModel, {}).take(); }
    static void TearDownTestSuite() { engine_.reset(); }

    void SetUp() override {
        {
            const std::lock_guard lock(engine_->device_mutex());
            engine_->tree().clear();
        }
        options_.sampling.temperature = 0;
        options_.max_tokens = 200;
    }

    // Answers a chat request; `stop_after` events cancels.
    Collected chat(const std::string& request, int stop_after = -1) {
        auto prompt =
            render_request(engine_->model(), parse_request(request).take(), nullptr).take();
        Collected collected;
        int events = 0;
        ReplyRequest wanted;
        wanted.prompt = prompt.ids;
        wanted.options = options_;
        wanted.format = {true, prompt.tools, prompt.opens_thought, {}};
        wanted.context = context_;
        const Status status = engine_->scheduler().take()->reply(
            std::move(wanted),
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

    static inline std::shared_ptr<Engine> engine_;
    GenerationOptions options_;
    int32_t context_ = 0;
};

constexpr char kSum[] = R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}]})";
constexpr char kThinkingSum[] =
    R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}], "options": {"enable_thinking": true}})";

TEST_F(Replies, AnswersASum) {
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.text, "7 + 5 = 12.");
    EXPECT_EQ(answer.finish, Finish::kStop);
    EXPECT_EQ(answer.ends, 1);
    EXPECT_EQ(answer.usage.cached_tokens, 0);
    EXPECT_EQ(answer.usage.completion_tokens, int32_t(answer.ids.size()));
}

TEST_F(Replies, ThoughtsAndAnswerArriveApart) {
    const Collected answer = chat(kThinkingSum);
    EXPECT_FALSE(answer.thought.empty());
    EXPECT_FALSE(answer.text.empty());
    EXPECT_GT(answer.usage.reasoning_tokens, 0);
    EXPECT_LT(answer.usage.reasoning_tokens, answer.usage.completion_tokens);
}

TEST_F(Replies, TheThinkingBudgetClosesTheThought) {
    const Collected free = chat(kThinkingSum);
    options_.thinking_budget = 4;
    const Collected held = chat(kThinkingSum);
    EXPECT_LT(held.usage.reasoning_tokens, free.usage.reasoning_tokens);
    EXPECT_LE(held.usage.reasoning_tokens, 4 + 2)
        << "the newline and the closing token are counted";
    EXPECT_FALSE(held.text.empty());
    EXPECT_EQ(free.thought.rfind(held.thought, 0), 0u) << "the thought is cut, not changed";
}

TEST_F(Replies, MaxTokensEndsWithLength) {
    options_.max_tokens = 3;
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.finish, Finish::kLength);
    EXPECT_EQ(answer.ids.size(), 3u);
}

TEST_F(Replies, AStopStringEndsTheTextBeforeIt) {
    options_.stop = {"= 1"};
    const Collected answer = chat(kSum);
    EXPECT_EQ(answer.text, "7 + 5 ");
    EXPECT_EQ(answer.finish, Finish::kStop);
}

TEST_F(Replies, TheCallbackCanCancelAndOthersGoOn) {
    const Collected cancelled = chat(kSum, 1);
    EXPECT_EQ(cancelled.finish, Finish::kCancelled);
    EXPECT_EQ(cancelled.ends, 1);
    EXPECT_EQ(chat(kSum).text, "7 + 5 = 12.");
}

TEST_F(Replies, ASecondTurnReusesTheFirst) {
    const Collected first = chat(kSum);
    const Collected second = chat(
        R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}, {"role": "assistant", "content": "7 + 5 = 12."},
            {"role": "user", "content": "What is 3 plus 4?"}]})");
    // Up to where the first prompt opened its empty thought, which the history does not repeat.
    EXPECT_GE(second.usage.cached_tokens, first.usage.prompt_tokens - 5);
}

TEST_F(Replies, ToolCallsEndTheReply) {
    const Collected answer =
        chat(R"({"messages": [{"role": "user", "content": "Please read the file index.py."}],
        "tools": [{"type": "function", "function": {"name": "read_file", "description": "Read a file.", "parameters":
        {"type": "object", "properties": {"path": {"type": "string", "description": "File name"}}, "required": ["path"]}}}]})");
    ASSERT_EQ(answer.calls.size(), 1u);
    EXPECT_EQ(answer.calls[0].name, "read_file");
    EXPECT_EQ(answer.calls[0].arguments.dump(), R"({"path":"index.py"})");
    EXPECT_EQ(answer.finish, Finish::kToolCalls);
}

TEST_F(Replies, SameSeedSameTokens) {
    options_.sampling = {};
    options_.sampling.seed = 11;
    constexpr char kStory[] = R"({"messages": [{"role": "user", "content": "Tell me a story."}]})";
    const Collected one = chat(kStory), again = chat(kStory);
    EXPECT_EQ(one.ids, again.ids);
    options_.sampling.seed = 12;
    EXPECT_NE(chat(kStory).ids, one.ids);
}

TEST_F(Replies, APromptWithoutRoomIsRefused) {
    ReplyRequest request;
    request.prompt.assign(10, 2);
    request.context = 10;
    const Status status = engine_->scheduler().take()->reply(
        request, [](const GenerationEvent&) { return true; }, nullptr);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("context of 10"), std::string::npos);
}

TEST_F(Replies, TheContextIsFilledToTheLastTokenAndNotBeyond) {
    context_ = 40;
    options_.max_tokens = 0;
    options_.sampling.logit_bias = {};
    for (const Special end : kReplyEnds) {
        options_.sampling.logit_bias.push_back(
            {engine_->model().tokenizer().take()->vocabulary().id_of(end), -100});
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
