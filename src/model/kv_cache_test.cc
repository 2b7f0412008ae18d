#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace facet {
namespace {

constexpr int32_t kWindow = 64;
constexpr int32_t kBatch = 32;

ModelConfig two_layers() {
    ModelConfig config;
    config.layers.resize(2);
    config.layers[0] = {true, kWindow, 64, 4, 2, false};
    config.layers[1] = {false, 0, 128, 4, 1, true};
    return config;
}

TEST(KvCache, SlidingLayersNeverHoldTheWholeContext) {
    const KvCache cache(two_layers(), 262144, kBatch);
    EXPECT_GE(cache.rows(0), kWindow - 1 + kBatch + kRollbackRows);
    EXPECT_LT(cache.rows(0), kWindow - 1 + kBatch + kRollbackRows + kRingStep);
    EXPECT_EQ(cache.rows(0) % kRingStep, 0);
    EXPECT_EQ(cache.rows(1), 262144);
    EXPECT_EQ(KvCache(two_layers(), 100, kBatch).rows(0), 100);
}

TEST(KvCache, KeepsAnyPrefixUntilTheRingWraps) {
    KvCache cache(two_layers(), 100000, kBatch);
    for (int i = 0; i < 10; ++i) cache.advance(kBatch);
    EXPECT_EQ(cache.keepable(7), 7);
    EXPECT_EQ(cache.keepable(1000), 320);
}

TEST(KvCache, GoesBackToZeroWhenTheWindowBeforeIsGone) {
    KvCache cache(two_layers(), 100000, kBatch);
    for (int i = 0; i < 100; ++i) cache.advance(kBatch);
    EXPECT_EQ(cache.keepable(3200 - kRollbackRows), 3200 - kRollbackRows);
    EXPECT_EQ(cache.keepable(100), 0);
    cache.truncate(0);
    EXPECT_EQ(cache.length(), 0);
    EXPECT_EQ(cache.keepable(100), 0);
}

// Against a model of the ring: the row that a query reads must still hold the position it was
// written for.
TEST(KvCache, ARowThatIsReadHoldsItsPosition) {
    std::mt19937 random(1);
    KvCache cache(two_layers(), 20000, kBatch);
    std::map<int32_t, int32_t> ring;  // row to position
    for (int step = 0; step < 5000; ++step) {
        if (random() % 8 == 0) {
            const int32_t wanted = static_cast<int32_t>(random() % (cache.length() + 1));
            cache.truncate(cache.keepable(wanted));
        }
        const int32_t count =
            std::min<int32_t>(1 + random() % kBatch, cache.context() - cache.length());
        if (count == 0) {
            cache.truncate(0);
            continue;
        }
        for (int32_t p = cache.length(); p < cache.length() + count; ++p)
            ring[cache.row_of(0, p)] = p;
        for (int32_t query = cache.length(); query < cache.length() + count; ++query) {
            for (int32_t p = std::max(0, query - kWindow + 1); p <= query; ++p) {
                ASSERT_EQ(ring[cache.row_of(0, p)], p) << "query " << query << " step " << step;
            }
        }
        cache.advance(count);
    }
}

TEST(KvCache, PlanCountsWindowAndContextApart) {
    const KvPlan plan = plan_kv(two_layers(), 8192, kBatch, {3, 5});
    const KvCache cache(two_layers(), 8192, kBatch);
    EXPECT_EQ(plan.sliding_bytes, 3 * uint64_t(cache.rows(0)));
    EXPECT_EQ(plan.global_bytes, 5u * 8192);
}

}  // namespace
}  // namespace facet
