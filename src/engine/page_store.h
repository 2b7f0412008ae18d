// Which pages of the KV pool are in use: one budget in bytes for both parts, kept exactly.
//
// A page that is given back is used again before a new one is touched, and its memory goes back to
// the system if the other part needs the bytes, so that what the pool takes never exceeds the
// budget. Must not know: what pages hold.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/kv_pool.h"

namespace facet {

class Device;

class PageStore {
  public:
    // A pool for conversations of up to `context` positions. Errors: not enough memory.
    static Result<PageStore> create(Device& device, const PerPart<uint64_t>& page_bytes,
                                    int32_t context, uint64_t budget_bytes);

    KvPool& pool() const { return *pool_; }
    // A page whose content is anything; kNoPage if the budget has none left.
    int32_t take(KvPart part);
    void give_back(KvPart part, int32_t page);

    uint64_t page_bytes(KvPart part) const { return pool_->page_bytes(part); }
    uint64_t budget_bytes() const { return budget_; }
    // Of pages in use.
    uint64_t used_bytes() const { return used_; }

  private:
    PageStore(std::unique_ptr<KvPool> pool, uint64_t budget)
        : pool_(std::move(pool)), budget_(budget) {}
    bool make_room(uint64_t bytes);

    std::unique_ptr<KvPool> pool_;
    uint64_t budget_ = 0;
    uint64_t used_ = 0;
    uint64_t touched_ = 0;                // of pages that hold memory: used, or written before
    PerPart<int32_t> next_;               // pages from here on were never used
    PerPart<std::vector<int32_t>> warm_;  // not in use, but hold memory
    PerPart<std::vector<int32_t>> cold_;  // not in use, memory given back
};

}  // namespace facet
