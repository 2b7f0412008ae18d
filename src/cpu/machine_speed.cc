#include "cpu/machine_speed.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/memory.h"
#include "cpu/spin_pool.h"

namespace facet::cpu {

namespace {

using Clock = std::chrono::steady_clock;

// The shortest of `passes` runs of `body` in all threads of the pool, in seconds.
template <typename Body>
double shortest(SpinPool& pool, int passes, const Body& body) {
    double best = 1e9;
    for (int pass = 0; pass < passes; ++pass) {
        const Clock::time_point start = Clock::now();
        pool.run(body);
        best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
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

double read_bandwidth(int32_t threads) {
    constexpr size_t kBytes = size_t{512} << 20;
    auto memory = ZeroedMemory::allocate_huge(kBytes);
    if (!memory.ok()) return 0;
    // Written once: pages that were never written are all the same page of zeros.
    std::memset(memory.value().data(), 1, kBytes);
    SpinPool pool(threads);
    const size_t part = kBytes / static_cast<size_t>(pool.thread_count()) / 64 * 64;
    std::vector<uint64_t> sums(static_cast<size_t>(pool.thread_count()) * 8);  // a cache line each
    const double seconds = shortest(pool, 30, [&](int32_t thread) {
        const auto* words = static_cast<const uint64_t*>(memory.value().data()) +
                            part / 8 * static_cast<size_t>(thread);
        uint64_t lanes[8] = {};
        for (size_t i = 0; i < part / 8; i += 8) {
            for (size_t lane = 0; lane < 8; ++lane) lanes[lane] ^= words[i + lane];
        }
        for (const uint64_t lane : lanes) sums[static_cast<size_t>(thread) * 8] += lane;
    });
    return static_cast<double>(part) * pool.thread_count() / seconds * 1e-9;
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
