// The model's tensors as named, typed fields: text names become fields once, and every shape is
// checked against the configuration before the first token.
//
// Matrices stay quantized where the file mapping holds them; vectors (norm weights and the like)
// are decoded to f32. Owns: names, variants of names, shapes. Must not know: devices. Source: docs
// gemma4-model 6.2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "format/gguf.h"
#include "model/config.h"

namespace facet {

// A matrix of a file: `rows` outputs, each a row of `columns` inputs in the blocks of `type`. A
// view.
struct Matrix {
    TensorType type = TensorType::kF32;
    int64_t rows = 0;
    int64_t columns = 0;
    const uint8_t* data = nullptr;

    uint64_t row_bytes() const { return facet::row_bytes(type, static_cast<uint64_t>(columns)); }
    uint64_t bytes() const { return row_bytes() * static_cast<uint64_t>(rows); }
    const uint8_t* row(int64_t index) const {
        return data + row_bytes() * static_cast<uint64_t>(index);
    }
};

// One matrix for each expert, equally spaced in the file.
struct ExpertMatrices {
    Matrix first;
    uint64_t stride_bytes = 0;

    Matrix operator[](int32_t expert) const {
        Matrix matrix = first;
        matrix.data += stride_bytes * static_cast<uint64_t>(expert);
        return matrix;
    }
};

struct LayerWeights {
    // Attention. q, k: [H*h, D], [K*h, D]; v: [K*h, D], absent (no data) where V = K; output: [D,
    // H*h].
    std::vector<float> attention_norm;  // [D]
    Matrix query, key, value, output;
    std::vector<float> query_norm, key_norm;  // [h]
    std::vector<float> post_attention_norm;   // [D]

    // Dense branch. gate, up: [F, D]; down: [D, F].
    std::vector<float> ffn_norm;  // [D]
    Matrix gate, up, down;
    std::vector<float> dense_post_norm;  // [D], layers with experts only

    // Experts. router: [E, D]; expert gate, up: [F, D] each; expert down: [D, F].
    Matrix router;
    std::vector<float> router_scale;  // [D]
    std::vector<float> expert_scale;  // [E]
    std::vector<float> expert_norm;   // [D]
    ExpertMatrices expert_gate, expert_up, expert_down;
    std::vector<float> expert_post_norm;  // [D]

    std::vector<float> ffn_post_norm;  // [D]
    float output_scale = 1;
};

struct Weights {
    Matrix embedding;                // [V, D], also the output head
    std::vector<float> output_norm;  // [D]
    // Global layers: each pair's frequency is divided by this, [h/2]. From the file, or the formula
    // if it has none: 1 for the first quarter, and a factor that stops the rotation for the rest.
    std::vector<float> rope_factors;
    std::vector<LayerWeights> layers;
    std::vector<std::string> warnings;  // what the file holds besides, in words
    // Where the matrices' bytes lie, for devices that read them rather than use the mapping; none
    // for bytes in memory.
    std::vector<std::shared_ptr<const MappedFile>> files;
};

// Binds and checks all tensors. The file must outlive the weights.
// Errors: a missing tensor, another shape than the configuration asks for; names file, tensor,
// expected, found.
Result<Weights> bind_weights(const GgufFile& file, const ModelConfig& config);

// The rope_factors of a model whose file has none, for heads of that many pairs.
std::vector<float> default_rope_factors(int32_t pairs);

// The rotation frequencies of a layer's pairs, [h/2]: base^(-2i/h), divided by the factors on
// global layers.
std::vector<float> rope_frequencies(const LayerConfig& layer, const Weights& weights);

// What one decoded token reads, by group, in bytes (all rows of the matrices it touches; KV not
// counted).
struct TokenBytes {
    uint64_t attention = 0;
    uint64_t dense_ffn = 0;
    uint64_t experts = 0;
    uint64_t router = 0;
    uint64_t norms = 0;  // norm weights and scales, as f32
    uint64_t head = 0;
    uint64_t total() const { return attention + dense_ffn + experts + router + norms + head; }
};
TokenBytes token_bytes(const ModelConfig& config, const Weights& weights);

}  // namespace facet
