#include "engine/prediction.h"

#include <algorithm>

namespace facet {

namespace {

Prediction limited(double bytes, double operations, const MachineLimits& limits) {
    const double memory = bytes / (limits.read_bytes_per_s * kReachedOfBandwidth);
    const double arithmetic = operations / (limits.int8_operations_per_s * kReachedOfPeak);
    return {1 / std::max(memory, arithmetic), bytes, operations, memory > arithmetic};
}

}  // namespace

Prediction predict_decode(const TokenCost& cost, int32_t depth,
                          std::span<const uint64_t> kv_row_bytes, double head_share,
                          const MachineLimits& limits) {
    return limited(cost.decode_bytes(depth, kv_row_bytes, head_share * cost.whole_head_bytes()),
                   cost.prefill_operations(depth) + cost.head_operations(), limits);
}

Prediction predict_prefill(const TokenCost& cost, int32_t count, int32_t batch_rows,
                           double weight_bytes, const MachineLimits& limits) {
    const int32_t batches = (count + batch_rows - 1) / batch_rows;
    return limited(weight_bytes * batches / count, cost.prompt_operations(0, count) / count,
                   limits);
}

}  // namespace facet
