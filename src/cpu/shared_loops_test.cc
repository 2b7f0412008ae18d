#include "cpu/shared_loops.h"

#include <gtest/gtest.h>

#include <thread>

#include "cpu/spin_pool.h"

namespace facet::cpu {
namespace {

// How often each number of a loop was taken, and by whom last.
struct Taken {
    explicit Taken(int64_t count) : times(static_cast<size_t>(count)), by(times.size(), -1) {}
    std::vector<std::atomic<int>> times;
    std::vector<int32_t> by;

    void take(Range piece, int32_t thread) {
        for (int64_t i = piece.begin; i < piece.end; ++i) {
            ++times[size_t(i)];
            by[size_t(i)] = thread;
        }
    }
};

TEST(SharedLoops, EveryNumberOfManyLoopsIsTakenOnceWithoutBarriersBetween) {
    for (const int32_t threads : {1, 2, 3, 5}) {  // also more than this machine has cores
        SpinPool pool(threads);
        SharedLoops loops(threads);
        constexpr int64_t kCounts[] = {0, 1, 2, 7, 64, 1000};
        std::vector<Taken> taken;
        for (int round = 0; round < 300; ++round) taken.emplace_back(kCounts[round % 6]);
        pool.run([&](int32_t thread) {
            for (size_t round = 0; round < taken.size(); ++round) {
                loops.run(
                    thread, int64_t(1 + round % 9),
                    [&](int32_t owner) { return part_of(kCounts[round % 6], owner, threads); },
                    [&](Range piece, Range part) {
                        EXPECT_LE(part.begin, piece.begin);
                        EXPECT_LE(piece.end, part.end);
                        EXPECT_LE(piece.end - piece.begin, int64_t(1 + round % 9));
                        taken[round].take(piece, thread);
                    });
            }
        });
        for (const Taken& loop : taken) {
            for (const auto& times : loop.times) ASSERT_EQ(times, 1) << threads;
        }
    }
}

TEST(SharedLoops, OthersFinishThePartOfAThreadThatIsHeldUp) {
    SpinPool pool(2);
    SharedLoops loops(2);
    Taken taken(100);
    std::atomic<int> left{100};
    std::atomic<bool> held_up{false};
    pool.run([&](int32_t thread) {
        loops.run(
            thread, 5, [](int32_t owner) { return part_of(100, owner, 2); },
            [&](Range piece, Range) {
                taken.take(piece, thread);
                left -= int(piece.end - piece.begin);
                // Thread 1 keeps its first piece until the other has taken everything else.
                if (thread == 1) held_up = true;
                while (thread == 1 ? left > 0 : !held_up) std::this_thread::yield();
            });
    });
    for (size_t i = 0; i < 100; ++i) EXPECT_EQ(taken.times[i], 1);
    EXPECT_EQ(std::count(taken.by.begin(), taken.by.end(), 0), 95);
}

}  // namespace
}  // namespace facet::cpu
