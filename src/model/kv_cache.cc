#include "model/kv_cache.h"

#include <algorithm>

#include "base/check.h"

namespace facet {

KvCache::KvCache(const ModelConfig& config, int32_t context, int32_t batch_rows)
    : context_(context) {
    for (const LayerConfig& layer : config.layers)
        window_max_ = std::max(window_max_, layer.window);
    if (window_max_ > 0) {
        const int64_t wanted = int64_t{window_max_} - 1 + batch_rows + kRollbackRows;
        ring_rows_ = static_cast<int32_t>(
            std::min<int64_t>(context, (wanted + kRingStep - 1) / kRingStep * kRingStep));
    }
    for (const LayerConfig& layer : config.layers)
        rows_.push_back(layer.sliding ? ring_rows_ : context);
    FACET_CHECK(invariants_hold());
}

int32_t KvCache::keepable(int32_t wanted) const {
    const int32_t kept = std::min(wanted, length_);
    if (ring_rows_ == 0) return kept;
    // The next query, at position `kept`, sees back to kept - window + 1; those rows must not have
    // been overwritten.
    const int32_t oldest_needed = std::max(0, kept - window_max_ + 1);
    const int32_t oldest_held = std::max(0, written_ - ring_rows_);
    return oldest_needed >= oldest_held ? kept : 0;
}

void KvCache::truncate(int32_t length) {
    FACET_CHECK(keepable(length) == length);
    length_ = length;
    // With nothing kept, nothing is left that a later write could be missing.
    if (length == 0) written_ = 0;
    FACET_DCHECK(invariants_hold());
}

void KvCache::advance(int32_t count) {
    length_ += count;
    written_ = std::max(written_, length_);
    FACET_CHECK(invariants_hold());
}

bool KvCache::invariants_hold() const {
    return 0 <= length_ && length_ <= written_ && written_ <= context_ && ring_rows_ <= context_ &&
           (ring_rows_ == 0 || ring_rows_ == context_ || ring_rows_ >= window_max_);
}

KvPlan plan_kv(const ModelConfig& config, int32_t context, int32_t batch_rows,
               const std::vector<uint64_t>& row_bytes) {
    const KvCache cache(config, context, batch_rows);
    KvPlan plan;
    for (int32_t i = 0; i < config.layer_count(); ++i) {
        const auto at = static_cast<size_t>(i);
        (config.layers[at].sliding ? plan.sliding_bytes : plan.global_bytes) +=
            row_bytes[at] * static_cast<uint64_t>(cache.rows(i));
    }
    return plan;
}

}  // namespace facet
