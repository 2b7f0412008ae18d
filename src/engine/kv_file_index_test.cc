#include "engine/kv_file_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace facet {
namespace {

KvFileKey key(uint64_t number) { return {0, {0, number}, KvBlock::kGlobal}; }
KvFileNode node(std::optional<uint64_t> parent, int64_t last_use, uint64_t bytes = 10) {
    KvFileNode made = {true, std::nullopt, bytes, last_use};
    if (parent) made.parent = key(*parent);
    return made;
}

std::vector<uint64_t> numbers(const std::vector<KvFileKey>& keys) {
    std::vector<uint64_t> found;
    for (const KvFileKey& k : keys) found.push_back(k.identity.low);
    return found;
}

// All in the order in which they go.
std::vector<uint64_t> order_of_going(KvFileIndex index, const std::set<KvFileKey>& spared = {}) {
    std::vector<uint64_t> gone;
    while (const auto next = index.first_to_go(spared)) {
        gone.push_back(next->identity.low);
        index.remove(*next);
    }
    return gone;
}

TEST(KvFileIndex, LeastRecentlyUsedLeavesGoFirst) {
    KvFileIndex index;
    index.put(key(1), node({}, 1));
    index.put(key(2), node(1, 2));
    index.put(key(3), node(1, 4));
    index.put(key(4), node({}, 3));
    EXPECT_EQ(index.bytes(), 40u);
    EXPECT_EQ(order_of_going(index), (std::vector<uint64_t>{2, 4, 3, 1}));
    index.use(key(2), 9);
    EXPECT_EQ(order_of_going(index), (std::vector<uint64_t>{4, 3, 2, 1}));
}

TEST(KvFileIndex, AParentCountsAsUsedWithItsChildren) {
    KvFileIndex index;
    index.put(key(1), node({}, 1));
    index.put(key(2), node(1, 8));
    index.put(key(3), node({}, 5));
    index.remove(key(2));
    EXPECT_EQ(order_of_going(index), (std::vector<uint64_t>{3, 1}));
}

TEST(KvFileIndex, WhatLacksAParentIsUselessAndGoesFirst) {
    KvFileIndex index;
    index.put(key(3), node(2, 9));
    index.put(key(2), node(1, 9));
    index.put(key(5), node({}, 1));
    EXPECT_FALSE(index.is_useful(key(3)));
    EXPECT_EQ(numbers(index.useful()), (std::vector<uint64_t>{5}));
    EXPECT_EQ(order_of_going(index).back(), 5u);
    index.put(key(1), node({}, 9));
    EXPECT_TRUE(index.is_useful(key(3)));
    EXPECT_EQ(numbers(index.path_up(key(3))), (std::vector<uint64_t>{3, 2, 1}));
    EXPECT_EQ(order_of_going(index), (std::vector<uint64_t>{5, 3, 2, 1}));
    index.put(key(2), {false, std::nullopt, 10, 9});
    EXPECT_FALSE(index.is_useful(key(3)));
    EXPECT_TRUE(index.path_up(key(3)).empty());
}

TEST(KvFileIndex, SparedFilesStay) {
    KvFileIndex index;
    index.put(key(1), node({}, 1));
    index.put(key(2), node({}, 2));
    EXPECT_EQ(order_of_going(index, {key(1)}), (std::vector<uint64_t>{2}));
}

TEST(KvFileIndex, CyclesAreUseless) {
    KvFileIndex index;
    index.put(key(1), node(1, 1));
    index.put(key(2), node(3, 1));
    index.put(key(3), node(2, 1));
    EXPECT_TRUE(index.useful().empty());
    // A file that is replaced by one below what hung below it.
    index.put(key(4), node({}, 1));
    index.put(key(5), node(4, 1));
    index.put(key(4), node(5, 1));
    EXPECT_TRUE(index.useful().empty());
    EXPECT_EQ(order_of_going(index).size(), 5u);
}

// The same, written down as plainly as it can be.
struct PlainIndex {
    std::map<KvFileKey, KvFileNode> nodes;

    bool useful(const KvFileKey& k) const {
        std::optional<KvFileKey> at = k;
        for (size_t steps = 0; steps <= nodes.size(); ++steps) {
            const auto found = nodes.find(*at);
            if (found == nodes.end() || !found->second.readable) return false;
            at = found->second.parent;
            if (!at) return true;
        }
        return false;
    }
    bool may_go(const KvFileKey& k) const {
        return !useful(k) || std::none_of(nodes.begin(), nodes.end(), [&](const auto& other) {
            return other.second.parent == k;
        });
    }
    std::optional<KvFileKey> first_to_go() const {
        std::optional<KvFileKey> first;
        const auto order = [&](const KvFileKey& k) {
            return std::tuple(useful(k), nodes.at(k).last_use, k);
        };
        for (const auto& [k, n] : nodes) {
            if (may_go(k) && (!first || order(k) < order(*first))) first = k;
        }
        return first;
    }
    void remove(const KvFileKey& k) {
        if (!nodes.contains(k)) return;
        const bool was_useful = useful(k);
        const KvFileNode gone = nodes[k];
        nodes.erase(k);
        if (!was_useful || !gone.parent) return;
        int64_t& last_use = nodes.at(*gone.parent).last_use;
        last_use = std::max(last_use, gone.last_use);
    }
};

void expect_same(const KvFileIndex& index, const PlainIndex& plain) {
    uint64_t bytes = 0;
    size_t useful = 0;
    for (const auto& [k, n] : plain.nodes) {
        bytes += n.bytes;
        useful += plain.useful(k) ? 1 : 0;
        ASSERT_EQ(index.is_useful(k), plain.useful(k)) << k.identity.low;
        ASSERT_EQ(index.find(k)->last_use, n.last_use);
    }
    ASSERT_EQ(index.size(), plain.nodes.size());
    ASSERT_EQ(index.bytes(), bytes);
    ASSERT_EQ(index.useful().size(), useful);
    ASSERT_EQ(index.first_to_go({}), plain.first_to_go());
}

TEST(KvFileIndex, AgreesWithAPlainOne) {
    std::mt19937 random(5);
    for (int round = 0; round < 60; ++round) {
        KvFileIndex index;
        PlainIndex plain;
        for (int step = 0; step < 120; ++step) {
            const KvFileKey k = key(random() % 12);
            const int64_t now = static_cast<int64_t>(random() % 50);
            if (random() % 3 != 0) {
                KvFileNode made = node({}, now, random() % 100);
                made.readable = random() % 8 != 0;
                // A new parent takes a file out and puts it in again.
                if (made.readable && random() % 4 != 0) made.parent = key(random() % 12);
                const auto old = plain.nodes.find(k);
                if (old == plain.nodes.end() || old->second.parent != made.parent ||
                    old->second.readable != made.readable) {
                    plain.remove(k);
                }
                index.put(k, made);
                plain.nodes[k] = made;
            } else if (random() % 2 == 0) {
                index.remove(k);
                plain.remove(k);
            } else if (plain.nodes.contains(k)) {
                index.use(k, now);
                plain.nodes[k].last_use = now;
            }
            ASSERT_NO_FATAL_FAILURE(expect_same(index, plain));
        }
    }
}

}  // namespace
}  // namespace facet
