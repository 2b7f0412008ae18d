#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "engine/engine.h"
#include "engine/plumbing.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

using Clock = std::chrono::steady_clock;

// A request that runs, and what became of it.
struct Running {
    std::mutex mutex;
    std::condition_variable wake;
    std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
    bool has_ended = false;
    Status status;
    std::vector<int32_t> ids;
    Finish finish = Finish::kStop;
    Usage usage;
    std::vector<Clock::time_point> progress, tokens;

    void wait() {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return has_ended; });
    }
    bool ended() {
        const std::lock_guard lock(mutex);
        return has_ended;
    }
};

EngineOptions engine_options(const SchedulerOptions& scheduler = {},
                             const MemoryWishes& memory = {}) {
    EngineOptions options;
    options.scheduler = scheduler;
    options.memory = memory;
    return options;
}

ReplyRequest plain(std::vector<int32_t> prompt, int32_t tokens, int64_t seed = -1) {
    ReplyRequest request;
    request.prompt = std::move(prompt);
    request.format.chat = false;
    request.options.max_tokens = tokens;
    request.options.sampling.temperature = seed < 0 ? 0.0f : 1.0f;
    request.options.sampling.seed = static_cast<uint64_t>(seed);
    return request;
}

std::shared_ptr<Running> start(Engine& engine, ReplyRequest request) {
    auto running = std::make_shared<Running>();
    request.cancelled = running->cancelled;
    request.sink = [running](const GenerationEvent& event) {
        const std::lock_guard lock(running->mutex);
        if (event.kind == GenerationEvent::Kind::kProgress)
            running->progress.push_back(Clock::now());
        if (event.kind == GenerationEvent::Kind::kText) running->tokens.push_back(Clock::now());
        if (event.kind == GenerationEvent::Kind::kEnd) {
            running->finish = event.finish;
            running->usage = event.usage;
        }
        return true;
    };
    request.done = [running](const Status& status, std::span<const int32_t> ids) {
        const std::lock_guard lock(running->mutex);
        running->status = status;
        running->ids.assign(ids.begin(), ids.end());
        running->has_ended = true;
        running->wake.notify_all();
    };
    const Status queued = engine.scheduler().take()->submit(std::move(request));
    if (!queued.ok()) {
        running->status = queued;
        running->has_ended = true;
    }
    return running;
}

// A reply to the same request on an engine that knows nothing and runs nothing else.
std::vector<int32_t> solo(const ReplyRequest& request) {
    static const auto engine = Engine::open(kDemoModel, engine_options()).take();
    {
        const std::lock_guard lock(engine->device_mutex());
        engine->tree().clear();
    }
    std::vector<int32_t> ids;
    EXPECT_TRUE(engine->scheduler()
                    .take()
                    ->reply(
                        request, [](const GenerationEvent&) { return true; }, &ids)
                    .ok());
    return ids;
}

std::vector<int32_t> random_prompt(size_t count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> ids = {2};
    while (ids.size() < count) ids.push_back(int32_t(600 + random() % 1000));
    return ids;
}

// End tokens forbidden, so that a reply has the length that was asked for.
void forbid_ends(const Engine& engine, ReplyRequest& request) {
    for (const Special end : kReplyEnds) {
        request.options.sampling.logit_bias.push_back(
            {engine.model().tokenizer().take()->vocabulary().id_of(end), -100});
    }
}

TEST(Scheduler, RepliesTogetherAreTheRepliesAlone) {
    const auto engine = Engine::open(kDemoModel, engine_options()).take();
    std::vector<ReplyRequest> requests;
    std::vector<std::shared_ptr<Running>> running;
    for (uint32_t i = 0; i < 12; ++i) {
        requests.push_back(plain(random_prompt(5 + 60 * i, i), 20 + int32_t(i), int64_t(i) - 3));
        running.push_back(start(*engine, requests.back()));
    }
    for (size_t i = 0; i < requests.size(); ++i) {
        running[i]->wait();
        ASSERT_TRUE(running[i]->status.ok()) << running[i]->status.error().message;
        EXPECT_EQ(running[i]->ids, solo(requests[i])) << i;
    }
    const SchedulerMetrics metrics = engine->scheduler().take()->metrics();
    EXPECT_EQ(metrics.finished, 12u);
    EXPECT_LT(metrics.steps, metrics.reply_tokens) << "several replies a step";
}

TEST(Scheduler, APromptThatIsReadAlreadyIsReadOnce) {
    const auto engine = Engine::open(kDemoModel, engine_options()).take();
    const auto prompt = random_prompt(900, 1);
    std::vector<std::shared_ptr<Running>> running;
    for (int64_t i = 0; i < 6; ++i) running.push_back(start(*engine, plain(prompt, 5, i)));
    for (const auto& each : running) each->wait();
    const SchedulerMetrics metrics = engine->scheduler().take()->metrics();
    EXPECT_LT(metrics.computed_tokens, 900u + 6 * 10);
    EXPECT_EQ(running[5]->usage.cached_tokens, 899);
    for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(running[size_t(i)]->ids, solo(plain(prompt, 5, i)));
}

TEST(Scheduler, AShortRequestBesideALongPromptIsAnsweredWithinThreeChunks) {
    const auto engine = Engine::open(kDemoModel, engine_options()).take();
    const auto long_one = start(*engine, plain(random_prompt(1900, 1), 3));
    while (long_one->progress.empty()) std::this_thread::yield();
    size_t before = 0;
    {
        const std::lock_guard lock(long_one->mutex);
        before = long_one->progress.size();
    }
    const auto short_one = start(*engine, plain(random_prompt(20, 2), 3));
    short_one->wait();
    size_t chunks = 0;
    {
        const std::lock_guard lock(long_one->mutex);
        for (const auto& at : long_one->progress) chunks += at < short_one->tokens.front();
    }
    EXPECT_LE(chunks - before, 3u);
    long_one->wait();
    EXPECT_EQ(long_one->ids, solo(plain(random_prompt(1900, 1), 3)));
}

TEST(Scheduler, WhenMemoryIsShortRepliesWaitAndComeOutTheSame) {
    // Room for one conversation of the whole context and little more.
    const auto plan = Engine::plan(kDemoModel, engine_options({}, {1024, 0})).take();
    const auto engine =
        Engine::open(kDemoModel, engine_options({}, {1024, plan.conversation.bytes() * 5 / 4}))
            .take();
    std::vector<ReplyRequest> requests;
    std::vector<std::shared_ptr<Running>> running;
    for (uint32_t i = 0; i < 8; ++i) {
        requests.push_back(plain(random_prompt(100, i), 500, i));
        forbid_ends(*engine, requests.back());
        running.push_back(start(*engine, requests.back()));
    }
    for (size_t i = 0; i < requests.size(); ++i) {
        running[i]->wait();
        ASSERT_TRUE(running[i]->status.ok()) << running[i]->status.error().message;
        EXPECT_EQ(running[i]->ids, solo(requests[i])) << i;
    }
    const SchedulerMetrics metrics = engine->scheduler().take()->metrics();
    EXPECT_GT(metrics.preempted, 0u);
    EXPECT_LE(metrics.kv_used_bytes, metrics.kv_budget_bytes);
}

TEST(Scheduler, HigherPrioritiesGoFirst) {
    SchedulerOptions one;
    one.parallel = 1;
    const auto engine = Engine::open(kDemoModel, engine_options(one)).take();
    ReplyRequest busy = plain(random_prompt(50, 0), 200);
    forbid_ends(*engine, busy);
    const auto first = start(*engine, busy);
    const auto low = start(*engine, plain(random_prompt(50, 1), 30));
    ReplyRequest urgent = plain(random_prompt(50, 2), 30);
    urgent.priority = 1;
    const auto high = start(*engine, urgent);
    high->wait();
    EXPECT_FALSE(low->ended());
    low->wait();
}

TEST(Scheduler, AFullQueueRefuses) {
    SchedulerOptions small;
    small.parallel = 1;
    small.queue = 2;
    const auto engine = Engine::open(kDemoModel, engine_options(small)).take();
    ReplyRequest busy = plain(random_prompt(50, 0), 400);
    forbid_ends(*engine, busy);
    std::vector<std::shared_ptr<Running>> running;
    for (int i = 0; i < 10; ++i) running.push_back(start(*engine, busy));
    int refused = 0;
    for (const auto& each : running) {
        if (each->ended() && !each->status.ok()) {
            EXPECT_EQ(each->status.error().kind, ErrorKind::kBusy);
            ++refused;
        }
        each->cancelled->store(true);
    }
    EXPECT_GE(refused, 6);
    for (const auto& each : running) each->wait();
}

TEST(Scheduler, CancelledAndLateRepliesEndAndOthersDoNotNotice) {
    const auto engine = Engine::open(kDemoModel, engine_options()).take();
    ReplyRequest request = plain(random_prompt(50, 0), 1500);
    forbid_ends(*engine, request);
    const auto cancelled = start(*engine, request);
    request.deadline_ms = 30;
    const auto late = start(*engine, request);
    const auto other = start(*engine, plain(random_prompt(70, 1), 40));
    while (true) {
        const std::lock_guard lock(cancelled->mutex);
        if (!cancelled->tokens.empty()) break;
    }
    cancelled->cancelled->store(true);
    for (const auto& each : {cancelled, late, other}) each->wait();
    EXPECT_EQ(cancelled->finish, Finish::kCancelled);
    EXPECT_EQ(late->finish, Finish::kDeadline);
    EXPECT_EQ(other->ids, solo(plain(random_prompt(70, 1), 40)));
}

TEST(Scheduler, ClosingTheEngineEndsWhatRuns) {
    auto engine = Engine::open(kDemoModel, engine_options()).take();
    ReplyRequest request = plain(random_prompt(50, 0), 1500);
    forbid_ends(*engine, request);
    const auto one = start(*engine, request), other = start(*engine, request);
    engine.reset();
    EXPECT_TRUE(one->ended() && other->ended());
    EXPECT_EQ(one->finish, Finish::kCancelled);
}

TEST(Scheduler, RefusesWhatCanNotBeComputed) {
    const auto engine = Engine::open(kDemoModel, engine_options()).take();
    EXPECT_FALSE(start(*engine, plain({}, 5))->status.ok());
    EXPECT_FALSE(start(*engine, plain({2, 1 << 30}, 5))->status.ok());
    ReplyRequest full = plain(random_prompt(100, 1), 5);
    full.context = 100;
    EXPECT_FALSE(start(*engine, full)->status.ok());
    ReplyRequest request = plain({2, 700}, 5);
    request.options.sampling.top_p = 7;
    EXPECT_FALSE(start(*engine, request)->status.ok());
}

// Conversations that begin, go on, are edited and cancelled at random, some at once, under a budget
// that makes them drop each other's pages: every reply equals its solo run.
TEST(Scheduler, ManyConversationsAtRandomEqualTheirSoloRuns) {
    const auto plan = Engine::plan(kDemoModel, engine_options()).take();
    const auto engine =
        Engine::open(kDemoModel, engine_options({}, {0, plan.conversation.bytes() * 2})).take();
    std::mt19937 random(7);
    std::map<uint32_t, std::vector<int32_t>> histories;
    struct Asked {
        ReplyRequest request;
        uint32_t conversation;
        bool cancels;
        std::shared_ptr<Running> running;
    };
    int compared = 0;
    for (int round = 0; round < 12; ++round) {
        std::vector<Asked> asked;
        for (int i = 0; i < 8; ++i) {
            const uint32_t conversation = random() % 12;
            std::vector<int32_t>& ids = histories[conversation];
            if (ids.empty() || ids.size() > 1500) ids = {2};
            if (random() % 4 == 0) ids.resize(1 + random() % ids.size());  // an edit
            const auto more = random_prompt(2 + random() % 300, random());
            ids.insert(ids.end(), more.begin() + 1, more.end());
            ReplyRequest request = plain(ids, int32_t(1 + random() % 30), random() % 1000);
            const bool cancels = random() % 6 == 0;
            asked.push_back({request, conversation, cancels, start(*engine, request)});
            if (cancels) asked.back().running->cancelled->store(true);
        }
        for (Asked& each : asked) {
            each.running->wait();
            ASSERT_TRUE(each.running->status.ok());
            const auto& ids = each.running->ids;
            const auto expected = solo(each.request);
            ASSERT_LE(ids.size(), expected.size());
            EXPECT_TRUE(std::equal(ids.begin(), ids.end(), expected.begin()));
            if (!each.cancels) {
                EXPECT_EQ(ids.size(), expected.size());
                ++compared;
            }
        }
        for (Asked& each : asked) {
            auto& history = histories[each.conversation];
            if (history.size() == each.request.prompt.size())
                history.insert(history.end(), each.running->ids.begin(), each.running->ids.end());
        }
    }
    EXPECT_GT(compared, 60);
    const SchedulerMetrics metrics = engine->scheduler().take()->metrics();
    EXPECT_GT(metrics.cached_tokens, 5000u);
    EXPECT_GT(metrics.dropped_pages, 0u);
}

}  // namespace
}  // namespace facet
