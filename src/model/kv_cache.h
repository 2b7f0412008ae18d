// Where one conversation keeps its keys and values: which page of the pool holds which of its
// positions.
//
// A query sees every position of global layers, and the last window of sliding layers; pages of
// sliding layers that nothing sees any more may be taken away. Owns: the table. Must not know: who
// else uses a page.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "model/kv_pool.h"

namespace facet {

inline constexpr int32_t kNoPage = -1;

class KvCache {
  public:
    // context: positions it can hold. The pool must outlive it.
    KvCache(const ModelConfig& config, int32_t context, KvPool* pool);

    KvPool* pool() const { return pool_; }
    int32_t context() const { return context_; }
    // Positions [0, length()) are known.
    int32_t length() const { return length_; }
    void set_length(int32_t length);
    // Positions [length(), length() + count) have been written in every layer.
    void advance(int32_t count) { set_length(length_ + count); }

    // The page of positions [index * kPagePositions, ...), kNoPage for none.
    int32_t page(KvPart part, int32_t index) const {
        return pages_[part][static_cast<size_t>(index)];
    }
    // The row of a position in one run of a layer; the rows of its page follow.
    uint8_t* row(int32_t layer, int64_t run, int32_t position) const {
        return pool_->row(layer, run, page(pool_->part(layer), position / kPagePositions),
                          position % kPagePositions);
    }
    void set_page(KvPart part, int32_t index, int32_t page) {
        pages_[part][static_cast<size_t>(index)] = page;
    }
    // The first page that queries from `position` on see.
    int32_t first_page(KvPart part, int32_t position) const;
    // True if the pages are there that `rows` more positions see and write.
    bool has_pages_for(int32_t rows) const;

  private:
    KvPool* pool_;
    int32_t context_;
    int32_t window_;
    int32_t length_ = 0;
    PerPart<std::vector<int32_t>> pages_;
    PerPart<bool> has_layers_;
};

}  // namespace facet
