// An index from contents to small consecutive ids: the caller keeps the contents, this finds them.
//
// Owns: the open-addressing table. Must not know: what is interned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace facet {

// Mixes one word into a hash. Source: the finalizer of splitmix64 (Steele, Lea, Flood 2014).
inline uint64_t mix_hash(uint64_t hash, uint64_t word) {
    uint64_t x = hash ^ (word + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2));
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

class InternTable {
  public:
    // The id whose contents are equal, or `next_id`, which the table then holds.
    //   is_equal(id)  compares the contents looked for with those of an id
    template <typename Equal>
    uint32_t find_or_add(uint64_t hash, uint32_t next_id, Equal is_equal) {
        if (2 * (count_ + 1) > slots_.size()) grow();
        const size_t mask = slots_.size() - 1;
        for (size_t at = hash & mask;; at = (at + 1) & mask) {
            Slot& slot = slots_[at];
            if (slot.id == kNone) {
                slot = {next_id, hash};
                ++count_;
                return next_id;
            }
            if (slot.hash == hash && is_equal(slot.id)) return slot.id;
        }
    }
    size_t bytes() const { return slots_.size() * sizeof(Slot); }

  private:
    static constexpr uint32_t kNone = UINT32_MAX;
    struct Slot {
        uint32_t id = kNone;
        uint64_t hash = 0;
    };
    void grow() {
        std::vector<Slot> old(slots_.empty() ? 64 : 2 * slots_.size());
        old.swap(slots_);
        const size_t mask = slots_.size() - 1;
        for (const Slot& slot : old) {
            if (slot.id == kNone) continue;
            size_t at = slot.hash & mask;
            while (slots_[at].id != kNone) at = (at + 1) & mask;
            slots_[at] = slot;
        }
    }

    std::vector<Slot> slots_;
    size_t count_ = 0;
};

}  // namespace facet
