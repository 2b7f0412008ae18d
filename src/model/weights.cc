#include "model/weights.h"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <string_view>
#include <unordered_set>

namespace facet {

namespace {

using Shape = std::vector<uint64_t>;

// Finds tensors of one file by name, checks them, and remembers which were used.
class Binder {
  public:
    explicit Binder(const GgufFile& file) : file_(file) {}

    bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

    // A matrix of `rows` outputs and `columns` inputs.
    Result<Matrix> matrix(const std::string& name, int64_t rows, int64_t columns) {
        const TensorView* tensor = FACET_TRY(find(name, {unsigned_(columns), unsigned_(rows)}));
        return Matrix{tensor->type, rows, columns, tensor->bytes.data()};
    }

    // `experts` matrices of `rows` x `columns` each; first_row and row_count choose some rows of
    // each.
    Result<ExpertMatrices> experts(const std::string& name, int32_t experts, int64_t rows,
                                   int64_t columns, int64_t first_row, int64_t row_count) {
        const TensorView* tensor =
            FACET_TRY(find(name, {unsigned_(columns), unsigned_(rows), unsigned_(experts)}));
        const Matrix whole{tensor->type, rows, columns, tensor->bytes.data()};
        const Matrix chosen{tensor->type, row_count, columns, whole.row(first_row)};
        return ExpertMatrices{chosen, whole.bytes()};
    }

    // A vector, decoded.
    Result<std::vector<float>> vector(const std::string& name, int64_t size) {
        const TensorView* tensor = FACET_TRY(find(name, {unsigned_(size)}));
        const TensorTypeTraits& traits = traits_of(tensor->type);
        std::vector<float> values(unsigned_(size));
        traits.decode(tensor->bytes.data(), values.size() / traits.block_elements, values.data());
        for (size_t i = 0; i < values.size(); ++i) {
            if (std::isnan(values[i])) {
                return invalid_input(
                    fmt::format("{}: tensor {}: value {} is not a number", file_.path(), name, i));
            }
        }
        return values;
    }

    std::vector<std::string> unused() const {
        std::vector<std::string> names;
        for (const TensorView& tensor : file_.tensors()) {
            if (!used_.contains(&tensor)) names.push_back(tensor.name);
        }
        return names;
    }

  private:
    static uint64_t unsigned_(int64_t value) { return static_cast<uint64_t>(value); }

    Result<const TensorView*> find(const std::string& name, const Shape& expected) {
        const TensorView* tensor = file_.find_tensor(name);
        if (tensor == nullptr)
            return invalid_input(fmt::format("{}: tensor {}: missing", file_.path(), name));
        if (tensor->shape != expected) {
            return invalid_input(fmt::format("{}: tensor {}: expected shape [{}], found [{}]",
                                             file_.path(), name, fmt::join(expected, ", "),
                                             fmt::join(tensor->shape, ", ")));
        }
        used_.insert(tensor);
        return tensor;
    }

    const GgufFile& file_;
    std::unordered_set<const TensorView*> used_;
};

Status bind_attention(Binder& binder, const std::string& block, const ModelConfig& config,
                      const LayerConfig& layer, LayerWeights& weights) {
    const int64_t width = config.width;
    weights.attention_norm = FACET_TRY(binder.vector(block + "attn_norm.weight", width));
    weights.query = FACET_TRY(binder.matrix(block + "attn_q.weight", layer.query_width(), width));
    weights.key = FACET_TRY(binder.matrix(block + "attn_k.weight", layer.kv_width(), width));
    if (!layer.value_is_key) {
        weights.value = FACET_TRY(binder.matrix(block + "attn_v.weight", layer.kv_width(), width));
    }
    weights.output =
        FACET_TRY(binder.matrix(block + "attn_output.weight", width, layer.query_width()));
    weights.query_norm = FACET_TRY(binder.vector(block + "attn_q_norm.weight", layer.head_size));
    weights.key_norm = FACET_TRY(binder.vector(block + "attn_k_norm.weight", layer.head_size));
    weights.post_attention_norm =
        FACET_TRY(binder.vector(block + "post_attention_norm.weight", width));
    return {};
}

Status bind_experts(Binder& binder, const std::string& block, const ModelConfig& config,
                    const LayerConfig& layer, LayerWeights& weights) {
    const int64_t width = config.width;
    const int64_t inner = layer.expert_width;
    weights.dense_post_norm = FACET_TRY(binder.vector(block + "post_ffw_norm_1.weight", width));
    weights.router = FACET_TRY(binder.matrix(block + "ffn_gate_inp.weight", layer.experts, width));
    weights.router_scale = FACET_TRY(binder.vector(block + "ffn_gate_inp.scale", width));
    weights.expert_norm = FACET_TRY(binder.vector(block + "pre_ffw_norm_2.weight", width));
    weights.expert_post_norm = FACET_TRY(binder.vector(block + "post_ffw_norm_2.weight", width));
    // Ollama's converter has another name for the scale of each expert.
    const std::string other_scale = block + "ffn_gate_inp.per_expert_scale";
    weights.expert_scale = FACET_TRY(binder.vector(
        binder.has(other_scale) ? other_scale : block + "ffn_down_exps.scale", layer.experts));
    // Gate and up in one tensor, gate rows first, or in two.
    const std::string fused = block + "ffn_gate_up_exps.weight";
    if (binder.has(fused)) {
        weights.expert_gate =
            FACET_TRY(binder.experts(fused, layer.experts, 2 * inner, width, 0, inner));
        weights.expert_up =
            FACET_TRY(binder.experts(fused, layer.experts, 2 * inner, width, inner, inner));
    } else {
        weights.expert_gate = FACET_TRY(
            binder.experts(block + "ffn_gate_exps.weight", layer.experts, inner, width, 0, inner));
        weights.expert_up = FACET_TRY(
            binder.experts(block + "ffn_up_exps.weight", layer.experts, inner, width, 0, inner));
    }
    weights.expert_down = FACET_TRY(
        binder.experts(block + "ffn_down_exps.weight", layer.experts, width, inner, 0, width));
    return {};
}

Result<LayerWeights> bind_layer(Binder& binder, int32_t index, const ModelConfig& config) {
    const LayerConfig& layer = config.layers[static_cast<size_t>(index)];
    const std::string block = fmt::format("blk.{}.", index);
    LayerWeights weights;
    FACET_TRY(bind_attention(binder, block, config, layer, weights));
    weights.ffn_norm = FACET_TRY(binder.vector(block + "ffn_norm.weight", config.width));
    weights.gate =
        FACET_TRY(binder.matrix(block + "ffn_gate.weight", layer.ffn_width, config.width));
    weights.up = FACET_TRY(binder.matrix(block + "ffn_up.weight", layer.ffn_width, config.width));
    weights.down =
        FACET_TRY(binder.matrix(block + "ffn_down.weight", config.width, layer.ffn_width));
    if (layer.experts > 0) FACET_TRY(bind_experts(binder, block, config, layer, weights));
    weights.ffn_post_norm = FACET_TRY(binder.vector(block + "post_ffw_norm.weight", config.width));
    weights.output_scale = FACET_TRY(binder.vector(block + "layer_output_scale.weight", 1))[0];
    return weights;
}

Result<std::vector<float>> bind_rope_factors(Binder& binder, const GgufFile& file,
                                             const ModelConfig& config) {
    int32_t pairs = 0;
    for (const LayerConfig& layer : config.layers) {
        if (!layer.sliding) pairs = layer.head_size / 2;
    }
    if (pairs == 0 || !binder.has("rope_freqs.weight")) return default_rope_factors(pairs);
    std::vector<float> factors = FACET_TRY(binder.vector("rope_freqs.weight", pairs));
    for (size_t i = 0; i < factors.size(); ++i) {
        if (!(factors[i] > 0)) {
            return invalid_input(fmt::format(
                "{}: tensor rope_freqs.weight: value {}: expected more than 0, found {}",
                file.path(), i, factors[i]));
        }
    }
    return factors;
}

}  // namespace

Result<Weights> bind_weights(const GgufFile& file, const ModelConfig& config) {
    Binder binder(file);
    Weights weights;
    weights.files = file.mappings();
    weights.embedding =
        FACET_TRY(binder.matrix("token_embd.weight", config.vocabulary, config.width));
    weights.output_norm = FACET_TRY(binder.vector("output_norm.weight", config.width));
    weights.rope_factors = FACET_TRY(bind_rope_factors(binder, file, config));
    for (int32_t i = 0; i < config.layer_count(); ++i) {
        weights.layers.push_back(FACET_TRY(bind_layer(binder, i, config)));
    }
    const std::vector<std::string> unused = binder.unused();
    if (!unused.empty()) {
        weights.warnings.push_back(fmt::format("{} tensors of the file are not used, {} among them",
                                               unused.size(), unused.front()));
    }
    return weights;
}

// Global layers rotate the first quarter of their pairs; 1e30 is what files use to stop the others.
std::vector<float> default_rope_factors(int32_t pairs) {
    std::vector<float> factors(static_cast<size_t>(pairs), 1e30f);
    for (int32_t i = 0; i < pairs / 4; ++i) factors[static_cast<size_t>(i)] = 1.0f;
    return factors;
}

std::vector<float> rope_frequencies(const LayerConfig& layer, const Weights& weights) {
    std::vector<float> frequencies;
    for (int32_t i = 0; i < layer.head_size / 2; ++i) {
        const double power = std::pow(double(layer.rope_base), -2.0 * i / layer.head_size);
        const double divisor =
            layer.sliding ? 1.0 : double(weights.rope_factors[static_cast<size_t>(i)]);
        frequencies.push_back(static_cast<float>(power / divisor));
    }
    return frequencies;
}

TokenBytes token_bytes(const ModelConfig& config, const Weights& weights) {
    const auto vectors = [](std::initializer_list<const std::vector<float>*> list) {
        uint64_t bytes = 0;
        for (const std::vector<float>* vector : list) bytes += vector->size() * sizeof(float);
        return bytes;
    };
    TokenBytes bytes;
    for (size_t i = 0; i < weights.layers.size(); ++i) {
        const LayerWeights& layer = weights.layers[i];
        const auto used = static_cast<uint64_t>(config.layers[i].experts_used);
        bytes.attention += layer.query.bytes() + layer.key.bytes() + layer.output.bytes();
        if (layer.value.data != nullptr) bytes.attention += layer.value.bytes();
        bytes.dense_ffn += layer.gate.bytes() + layer.up.bytes() + layer.down.bytes();
        bytes.norms += vectors({&layer.attention_norm, &layer.query_norm, &layer.key_norm,
                                &layer.post_attention_norm, &layer.ffn_norm, &layer.dense_post_norm,
                                &layer.router_scale, &layer.expert_scale, &layer.expert_norm,
                                &layer.expert_post_norm, &layer.ffn_post_norm});
        if (config.layers[i].experts > 0) {
            bytes.router += layer.router.bytes();
            bytes.experts +=
                used * (layer.expert_gate.first.bytes() + layer.expert_up.first.bytes() +
                        layer.expert_down.first.bytes());
        }
    }
    bytes.norms += vectors({&weights.output_norm});
    bytes.head = weights.embedding.bytes();
    return bytes;
}

}  // namespace facet
