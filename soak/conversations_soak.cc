// Many sessions that begin, go on, edit, branch and cancel at random for as long as asked. Every
// reply must equal its solo run, memory must stay inside its budget, and what was saved on disk
// must be the same after each restart of the engine, which comes every few seconds.
//
// Usage: conversations_soak SECONDS SESSIONS [SEED]; see `make soak`.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <thread>

#include "base/memory.h"
#include "engine/engine.h"

namespace {

using namespace facet;
using Clock = std::chrono::steady_clock;

constexpr const char* kModel = FACET_SOURCE_DIR "/models/facet-demo-Q8_0.gguf";
constexpr auto kBetweenRestarts = std::chrono::seconds(20);

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "FAILED: {}\n", why);
    std::fflush(nullptr);
    std::_Exit(1);
}

std::shared_ptr<Engine> open(const std::string& cache, uint64_t kv_bytes) {
    EngineOptions options;
    options.cache.folder = cache;
    options.cache.limit_bytes = 200'000'000;
    options.memory.kv_bytes = kv_bytes;
    options.scheduler.parallel = 24;
    auto engine = Engine::open(kModel, options);
    if (!engine.ok()) fail(engine.error().message);
    return engine.take();
}

struct Answer {
    std::vector<int32_t> ids;
    Finish finish = Finish::kStop;
};

Answer ask(Engine& engine, ReplyRequest request, int cancel_after) {
    Answer answer;
    int tokens = 0;
    const Status status = engine.scheduler().take()->reply(
        std::move(request),
        [&](const GenerationEvent& event) {
            if (event.kind == GenerationEvent::Kind::kEnd) answer.finish = event.finish;
            return event.kind != GenerationEvent::Kind::kText || ++tokens != cancel_after;
        },
        &answer.ids);
    if (!status.ok()) fail(status.error().message);
    return answer;
}

class Soak {
  public:
    Soak(int seconds, int sessions, uint32_t seed)
        : end_(Clock::now() + std::chrono::seconds(seconds)), sessions_(sessions), seed_(seed) {
        std::filesystem::remove_all(folder_);
        EngineOptions plain;
        const auto plan = Engine::plan(kModel, plain);
        if (!plan.ok()) fail(plan.error().message);
        // Too little for all, so that they take each other's pages and places.
        kv_bytes_ = plan.value().conversation.bytes() * 3;
        engine_ = open(folder_, kv_bytes_);
        solo_ = open({}, plan.value().conversation.bytes());
        resident_ = resident_memory_bytes();
    }
    ~Soak() { std::filesystem::remove_all(folder_); }

    void run() {
        std::vector<std::thread> threads;
        for (int i = 0; i < sessions_; ++i) threads.emplace_back([this, i] { converse(i); });
        while (Clock::now() < end_) {
            std::this_thread::sleep_for(
                std::min<Clock::duration>(kBetweenRestarts, end_ - Clock::now()));
            restart();
            fmt::print("{} replies, {} of them cancelled, {} restarts, {:.0f} MB resident\n",
                       replies_.load(), cancelled_.load(), restarts_,
                       resident_memory_bytes() * 1e-6);
            std::fflush(stdout);
        }
        for (std::thread& thread : threads) thread.join();
        if (replies_ == 0 || cancelled_ == 0) fail("nothing happened");
    }

  private:
    // Closes and opens the engine when no session is in a call.
    void restart() {
        const std::unique_lock lock(engine_mutex_);
        const SchedulerMetrics metrics = engine_->scheduler().take()->metrics();
        if (metrics.kv_used_bytes > metrics.kv_budget_bytes) fail("more KV than the budget");
        fmt::print("  {} of {} prompt tokens known, {} preempted, {} pages dropped, {} files\n",
                   metrics.cached_tokens, metrics.prompt_tokens, metrics.preempted,
                   metrics.dropped_pages, metrics.saved_files);
        // What sanitizers and the C library keep aside is not ours.
        const uint64_t limit = resident_ + 2 * kv_bytes_ + 400'000'000;
        if (resident_memory_bytes() > limit)
            fail(fmt::format("{} bytes resident", resident_memory_bytes()));
        engine_.reset();
        engine_ = open(folder_, kv_bytes_);
        ++restarts_;
    }

    void converse(int number) {
        std::mt19937 random(seed_ * 1000 + static_cast<uint32_t>(number));
        std::vector<int32_t> history = {2};
        while (Clock::now() < end_) {
            if (random() % 3 == 0)
                std::this_thread::sleep_for(std::chrono::milliseconds(random() % 400));
            change(history, random);
            ReplyRequest request;
            request.prompt = history;
            request.format.chat = false;
            request.options.max_tokens = static_cast<int32_t>(1 + random() % 40);
            request.options.sampling.temperature = random() % 2 == 0 ? 0.0f : 1.0f;
            request.options.sampling.seed = random();
            request.priority = static_cast<int32_t>(random() % 2);
            const int cancel_after = random() % 6 == 0 ? static_cast<int>(1 + random() % 10) : -1;
            Answer answer;
            {
                const std::shared_lock lock(engine_mutex_);
                answer = ask(*engine_, request, cancel_after);
            }
            check(request, answer);
            history.insert(history.end(), answer.ids.begin(), answer.ids.end());
        }
    }

    // A new message, an edit in the middle, the same again, or a new conversation.
    static void change(std::vector<int32_t>& history, std::mt19937& random) {
        if (history.size() > 1200 || random() % 12 == 0) history = {2};
        if (random() % 4 == 0) history.resize(1 + random() % history.size());
        // Half of all messages come from a few texts, so that conversations share beginnings.
        std::mt19937 text(random() % 2 == 0 ? random() % 4 : random());
        const size_t count = 1 + text() % (text() % 8 == 0 ? 500 : 60);
        if (random() % 2 == 0) history.push_back(105);
        for (size_t i = 0; i < count; ++i)
            history.push_back(static_cast<int32_t>(600 + text() % 1000));
    }

    void check(const ReplyRequest& request, const Answer& answer) {
        Answer alone;
        {
            const std::lock_guard lock(solo_mutex_);
            {
                const std::lock_guard device(solo_->device_mutex());
                solo_->tree().clear();
            }
            alone = ask(*solo_, request, -1);
        }
        const bool was_cut = answer.finish == Finish::kCancelled;
        const bool agrees = answer.ids.size() <= alone.ids.size() &&
                            std::equal(answer.ids.begin(), answer.ids.end(), alone.ids.begin()) &&
                            (was_cut || answer.ids.size() == alone.ids.size());
        if (!agrees)
            fail(fmt::format("a reply to {} ids differs from its solo run", request.prompt.size()));
        ++replies_;
        cancelled_ += was_cut;
    }

    const Clock::time_point end_;
    const int sessions_;
    const uint32_t seed_;
    const std::string folder_ = fmt::format("facet_soak_{}", ::getpid());
    uint64_t kv_bytes_ = 0, resident_ = 0;
    std::shared_mutex engine_mutex_;
    std::shared_ptr<Engine> engine_;
    std::mutex solo_mutex_;
    std::shared_ptr<Engine> solo_;
    std::atomic<int> replies_{0}, cancelled_{0};
    int restarts_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        fmt::print(stderr, "usage: conversations_soak SECONDS SESSIONS [SEED]\n");
        return 2;
    }
    Soak(std::atoi(argv[1]), std::atoi(argv[2]),
         argc > 3 ? static_cast<uint32_t>(std::atoi(argv[3])) : 1)
        .run();
    fmt::print("passed\n");
    return 0;
}
