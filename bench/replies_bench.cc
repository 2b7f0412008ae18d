// Several replies at once on one model: how much a step shares, and how long others wait for a long
// prompt. Usage: replies_bench [MODEL (the demo)] [PARALLEL] [TOKENS] [PAIRS]
//
// Compares in alternating pairs, because machines change while they are measured. Needs a model
// file with a tokenizer (tools/… synthetic ones have one).
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <random>

#include "engine/engine.h"

namespace {

using namespace facet;
using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

struct Reply {
    std::vector<Clock::time_point> tokens;  // when each was there
    std::vector<Clock::time_point> chunks;  // of its prompt
    bool has_ended = false;
};

class Bench {
  public:
    explicit Bench(Engine& engine) : engine_(engine) {
        for (const Special end : kReplyEnds)
            ends_.push_back({engine.model().tokenizer().take()->vocabulary().id_of(end), -100});
    }

    std::shared_ptr<Reply> start(size_t prompt, int32_t tokens, uint32_t seed) {
        std::mt19937 random(seed);
        ReplyRequest request;
        while (request.prompt.size() < prompt)
            request.prompt.push_back(int32_t(1000 + random() % 20000) %
                                     engine_.model().vocabulary_size());
        request.format.chat = false;
        request.options.max_tokens = tokens;
        request.options.sampling.seed = seed;
        request.options.sampling.logit_bias = ends_;
        const auto reply = std::make_shared<Reply>();
        request.sink = [this, reply](const GenerationEvent& event) {
            const std::lock_guard lock(mutex_);
            if (event.kind == GenerationEvent::Kind::kProgress)
                reply->chunks.push_back(Clock::now());
            if (event.kind == GenerationEvent::Kind::kText) reply->tokens.push_back(Clock::now());
            return true;
        };
        request.done = [this, reply](const Status& status, std::span<const int32_t>) {
            if (!status.ok()) fmt::print(stderr, "{}\n", status.error().message);
            const std::lock_guard lock(mutex_);
            reply->has_ended = true;
            wake_.notify_all();
        };
        const Status queued = engine_.scheduler().take()->submit(std::move(request));
        if (!queued.ok()) {
            fmt::print(stderr, "{}\n", queued.error().message);
            std::exit(1);
        }
        return reply;
    }

    void wait(const std::vector<std::shared_ptr<Reply>>& replies) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] {
            return std::all_of(replies.begin(), replies.end(),
                               [](const auto& reply) { return reply->has_ended; });
        });
    }
    void wait_for_token(const Reply& reply) {
        for (;;) {
            const std::lock_guard lock(mutex_);
            if (!reply.tokens.empty()) return;
        }
    }

    // Tokens a second of `count` replies, after all of them have begun.
    double speed(int32_t count, int32_t tokens, uint32_t seed) {
        std::vector<std::shared_ptr<Reply>> replies;
        for (int32_t i = 0; i < count; ++i)
            replies.push_back(start(16, tokens, seed + uint32_t(i)));
        wait(replies);
        Clock::time_point begin = replies[0]->tokens.front(), end = replies[0]->tokens.back();
        for (const auto& reply : replies) {
            begin = std::max(begin, reply->tokens.front());
            end = std::min(end, reply->tokens.back());
        }
        int64_t between = 0;
        for (const auto& reply : replies) {
            between += std::count_if(reply->tokens.begin(), reply->tokens.end(),
                                     [&](const auto& at) { return begin < at && at <= end; });
        }
        return double(between) / seconds_between(begin, end);
    }

    // One reply is written while another's prompt of 4,000 tokens is read and a short request
    // comes.
    void long_prompt(int32_t bound_ms) {
        const int32_t prompt_tokens = std::min(4000, engine_.plan().context - 100);
        const auto writing = start(16, prompt_tokens, 1);
        wait_for_token(*writing);
        const auto reading = start(size_t(prompt_tokens), 4, 2);
        for (;;) {
            const std::lock_guard lock(mutex_);
            if (reading->chunks.size() >= 2) break;
        }
        const Clock::time_point asked = Clock::now();
        const auto brief = start(20, 4, 3);
        wait({reading, brief});
        const std::lock_guard lock(mutex_);
        const auto chunks =
            std::count_if(reading->chunks.begin(), reading->chunks.end(),
                          [&](const auto& at) { return asked < at && at < brief->tokens.front(); });
        double longest = 0;
        for (size_t i = 1; i < writing->tokens.size(); ++i) {
            if (writing->tokens[i] > reading->tokens.front()) break;
            longest =
                std::max(longest, seconds_between(writing->tokens[i - 1], writing->tokens[i]));
        }
        fmt::print(
            "short request beside {} tokens: first token after {:.0f} ms, {} chunks of "
            "the long prompt later\n",
            prompt_tokens, 1e3 * seconds_between(asked, brief->tokens.front()), chunks);
        fmt::print(
            "longest gap of a reply meanwhile: {:.0f} ms, bound {} ms; the prompt took "
            "{:.1f} s in {} chunks\n",
            1e3 * longest, bound_ms, seconds_between(asked, reading->tokens.front()),
            reading->chunks.size());
    }

  private:
    Engine& engine_;
    std::vector<LogitBias> ends_;
    std::mutex mutex_;
    std::condition_variable wake_;
};

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at, int otherwise) {
        return argc > at ? std::atoi(argv[at]) : otherwise;
    };
    const int32_t parallel = number(2, 8), tokens = number(3, 48), pairs = number(4, 3);
    EngineOptions options;
    auto engine =
        Engine::open(argc > 1 ? argv[1] : FACET_SOURCE_DIR "/models/facet-demo-Q8_0.gguf", options);
    if (!engine.ok()) {
        fmt::print(stderr, "{}\n", engine.error().message);
        return 1;
    }
    Bench bench(*engine.value());
    bench.speed(1, tokens, 99);
    std::vector<double> ratios;
    for (int32_t i = 0; i < pairs; ++i) {
        const double one = bench.speed(1, tokens, uint32_t(i));
        const double all = bench.speed(parallel, tokens, uint32_t(100 * (i + 1)));
        ratios.push_back(all / one);
        fmt::print("1 reply: {:.1f} tokens/s; {} replies: {:.1f} tokens/s; ratio {:.2f}\n", one,
                   parallel, all, ratios.back());
    }
    std::sort(ratios.begin(), ratios.end());
    fmt::print("median ratio {:.2f}\n", ratios[ratios.size() / 2]);
    bench.long_prompt(options.scheduler.longest_gap_ms);
    return 0;
}
