#include "engine/token_cost.h"

#include <algorithm>

#include "model/kv_cache.h"

namespace facet {

namespace {

constexpr KvForm kForms[] = {
    {"f16", 2, 2}, {"q8_0", 34.0 / 32, 34.0 / 32},  // 32 codes and a scale of two bytes
};

// How many positions a layer sees from one position on.
double visible(const LayerConfig& layer, int32_t position) {
    return layer.sliding ? std::min(layer.window, position + 1) : position + 1;
}

}  // namespace

std::span<const KvForm> kv_forms() { return kForms; }

TokenCost::TokenCost(const ModelConfig& config, const Weights& weights)
    : config_(config), weight_bytes_(static_cast<double>(token_bytes(config, weights).total())) {}

double TokenCost::decode_bytes(int32_t position, const KvForm& kv) const {
    double bytes = weight_bytes_;
    for (const LayerConfig& layer : config_.layers) {
        const double elements = 2.0 * layer.kv_width() * visible(layer, position);
        bytes += elements * (layer.sliding ? kv.sliding_bytes : kv.global_bytes);
    }
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

double kv_bytes(const ModelConfig& config, int32_t context, int32_t batch_rows, const KvForm& kv) {
    const KvPlan plan = plan_kv(config, context, batch_rows);
    return static_cast<double>(plan.sliding_elements) * kv.sliding_bytes +
           static_cast<double>(plan.global_elements) * kv.global_bytes;
}

}  // namespace facet
