#include "engine/token_cost.h"

#include <algorithm>

namespace facet {

namespace {

// How many positions a layer sees from one position on.
double visible(const LayerConfig& layer, int32_t position) {
    return layer.sliding ? std::min(layer.window, position + 1) : position + 1;
}

}  // namespace

TokenCost::TokenCost(const ModelConfig& config, const Weights& weights) : config_(config) {
    const TokenBytes bytes = token_bytes(config, weights);
    head_bytes_ = static_cast<double>(bytes.head);
    weight_bytes_ = static_cast<double>(bytes.total() - bytes.head);
}

double TokenCost::decode_bytes(int32_t position, std::span<const uint64_t> kv_row_bytes,
                               double head_bytes) const {
    double bytes = weight_bytes_ + head_bytes;
    for (size_t i = 0; i < config_.layers.size(); ++i)
        bytes += static_cast<double>(kv_row_bytes[i]) * visible(config_.layers[i], position);
    return bytes;
}

double TokenCost::prefill_operations(int32_t position) const {
    double operations = 0;
    for (const LayerConfig& layer : config_.layers) {
        const double projections =
            layer.query_width() * 2.0 + layer.kv_width() * (layer.value_is_key ? 1.0 : 2.0);
        const double ffn =
            3.0 * layer.ffn_width + 3.0 * layer.experts_used * layer.expert_width + layer.experts;
        operations += 2.0 * config_.width * (projections + ffn);
        operations += 4.0 * layer.query_width() * visible(layer, position);
    }
    return operations;
}

double TokenCost::head_operations() const { return 2.0 * config_.width * config_.vocabulary; }

double TokenCost::prompt_operations(int32_t first, int32_t count) const {
    double operations = head_operations();
    for (int32_t i = 0; i < count; ++i) operations += prefill_operations(first + i);
    return operations;
}

}  // namespace facet
