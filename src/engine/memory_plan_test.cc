#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include "engine/devices.h"

namespace facet {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

class Plans : public ::testing::Test {
  protected:
    Result<MemoryPlan> plan(const MemoryWishes& wishes, uint64_t available) const {
        return plan_memory(config_, device_, weights_, wishes, available);
    }

    const ModelConfig config_ = ModelConfig::of_variant("26b-a4b").take();
    const DevicePlan device_ = plan_device({}, config_).take();
    const uint64_t weights_ = 16'800'000'000;
};

TEST_F(Plans, TheLargestContextThatFitsIsChosen) {
    const MemoryPlan small = plan({}, 20 * kGiB).take(), large = plan({}, 64 * kGiB).take();
    EXPECT_GT(small.context, 4096);
    EXPECT_LT(small.context, large.context);
    EXPECT_EQ(large.context, 262144);
    for (const MemoryPlan& at : {small, large}) {
        EXPECT_TRUE(at.fits());
        EXPECT_LE(at.limit_bytes(), at.available_bytes);
        EXPECT_GE(at.kv_bytes, at.conversation.bytes());
    }
    EXPECT_EQ(small.context % 1024, 0);
}

TEST_F(Plans, AContextThatIsAskedForIsGivenAndTheRestHoldsOthers) {
    const MemoryPlan at = plan({4096, 0}, 64 * kGiB).take();
    EXPECT_EQ(at.context, 4096);
    EXPECT_EQ(at.kv_bytes, at.conversation.bytes() + kGiB);
    EXPECT_EQ(plan({4096, 0}, 8 * kGiB).take().kv_bytes, at.conversation.bytes());
    EXPECT_FALSE(plan({4096, 0}, 8 * kGiB).take().fits());
    EXPECT_FALSE(plan({262145, 0}, 64 * kGiB).ok());
    EXPECT_FALSE(plan({-1, 0}, 64 * kGiB).ok());
}

TEST_F(Plans, ABudgetThatIsAskedForIsKept) {
    const MemoryPlan at = plan({0, 2 * kGiB}, 64 * kGiB).take();
    EXPECT_EQ(at.kv_bytes, 2 * kGiB);
    EXPECT_LE(at.conversation.bytes(), 2 * kGiB);
    EXPECT_GT(at.context, 65536);
    const auto too_small = plan({131072, kGiB}, 64 * kGiB);
    ASSERT_FALSE(too_small.ok());
    EXPECT_NE(too_small.error().message.find("131072"), std::string::npos);
}

TEST_F(Plans, WithoutKnowingTheMachineTheContextIsModest) {
    EXPECT_EQ(plan({}, UINT64_MAX).take().context, kModestContext);
    EXPECT_EQ(plan({}, kGiB).take().context, kModestContext);
}

}  // namespace
}  // namespace facet
