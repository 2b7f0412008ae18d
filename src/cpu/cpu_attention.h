// Keys and values of the CPU device, and attention over them.
//
// Positions are taken in spans of 256, aligned to position 0. Within a span the softmax is
// complete; spans are merged in order with their largest scores. A query therefore sees the same
// sums in the same order whatever batch it is part of and whichever threads compute it. Global
// layers whose value is the raw key keep one row for both: the key follows from the value while it
// is expanded (gemma4-model 2.3). Knows nothing of weights in strips or of what surrounds
// attention.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "cpu/kernels.h"
#include "model/config.h"
#include "model/device.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace facet::cpu {

struct KvOptions {
    KvType type = KvType::kF16;
    bool one_copy = true;  // of key and value, where the one follows from the other
};

// Bytes that one position of a layer takes.
uint64_t kv_bytes_per_position(const LayerConfig& layer, const KvOptions& options);

// Memory besides the rows: at most this much, and this much more for a position of a context.
struct AttentionPlan {
    uint64_t bytes = 0;
    uint64_t bytes_per_position = 0;
};

class CpuAttention {
  public:
    // All must outlive this.
    CpuAttention(const ModelConfig& config, const Weights& weights, const Kernels& kernels,
                 const KvOptions& options, int32_t threads);

    // What heads and shapes attention can take. Errors: others.
    static Status check(const ModelConfig& config);

    Result<std::unique_ptr<KvPool>> make_pool(int32_t context, const PerPart<int32_t>& pages);

    // True if the layer keeps one row for key and value.
    bool is_shared(const LayerConfig& layer) const {
        return options_.one_copy && layer.value_is_key;
    }
    // Writes the row of one position and head. key [size] after norm and rotation (not read if
    // shared); value [size] after its norm.
    void store(int32_t layer, const BatchSequence& sequence, int32_t row, int32_t head,
               const float* key, const float* value) const;

    // Attention of a batch in one or two steps, each called by all threads with a barrier before
    // it: begin() once, by one thread, before the first.
    //   queries, out [T, H * size]; queries after norm and rotation
    void begin(int32_t layer, const Batch& batch);
    void attend(int32_t layer, const Batch& batch, const float* queries, float* out,
                int32_t thread);
    // True if finish() must be called.
    bool is_split() const { return split_; }
    void finish(int32_t layer, const Batch& batch, float* out, int32_t thread);

    static AttentionPlan plan(const ModelConfig& config, int32_t threads);

  private:
    struct Tile;
    // What one thread needs for itself.
    struct Scratch {
        std::vector<uint8_t> queries;    // [queries, size] expanded
        std::vector<uint8_t> tile;       // [kKeyTile, size] expanded
        std::vector<float> scores;       // [queries, kSpan]
        std::vector<uint8_t> weights;    // [queries, kSpan] expanded
        std::vector<float> part, total;  // [queries, size]
        std::vector<SpanSums> part_sums, total_sums;
    };

    // Numbers of spans [first, end) that a tile's queries see.
    struct SpanRange {
        int32_t first, end;
    };

    template <typename Visit>
    void each_tile(int32_t layer, const Batch& batch, const Visit& visit) const;
    void load_queries(const Tile& tile, const float* queries, Scratch& scratch) const;
    void attend_span(const Tile& tile, int32_t span, Scratch& scratch, SpanSums* sums,
                     float* out) const;
    void score_span(const Tile& tile, int32_t first, int32_t end, Scratch& scratch) const;
    void expand_keys(const Tile& tile, int32_t first, int32_t count, Scratch& scratch) const;
    void add(const Tile& tile, const SpanSums* part, const float* part_out, SpanSums* total,
             float* total_out) const;
    void write(const Tile& tile, const SpanSums* total, const float* total_out, float* out) const;
    const LayerConfig& layer_config(int32_t index) const {
        return config_.layers[static_cast<size_t>(index)];
    }

    const ModelConfig& config_;
    const Weights& weights_;
    const Kernels& kernels_;
    const KvOptions options_;
    std::vector<float> global_frequencies_;           // [pairs] those that turn at all
    std::vector<float> place_cosines_, place_sines_;  // [kRotationSpan, pairs]
    std::vector<Scratch> scratch_;                    // by thread
    const int32_t threads_;

    // The batch in work.
    bool split_ = false;  // spans of one tile are computed by several threads
    std::atomic<int64_t> next_task_{0};
    std::vector<float> parts_;  // outputs of spans, in the order of tasks
    std::vector<SpanSums> part_sums_;
};

}  // namespace facet::cpu
