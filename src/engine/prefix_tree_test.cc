#include "engine/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "engine/sequence.h"
#include "model/device.h"

namespace facet {
namespace {

constexpr int32_t kWindow = 300;
constexpr int32_t kTurn = 5;
constexpr int32_t kContext = 1 << 14;

ModelConfig two_layers() {
    ModelConfig config;
    config.layers.resize(2);
    config.layers[0] = {true, kWindow, 32, 1, 1, false};
    config.layers[1] = {false, 0, 32, 1, 1, false};
    config.context_length = kContext;
    return config;
}

// Keys and values without a model: a row of either part holds the hash of the ids up to its
// position, so that any mix-up shows.
class NoDevice : public Device {
  public:
    std::string_view name() const override { return "none"; }
    int32_t batch_rows_max() const override { return 512; }
    Result<std::unique_ptr<KvPool>> make_kv_pool(int32_t, const PerPart<int32_t>& pages) override {
        auto pool = std::make_unique<KvPool>();
        FACET_TRY(pool->allocate({{KvPart::kSliding, 1, 32}, {KvPart::kGlobal, 1, 8}}, pages));
        return pool;
    }
    void embed(const Batch&) override {}
    void attention_block(int32_t, const Batch&) override {}
    void ffn_block(int32_t, const Batch&) override {}
    void logits(const Batch&) override {}
    void read_residual(int32_t, float*) const override {}
    void write_residual(int32_t, const float*) override {}
};

constexpr uint64_t kSlidingPage = 32 * 256, kGlobalPage = 8 * 256, kBothPages = 40 * 256;

uint64_t hash_next(uint64_t hash, int32_t id) {
    return (hash ^ static_cast<uint64_t>(id + 1)) * 0x9e3779b97f4a7c15u + 1;
}

class Tree : public ::testing::Test {
  protected:
    void make(uint64_t pages) {
        tree_.reset();
        store_.emplace(
            PageStore::create(device_, {{kSlidingPage, kGlobalPage}}, kContext, pages * kBothPages)
                .take());
        tree_.emplace(config_, *store_, kTurn);
    }

    std::unique_ptr<Sequence> begin(const std::vector<int32_t>& ids, int32_t most = -1) {
        return Sequence::create(*tree_, config_, kContext, ids,
                                most < 0 ? int32_t(ids.size()) : most);
    }

    // Computes `ids` from where the sequence is, in chunks; false if there was no room.
    bool compute(Sequence& sequence, const std::vector<int32_t>& ids, int32_t chunk = 100) {
        while (sequence.length() < int32_t(ids.size())) {
            const int32_t known = sequence.length();
            const int32_t count = std::min(chunk, int32_t(ids.size()) - known);
            if (!sequence.reserve(count)) return false;
            check_what_is_seen(sequence, ids);
            EXPECT_TRUE(sequence.cache().has_pages_for(count));
            for (int32_t p = known; p < known + count; ++p) {
                for (const int32_t layer : {0, 1})
                    *reinterpret_cast<uint64_t*>(sequence.cache().row(layer, 0, p)) = hash(ids, p);
            }
            sequence.cache().advance(count);
            sequence.note(std::span(ids).subspan(size_t(known), size_t(count)));
        }
        check_what_is_seen(sequence, ids);
        return true;
    }

    static uint64_t hash(const std::vector<int32_t>& ids, int32_t position) {
        uint64_t hash = 1;
        for (int32_t p = 0; p <= position; ++p) hash = hash_next(hash, ids[size_t(p)]);
        return hash;
    }

    // Every row that the next position sees must hold the state of exactly these ids.
    static void check_what_is_seen(Sequence& sequence, const std::vector<int32_t>& ids) {
        uint64_t hash = 1;
        for (int32_t p = 0; p < sequence.length(); ++p) {
            hash = hash_next(hash, ids[size_t(p)]);
            const auto at = [&](int32_t layer) {
                return *reinterpret_cast<const uint64_t*>(sequence.cache().row(layer, 0, p));
            };
            ASSERT_EQ(at(1), hash) << "global, position " << p << " of " << sequence.length();
            if (p > sequence.length() - kWindow) {
                ASSERT_EQ(at(0), hash) << "sliding, position " << p << " of " << sequence.length();
            }
        }
    }

    static std::vector<int32_t> text(size_t count, uint32_t seed) {
        std::mt19937 random(seed);
        std::vector<int32_t> ids(count);
        for (int32_t& id : ids) id = int32_t(10 + random() % 1000);
        return ids;
    }

    ModelConfig config_ = two_layers();
    NoDevice device_;
    std::optional<PageStore> store_;
    std::optional<PrefixTree> tree_;
};

TEST_F(Tree, AConversationGoesOnWhereItStopped) {
    make(100);
    auto ids = text(1000, 1);
    ASSERT_TRUE(compute(*begin(ids), ids));
    const auto more = text(50, 2);
    ids.insert(ids.end(), more.begin(), more.end());
    const auto again = begin(ids);
    EXPECT_EQ(again->length(), 1000);
    EXPECT_TRUE(compute(*again, ids));
}

TEST_F(Tree, AnEditKeepsWhatIsBeforeIt) {
    make(100);
    auto ids = text(1000, 1);
    ASSERT_TRUE(compute(*begin(ids), ids));
    for (const int32_t edit : {999, 512, 511, 300, 1, 0}) {
        auto edited = ids;
        edited[size_t(edit)] = 9;
        const auto sequence = begin(edited);
        EXPECT_EQ(sequence->length(), edit);
        EXPECT_TRUE(compute(*sequence, edited));
    }
    EXPECT_EQ(begin(ids)->length(), 1000) << "edits leave the first branch alone";
}

TEST_F(Tree, TwoWriteOnBehindTheSameEnd) {
    make(100);
    const auto ids = text(300, 1);
    ASSERT_TRUE(compute(*begin(ids), ids));
    auto a = ids, b = ids;
    a.push_back(1);
    b.push_back(2);
    const auto first = begin(a), second = begin(b);
    EXPECT_EQ(first->length(), 300);
    EXPECT_EQ(second->length(), 300);
    EXPECT_TRUE(compute(*first, a));
    EXPECT_TRUE(compute(*second, b));
    check_what_is_seen(*first, a);
}

TEST_F(Tree, APrefixOfARunningConversationIsShared) {
    make(20);
    const auto ids = text(2000, 1);
    const auto running = begin(ids);
    ASSERT_TRUE(compute(*running, ids));
    const uint64_t before = store_->used_bytes();
    auto branch = ids;
    branch[1900] = 9;
    const auto other = begin(branch);
    EXPECT_EQ(other->length(), 1900);
    EXPECT_EQ(store_->used_bytes() - before, kBothPages) << "one page of its own";
}

TEST_F(Tree, OldWindowsAreDroppedBeforeConversations) {
    // Room for the global part of 8 pages, and for 4 pages of windows.
    make(8);
    store_.emplace(PageStore::create(device_, {{kSlidingPage, kGlobalPage}}, kContext,
                                     8 * kGlobalPage + 4 * kSlidingPage)
                       .take());
    tree_.emplace(config_, *store_, kTurn);
    auto ids = text(256 * 7, 1);
    ASSERT_TRUE(compute(*begin(ids), ids));
    EXPECT_EQ(begin(ids)->length(), 256 * 7) << "the end is kept";
    auto edited = ids;
    edited[700] = 9;
    const auto sequence = begin(edited);
    EXPECT_EQ(sequence->length(), 0) << "the window before the edit is gone";
}

TEST_F(Tree, WindowsBeforeATurnOutliveThoseInALongText) {
    store_.emplace(PageStore::create(device_, {{kSlidingPage, kGlobalPage}}, kContext,
                                     40 * kGlobalPage + 7 * kSlidingPage)
                       .take());
    tree_.emplace(config_, *store_, kTurn);
    auto ids = text(256 * 20, 1);
    ids[1000] = kTurn;
    ASSERT_TRUE(compute(*begin(ids), ids));
    auto edited = ids;
    edited[1003] = 9;
    const auto sequence = begin(edited);
    EXPECT_GE(sequence->length(), 1000);
    EXPECT_TRUE(compute(*sequence, edited));
}

TEST_F(Tree, TheBudgetIsNeverExceededAndTheOldestGoesFirst) {
    make(10);
    for (uint32_t i = 0; i < 50; ++i) {
        const auto ids = text(400, i);
        const auto sequence = begin(ids);
        ASSERT_TRUE(compute(*sequence, ids));
        EXPECT_LE(store_->used_bytes(), store_->budget_bytes());
    }
    EXPECT_EQ(begin(text(400, 49))->length(), 400);
    EXPECT_EQ(begin(text(400, 46))->length(), 400);
    EXPECT_EQ(begin(text(400, 10))->length(), 0);
}

TEST_F(Tree, WhatIsInUseIsNotDropped) {
    make(4);
    const auto ids = text(256 * 3, 1);
    auto running = begin(ids);
    ASSERT_TRUE(compute(*running, ids));
    const auto other = text(256 * 2, 2);
    {
        const auto sequence = begin(other);
        EXPECT_FALSE(compute(*sequence, other));
        check_what_is_seen(*running, ids);
    }
    running.reset();
    EXPECT_TRUE(compute(*begin(other), other));
}

TEST_F(Tree, ClearingGivesEverythingBack) {
    make(50);
    for (uint32_t i = 0; i < 5; ++i) {
        const auto ids = text(700, i);
        ASSERT_TRUE(compute(*begin(ids), ids));
    }
    EXPECT_GT(store_->used_bytes(), 0u);
    tree_->clear();
    EXPECT_EQ(store_->used_bytes(), 0u);
    EXPECT_EQ(tree_->available_bytes(), store_->budget_bytes());
}

// Random conversations that begin, go on, branch, end in any order under a small budget: what a
// sequence sees is always its own history, and bytes are counted exactly.
TEST_F(Tree, RandomConversationsSeeTheirOwnHistoryOnly) {
    for (uint32_t seed = 0; seed < 6; ++seed) {
        make(12 + 6 * seed);
        std::mt19937 random(seed);
        std::vector<std::vector<int32_t>> known = {{}};
        std::vector<std::pair<std::unique_ptr<Sequence>, std::vector<int32_t>>> running;
        uint64_t reused = 0;
        for (int step = 0; step < 600; ++step) {
            if (running.size() > 3 || (random() % 3 == 0 && !running.empty())) {
                running.erase(running.begin() + long(random() % running.size()));
                continue;
            }
            // Some known history, cut anywhere, and something new.
            std::vector<int32_t> ids = known[random() % known.size()];
            ids.resize(ids.size() - (random() % 2 == 0 ? 0 : random() % (ids.size() + 1)));
            const auto more = text(1 + random() % 400, random());
            if (random() % 2 == 0) ids.push_back(kTurn);
            ids.insert(ids.end(), more.begin(), more.end());
            if (ids.size() > 1500) ids.resize(1500);
            auto sequence = begin(ids, int32_t(ids.size()) - 1);
            if (sequence == nullptr) continue;
            reused += uint64_t(sequence->length());
            if (!compute(*sequence, ids, int32_t(1 + random() % 300))) continue;
            ASSERT_LE(store_->used_bytes(), store_->budget_bytes());
            known.push_back(ids);
            if (known.size() > 20) known.erase(known.begin());
            running.emplace_back(std::move(sequence), std::move(ids));
            for (const auto& [other, its_ids] : running) check_what_is_seen(*other, its_ids);
            if (HasFatalFailure()) return;
        }
        EXPECT_GT(reused, 10000u);
        running.clear();
        tree_->clear();
        EXPECT_EQ(store_->used_bytes(), 0u);
    }
}

TEST(PageStore, MemoryThatOnePartDoesNotUseGoesToTheOther) {
    NoDevice device;
    auto store =
        PageStore::create(device, {{kSlidingPage, kGlobalPage}}, kContext, 8 * kGlobalPage).take();
    std::vector<int32_t> sliding, global;
    for (int i = 0; i < 2; ++i) sliding.push_back(store.take(KvPart::kSliding));
    EXPECT_EQ(store.take(KvPart::kGlobal), kNoPage);
    for (const int32_t page : sliding) {
        store.pool().bytes(KvPart::kSliding, page)[5] = 1;
        store.give_back(KvPart::kSliding, page);
    }
    for (int i = 0; i < 8; ++i) {
        global.push_back(store.take(KvPart::kGlobal));
        EXPECT_NE(global.back(), kNoPage);
    }
    EXPECT_EQ(store.used_bytes(), store.budget_bytes());
    std::sort(global.begin(), global.end());
    EXPECT_EQ(std::unique(global.begin(), global.end()), global.end());
}

}  // namespace
}  // namespace facet
