// Which positions of one conversation are known, and in which storage row each layer keeps them.
//
// Global layers keep a row for every position; sliding layers keep a ring of the last window plus
// room for one batch and for taking back the newest tokens, never rows for the whole context. Owns:
// the bookkeeping, and the device's storage for it. Must not know: what a row holds (that is the
// device's business).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace facet {

// How many of the newest positions can be taken back while sliding layers still hold the window
// before them. A chat turn is taken back when its prompt is written differently in the next request
// (gemma4-chat 2.10).
inline constexpr int32_t kRollbackRows = 1024;

// How a device keeps keys and values. A row of q8_0 has an f16 scale for each 32 values.
enum class KvType : uint8_t { kF16, kQ8_0 };
constexpr int64_t kv_row_bytes(KvType type, int64_t values) {
    return type == KvType::kF16 ? 2 * values : values + values / 16;
}

// Rows of a ring are a multiple of this: devices read aligned runs of positions, which then never
// wrap.
inline constexpr int32_t kRingStep = 256;

// Memory of one conversation on a device; made by the device, opaque to everyone else.
class KvStorage {
  public:
    virtual ~KvStorage() = default;
};

class KvCache {
  public:
    // context: positions it can hold. batch_rows: the most rows that one forward step adds.
    KvCache(const ModelConfig& config, int32_t context, int32_t batch_rows);

    int32_t context() const { return context_; }
    // Positions [0, length()) are known.
    int32_t length() const { return length_; }
    int32_t layer_count() const { return static_cast<int32_t>(rows_.size()); }

    // Storage rows that a layer needs, and the row of a position.
    int32_t rows(int32_t layer) const { return rows_[static_cast<size_t>(layer)]; }
    int32_t row_of(int32_t layer, int32_t position) const { return position % rows(layer); }

    // Where to go on if positions [0, wanted) should be kept: wanted itself (at most length()), or
    // 0 if a sliding layer has overwritten the window before it.
    int32_t keepable(int32_t wanted) const;
    // Forgets positions from `length` on; `length` must be keepable.
    void truncate(int32_t length);
    // Positions [length(), length() + count) have been written in every layer.
    void advance(int32_t count);

    KvStorage* storage() const { return storage_.get(); }
    void set_storage(std::unique_ptr<KvStorage> storage) { storage_ = std::move(storage); }

  private:
    bool invariants_hold() const;

    int32_t context_ = 0;
    int32_t length_ = 0;
    int32_t written_ =
        0;  // highest position ever written since the ring was last consistent, plus one
    int32_t window_max_ = 0;
    int32_t ring_rows_ = 0;  // rows of a sliding layer; 0 if there is none
    std::vector<int32_t> rows_;
    std::unique_ptr<KvStorage> storage_;
};

// Bytes of a conversation's keys and values: for memory plans.
//   row_bytes[layer]  what one position of a layer takes
struct KvPlan {
    uint64_t sliding_bytes = 0;
    uint64_t global_bytes = 0;
    uint64_t bytes() const { return sliding_bytes + global_bytes; }
};
KvPlan plan_kv(const ModelConfig& config, int32_t context, int32_t batch_rows,
               const std::vector<uint64_t>& row_bytes);

}  // namespace facet
