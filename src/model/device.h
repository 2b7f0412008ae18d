// The seam between the forward pass and the machine: a device computes coarse blocks for T rows at
// once.
//
// A device holds the weights in whatever form it likes, the activations of the batch in work, and
// the KV rows of every conversation. Nothing above the seam sees a pointer into them. There is no
// separate decode and prefill: T may be 1. The reference device (reference_device.h) is the
// specification; others are tested against it block by block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/kv_cache.h"
#include "model/logits.h"
#include "model/phase_times.h"

namespace facet {

// Consecutive rows of a batch that belong to one conversation.
struct BatchSequence {
    KvCache* cache = nullptr;
    int32_t first_row = 0;  // in the batch
    int32_t row_count = 0;
    int32_t first_position = 0;  // of the first row in the conversation; equals cache->length()
};

// One step's work: T rows, from one conversation or several.
struct Batch {
    std::span<const int32_t> tokens;           // [T]
    std::span<const BatchSequence> sequences;  // cover the rows in order
    std::span<const WantedRow> wanted;         // rows whose logits are wanted

    int32_t row_count() const { return static_cast<int32_t>(tokens.size()); }
};

// What a device takes besides the weights, known before it is made: for memory plans.
struct DevicePlan {
    std::string_view name;
    int32_t batch_rows = 0;                // the most rows of one batch
    std::vector<uint64_t> kv_row_bytes;    // of one position, for each layer
    uint64_t work_bytes = 0;               // everything besides weights and KV
    uint64_t work_bytes_per_position = 0;  // and more of it for each position of a context
};

// Bytes of weights that are ready, of all, while a device is made: first 0, last all of them, in
// the thread that makes it. False cancels.
using LoadProgress = std::function<bool(uint64_t done, uint64_t total)>;

// What an output head has done since the device was made.
struct HeadCounts {
    int64_t rows = 0;            // that were wanted
    int64_t estimated_rows = 0;  // of them in two stages: all logits estimated, few computed
    int64_t complete_rows = 0;   // of these, where the estimates did not do
    int64_t logits = 0;          // exact ones that were computed, in batches of any size
    uint64_t bytes = 0;          // of its weights that were read
};

class Device {
  public:
    virtual ~Device() = default;

    virtual std::string_view name() const = 0;
    // Names how it computes: two devices of the same arithmetic give the same bits.
    virtual std::string_view arithmetic() const { return name(); }
    // The most rows one batch may have.
    virtual int32_t batch_rows_max() const = 0;

    // Memory for the keys and values of conversations of up to `context` positions. Errors: not
    // enough memory.
    virtual Result<std::unique_ptr<KvPool>> make_kv_pool(int32_t context,
                                                         const PerPart<int32_t>& pages) = 0;

    // The blocks, in the order forward() calls them. The residual stream x [T, D] stays inside the
    // device.
    virtual void embed(const Batch& batch) = 0;  // x = sqrt(D) * E[token]
    virtual void attention_block(int32_t layer,
                                 const Batch& batch) = 0;  // x += attention; writes KV
    virtual void ffn_block(int32_t layer,
                           const Batch& batch) = 0;  // x = scale * (x + feed-forward)
    // Answers batch.wanted. The values of a list are, bit for bit, those that the same row gives
    // where all its logits are wished for, whatever else is in the batch.
    virtual void logits(const Batch& batch) = 0;

    // The residual stream x [rows, D] of the batch in work, out of the device and into it: how
    // tests compare two devices block by block.
    virtual void read_residual(int32_t rows, float* x) const = 0;
    virtual void write_residual(int32_t rows, const float* x) = 0;

    // Times since the device was made; null if it does not take any.
    virtual const PhaseTimes* phase_times() const { return nullptr; }
    // Null if the device does not count.
    virtual const HeadCounts* head_counts() const { return nullptr; }
};

}  // namespace facet
