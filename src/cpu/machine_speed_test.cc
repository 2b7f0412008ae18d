#include "cpu/machine_speed.h"

#include <gtest/gtest.h>

#include <thread>

#include "cpu/cpu_kernels.h"

namespace facet::cpu {
namespace {

TEST(MachineSpeed, ACacheLineTakesTimeBetweenTwoCores) {
    const double nanoseconds = ping_pong_ns();
    if (std::thread::hardware_concurrency() < 2) {
        EXPECT_EQ(nanoseconds, 0);
    } else {
        EXPECT_GT(nanoseconds, 5);
    }
}

// On little memory: that the sums come out is shown here, not how fast memory is.
TEST(MachineSpeed, BandwidthIsMeasuredOnAnyNumberOfThreads) {
    const auto memory = ZeroedMemory::allocate_huge(size_t{64} << 20);
    ASSERT_TRUE(memory.ok());
    for (const int32_t threads : {1, 2, 3}) {
        const double speed = read_bandwidth(*usable_kernels().back(), threads, memory.value(), 0);
        EXPECT_GT(speed, 0.01);
        EXPECT_LT(speed, 1e5);
    }
}

}  // namespace
}  // namespace facet::cpu
