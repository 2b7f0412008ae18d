#include "cpu/spin_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace facet::cpu {
namespace {

TEST(SpinPool, EveryThreadRunsOnceAndBarriersSeparatePhases) {
    for (const int32_t threads : {1, 2, 5}) {  // also more than this machine has cores
        SpinPool pool(threads);
        ASSERT_EQ(pool.thread_count(), threads);
        std::vector<int> first(static_cast<size_t>(threads)), second(first);
        for (int round = 1; round <= 200; ++round) {
            pool.run([&](int32_t thread) {
                ++first[size_t(thread)];
                pool.barrier();
                // All of the first phase is visible in the second.
                int sum = 0;
                for (const int value : first) sum += value;
                second[size_t(thread)] = sum;
            });
            for (const int value : second) ASSERT_EQ(value, round * threads);
        }
    }
}

TEST(SpinPool, SleepingThreadsWakeUp) {
    SpinPool pool(3);
    for (int round = 0; round < 3; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        std::atomic<int> ran{0};
        pool.run([&](int32_t) { ++ran; });
        EXPECT_EQ(ran, 3);
    }
}

}  // namespace
}  // namespace facet::cpu
