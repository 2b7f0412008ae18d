#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace facet {
namespace {

constexpr int32_t kWindow = 1024;

ModelConfig two_layers() {
    ModelConfig config;
    config.layers.resize(2);
    config.layers[0] = {true, kWindow, 64, 4, 2, false};
    config.layers[1] = {false, 0, 128, 4, 1, true};
    return config;
}

TEST(KvCache, SeesTheWindowOfSlidingLayersAndEverythingOfGlobalOnes) {
    KvPool pool;
    const KvCache cache(two_layers(), 100000, &pool);
    EXPECT_EQ(cache.first_page(KvPart::kGlobal, 50000), 0);
    EXPECT_EQ(cache.first_page(KvPart::kSliding, kWindow - 1), 0);
    // Position 1279 sees 256 and what follows.
    EXPECT_EQ(cache.first_page(KvPart::kSliding, 1278), 0);
    EXPECT_EQ(cache.first_page(KvPart::kSliding, 1279), 1);
}

TEST(KvCache, IsReadyWhenEveryPageThatIsSeenOrWrittenIsThere) {
    KvPool pool;
    KvCache cache(two_layers(), 100000, &pool);
    EXPECT_FALSE(cache.has_pages_for(1));
    for (int32_t i = 0; i < 6; ++i) cache.set_page(KvPart::kGlobal, i, i);
    for (int32_t i = 1; i < 6; ++i) cache.set_page(KvPart::kSliding, i, i);
    EXPECT_FALSE(cache.has_pages_for(1)) << "the window begins in a page that is missing";
    cache.set_length(1279);
    EXPECT_TRUE(cache.has_pages_for(6 * 256 - 1279));
    EXPECT_FALSE(cache.has_pages_for(6 * 256 - 1279 + 1));
    cache.set_length(1278);
    EXPECT_FALSE(cache.has_pages_for(1));
}

TEST(KvPool, RowsDoNotOverlapAndLieInTheirPages) {
    KvPool pool;
    ASSERT_TRUE(
        pool.allocate({{KvPart::kSliding, 4, 128}, {KvPart::kGlobal, 1, 256}}, {{3, 5}}).ok());
    EXPECT_EQ(pool.page_bytes(KvPart::kSliding), 4u * 128 * 256);
    EXPECT_EQ(pool.page_bytes(KvPart::kGlobal), 256u * 256);
    std::vector<std::pair<const uint8_t*, int64_t>> rows;
    for (int32_t page = 0; page < 3; ++page) {
        for (int64_t run = 0; run < 4; ++run) {
            for (int32_t position = 0; position < 256; ++position)
                rows.emplace_back(pool.row(0, run, page, position), 128);
        }
        EXPECT_EQ(pool.row(0, 0, page, 0), pool.bytes(KvPart::kSliding, page).data());
    }
    for (int32_t page = 0; page < 5; ++page) {
        for (int32_t position = 0; position < 256; ++position)
            rows.emplace_back(pool.row(1, 0, page, position), 256);
    }
    std::sort(rows.begin(), rows.end());
    for (size_t i = 1; i < rows.size(); ++i)
        ASSERT_LE(rows[i - 1].first + rows[i - 1].second, rows[i].first);
}

TEST(KvPool, CopiesTheFirstPositionsOfEveryRun) {
    KvPool pool;
    ASSERT_TRUE(
        pool.allocate({{KvPart::kSliding, 2, 64}, {KvPart::kSliding, 1, 32}}, {{2, 0}}).ok());
    auto from = pool.bytes(KvPart::kSliding, 0), to = pool.bytes(KvPart::kSliding, 1);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(1 + i % 251);
    pool.copy(KvPart::kSliding, 0, 1, 100);
    for (const auto& [layer, run, bytes] : {std::tuple{0, 0, 64}, {0, 1, 64}, {1, 0, 32}}) {
        const uint8_t *a = pool.row(layer, run, 0, 0), *b = pool.row(layer, run, 1, 0);
        EXPECT_TRUE(std::equal(a, a + 100 * bytes, b));
        EXPECT_TRUE(
            std::all_of(b + 100 * bytes, b + 256 * bytes, [](uint8_t x) { return x == 0; }));
    }
}

TEST(KvPool, APageThatWasGivenBackReadsAsZeros) {
    KvPool pool;
    ASSERT_TRUE(pool.allocate({{KvPart::kGlobal, 1, 4096}}, {{0, 4}}).ok());
    for (int32_t page = 0; page < 4; ++page) {
        const auto bytes = pool.bytes(KvPart::kGlobal, page);
        std::fill(bytes.begin(), bytes.end(), uint8_t{7});
    }
    pool.release(KvPart::kGlobal, 1);
    const auto is = [&](int32_t page, uint8_t value) {
        const auto bytes = pool.bytes(KvPart::kGlobal, page);
        return std::all_of(bytes.begin(), bytes.end(), [&](uint8_t x) { return x == value; });
    };
    EXPECT_TRUE(is(0, 7) && is(1, 0) && is(2, 7) && is(3, 7));
}

TEST(KvPool, PromisesMoreThanTheMachineHas) {
    KvPool pool;
    // 4 TiB.
    EXPECT_TRUE(pool.allocate({{KvPart::kGlobal, 16, 4096}}, {{0, 262144}}).ok());
    pool.bytes(KvPart::kGlobal, 262143)[0] = 1;
}

TEST(KvPlan, CountsWindowAndContextApart) {
    const KvPlan plan = plan_kv(two_layers(), 8192, 512, {3, 5});
    // 1,535 positions anywhere touch 7 pages at most.
    EXPECT_EQ(plan.sliding_bytes, 3u * 7 * 256);
    EXPECT_EQ(plan.global_bytes, 5u * 8192);
    EXPECT_EQ(plan_kv(two_layers(), 100, 512, {3, 5}).sliding_bytes, 3u * 256);
}

}  // namespace
}  // namespace facet
