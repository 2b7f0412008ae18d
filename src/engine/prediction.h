// How fast a model will run on a machine, from what a token costs and what the machine can do.
#pragma once

#include "engine/token_cost.h"

namespace facet {

struct MachineLimits {
    double read_bytes_per_s = 0;
    double int8_operations_per_s = 0;
};

// What our kernels reach of the two limits; the predictions count on these. Bandwidth: 0.93 where
// cores share a slow link, 0.75 where each has a fast one.
inline constexpr double kReachedOfBandwidth = 0.85;
inline constexpr double kReachedOfPeak = 0.58;

struct Prediction {
    double tokens_per_s = 0;
    double bytes = 0;       // read for one token
    double operations = 0;  // for one token
    bool memory_bound = false;
};

// Tokens decoded one by one with `depth` tokens before them, for each of which `head_share` of the
// output head is read.
Prediction predict_decode(const TokenCost& cost, int32_t depth,
                          std::span<const uint64_t> kv_row_bytes, double head_share,
                          const MachineLimits& limits);

// A prompt of `count` tokens in batches of `batch_rows`; a batch reads `weight_bytes`, nearly all
// weights of the model, once.
Prediction predict_prefill(const TokenCost& cost, int32_t count, int32_t batch_rows,
                           double weight_bytes, const MachineLimits& limits);

}  // namespace facet
