#include "cpu/machine_speed.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>
#include <vector>

#include "cpu/spin_pool.h"

namespace facet::cpu {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// The shortest of `passes` runs of `body` in all threads of the pool, in seconds.
template <typename Body>
double shortest(SpinPool& pool, int passes, const Body& body) {
    double best = 1e9;
    for (int pass = 0; pass < passes; ++pass) {
        const Clock::time_point start = Clock::now();
        pool.run(body);
        best = std::min(best, seconds_since(start));
    }
    return best;
}

}  // namespace

std::string processor_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const size_t colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos)
            return line.substr(colon + 2);
    }
    return "unknown";
}

Result<ZeroedMemory> make_probe_memory(int32_t threads, int64_t bytes) {
    if (available_memory_bytes() / 2 < static_cast<uint64_t>(bytes)) {
        return Error{ErrorKind::kOutOfMemory, "too little memory to measure its bandwidth"};
    }
    ZeroedMemory memory = FACET_TRY(ZeroedMemory::allocate_huge(static_cast<size_t>(bytes)));
    auto* data = static_cast<uint8_t*>(memory.data());
    SpinPool pool(threads);
    // Pages that were never written are all the same page of zeros.
    pool.run([&](int32_t thread) {
        const int64_t part = bytes / pool.thread_count();
        for (int64_t at = part * thread; at < part * (thread + 1); at += 4096) data[at] = 1;
    });
    return memory;
}

double read_bandwidth(const Kernels& kernels, int32_t threads, const ZeroedMemory& memory,
                      double seconds) {
    constexpr int64_t kPassBytes = int64_t{64} << 20;
    const auto passes = static_cast<int64_t>(memory.bytes()) / kPassBytes;
    SpinPool pool(threads);
    const int64_t part = kPassBytes / pool.thread_count() / 512 * 512;
    std::vector<int64_t> sinks(static_cast<size_t>(pool.thread_count()) * 8);  // a cache line each
    const Clock::time_point start = Clock::now();
    double best = 1e9;
    for (int64_t pass = 0; pass < 4 || seconds_since(start) < seconds; ++pass) {
        const auto* from = static_cast<const uint8_t*>(memory.data()) + pass % passes * kPassBytes;
        best = std::min(best, shortest(pool, 1, [&](int32_t thread) {
                            sinks[static_cast<size_t>(thread) * 8] +=
                                kernels.read(from + part * thread, part);
                        }));
    }
    return static_cast<double>(part) * pool.thread_count() / best * 1e-9;
}

double ping_pong_ns() {
    constexpr int kRounds = 500, kBlocks = 40;
    if (std::thread::hardware_concurrency() < 2) return 0;
    SpinPool pool(2);
    // Lines of its own: a core fetches the neighbour of a line too.
    struct alignas(256) Ball {
        std::atomic<int> hits{0};  // even: the first thread's turn
    } ball;
    std::vector<double> nanoseconds;
    for (int block = 0; block < kBlocks; ++block) {
        const double seconds = shortest(pool, 1, [&](int32_t thread) {
            const auto hit = [&](int at) {
                while (ball.hits.load(std::memory_order_acquire) != at) pause();
                ball.hits.store(at + 1, std::memory_order_release);
            };
            const int start = 2 * kRounds * block + thread;
            for (int round = 0; round < kRounds; ++round) hit(start + 2 * round);
        });
        nanoseconds.push_back(seconds / kRounds * 1e9);
    }
    std::nth_element(nanoseconds.begin(), nanoseconds.begin() + kBlocks / 2, nanoseconds.end());
    return nanoseconds[kBlocks / 2];
}

double int8_peak(const Kernels& kernels, int32_t threads) {
    SpinPool pool(threads);
    std::vector<int32_t> sinks(static_cast<size_t>(pool.thread_count()) * 16);
    constexpr int64_t kRounds = 200'000;
    int64_t operations = 0;
    const double seconds = shortest(pool, 40, [&](int32_t thread) {
        const int64_t done = kernels.peak(kRounds, &sinks[static_cast<size_t>(thread) * 16]);
        if (thread == 0) operations = done;
    });
    return static_cast<double>(operations) * pool.thread_count() / seconds;
}

}  // namespace facet::cpu
