// A conversation of 3,000 tokens that is edited in its middle, branched, and taken up after a
// restart: what is computed again, and that the answers are those of a fresh start.
//
// FACET_REUSE_MODEL=FILE runs it on another model file than the demo.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "engine/engine.h"
#include "engine/plumbing.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

// What may be computed again beside new text: one window.
constexpr int32_t kWindow = 1024;

std::string model_path() {
    const char* path = std::getenv("FACET_REUSE_MODEL");
    return path != nullptr ? path : kDemoModel;
}

struct Answer {
    std::vector<int32_t> prompt, ids;
    std::string text;
    Usage usage;

    int32_t computed() const { return usage.prompt_tokens - usage.cached_tokens; }
};

class ConversationReuse : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::path(::testing::TempDir()) / fmt::format("facet_reuse_{}", ::getpid());
        std::filesystem::remove_all(folder_);
        open();
        for (int turn = 0;; ++turn) {
            add("user",
                fmt::format("What is {} plus {}? Tell me a story about a happy pig, a green "
                            "hill and {} red apples.",
                            turn, turn + 3, turn + 2));
            const Answer so_far = rendered();
            if (so_far.prompt.size() > 3000) break;
            add("assistant",
                fmt::format(
                    "{} + {} = {}. There once was a happy pig, and his home was near a green "
                    "hill with {} red apples. He worked all day long.",
                    turn, turn + 3, 2 * turn + 3, turn + 2));
        }
    }
    void TearDown() override {
        engine_.reset();
        std::filesystem::remove_all(folder_);
    }

    void open() {
        engine_.reset();
        EngineOptions options;
        options.memory.context = 4096;
        options.cache.folder = folder_.string();
        auto engine = Engine::open(model_path(), options);
        ASSERT_TRUE(engine.ok()) << engine.error().message;
        engine_ = engine.take();
    }

    void add(const char* role, const std::string& content) {
        messages_.push(
            Json::object().set("role", Json::of(role)).set("content", Json::of(content)));
    }
    Json& content(size_t message) { return messages_.items[message].members[1].second; }

    Answer rendered() {
        Json request = Json::object();
        request.set("messages", messages_);
        Answer answer;
        answer.prompt =
            render_request(engine_->model(), request, &engine_->reply_memory()).take().ids;
        return answer;
    }

    static void reply(Engine& engine, Answer& answer) {
        ReplyRequest request;
        request.prompt = answer.prompt;
        request.options.sampling.temperature = 0;
        request.options.max_tokens = 40;
        const Status status = engine.scheduler().take()->reply(
            request,
            [&](const GenerationEvent& event) {
                if (event.kind == GenerationEvent::Kind::kText) answer.text += event.text;
                if (event.kind == GenerationEvent::Kind::kEnd) answer.usage = event.usage;
                return true;
            },
            &answer.ids);
        EXPECT_TRUE(status.ok()) << status.error().message;
    }

    Answer ask() {
        Answer answer = rendered();
        reply(*engine_, answer);
        return answer;
    }

    // Asks, and compares with an engine that knows nothing.
    Answer ask_and_compare() {
        Answer answer = ask();
        {
            const std::lock_guard lock(engine_->device_mutex());
            engine_->tree().clear();
        }
        engine_.reset();
        EngineOptions options;
        options.memory.context = 4096;
        const auto fresh = Engine::open(model_path(), options).take();
        Answer alone;
        alone.prompt = answer.prompt;
        reply(*fresh, alone);
        EXPECT_EQ(alone.usage.cached_tokens, 0);
        EXPECT_EQ(answer.ids, alone.ids);
        return answer;
    }

    static int32_t common(const Answer& a, const Answer& b) {
        const auto [one, other] =
            std::mismatch(a.prompt.begin(), a.prompt.end(), b.prompt.begin(), b.prompt.end());
        return static_cast<int32_t>(one - a.prompt.begin());
    }

    void report(const char* what, const Answer& answer, int32_t fresh) const {
        std::printf("%s: %d of %d prompt tokens computed, %d of them new\n", what,
                    answer.computed(), answer.usage.prompt_tokens, fresh);
        EXPECT_LE(answer.computed(), fresh + kWindow);
        EXPECT_LT(answer.computed(), answer.usage.prompt_tokens);
    }

    std::filesystem::path folder_;
    std::shared_ptr<Engine> engine_;
    Json messages_ = Json::array();
};

TEST_F(ConversationReuse, AnEditInTheMiddleKeepsWhatIsBeforeIt) {
    const Answer first = ask();
    content(messages_.items.size() / 2) = Json::of("What is 1 plus 1? No story, please.");
    const Answer edited = ask_and_compare();
    report("edit", edited, edited.usage.prompt_tokens - common(first, edited));
}

TEST_F(ConversationReuse, ABranchAtTheEndReadsTheLastMessageOnly) {
    const Answer first = ask();
    content(messages_.items.size() - 1) = Json::of("Name three gems.");
    const Answer branch = ask_and_compare();
    const int32_t fresh = branch.usage.prompt_tokens - common(first, branch);
    report("branch", branch, fresh);
    EXPECT_LT(branch.computed(), 100);
}

TEST_F(ConversationReuse, AfterARestartTheNextTurnReadsTheNewTextOnly) {
    const Answer first = ask();
    open();
    add("assistant", first.text);
    add("user", "And what is 5 plus 6?");
    const Answer next = ask_and_compare();
    report("restart", next, next.usage.prompt_tokens - first.usage.prompt_tokens);
}

}  // namespace
}  // namespace facet
