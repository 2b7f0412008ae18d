// What a Gemma 4 model looks like, as data: everything that differs between variants and between
// layers.
//
// Owns: reading the configuration out of GGUF metadata, checking it as a whole, and the rows of the
// published variants. No device asks which model it is; it reads layers[i]. Must not know: devices,
// text. Source: docs gemma4-model sections 1 and 6.1 (facts from Hugging Face transformers and
// google-deepmind/gemma).
//
// Dimension letters, the same everywhere in model/ and below the device seam:
//   T rows of a batch     D width of the residual stream   H query heads   K key/value heads
//   h head size           F feed-forward width             E experts       V vocabulary
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/gguf.h"

namespace facet {

// Limits of what we accept; several times above every published model.
inline constexpr int64_t kLayerCountMax = 512;
inline constexpr int64_t kWidthMax = 1 << 16;
inline constexpr int64_t kFfnWidthMax = 1 << 18;
inline constexpr int64_t kHeadCountMax = 1024;
inline constexpr int64_t kHeadSizeMax = 4096;
inline constexpr int64_t kExpertCountMax = 1024;
inline constexpr int64_t kContextLengthMax = 1 << 24;
inline constexpr int64_t kVocabularyMax = 1 << 22;

struct LayerConfig {
    bool sliding = false;       // sees the last `window` positions only; else all of them
    int32_t window = 0;         // sliding layers: keys seen, the query's own position included
    int32_t head_size = 0;      // h
    int32_t query_heads = 0;    // H
    int32_t kv_heads = 0;       // K
    bool value_is_key = false;  // no value projection: V is the raw key projection (global layers)
    float rope_base = 0;
    int32_t ffn_width = 0;  // F of the dense branch
    int32_t experts = 0;    // E; 0 = dense layer
    int32_t experts_used = 0;
    int32_t expert_width = 0;  // F of one expert

    int32_t query_width() const { return query_heads * head_size; }
    int32_t kv_width() const { return kv_heads * head_size; }
};

struct ModelConfig {
    std::string name;     // general.name
    std::string variant;  // "26B-A4B", "31B", or "custom" for consistent files of other sizes
    int32_t width = 0;    // D
    int32_t vocabulary = 0;
    int32_t context_length = 0;
    float norm_epsilon = 0;
    float logit_softcap = 0;  // 0 = none
    std::vector<LayerConfig> layers;

    // Reads and checks the metadata and the presence of attn_v (which says whether V = K).
    // Errors: another architecture, a missing or contradicting key, a published variant that
    // differs from its row.
    static Result<ModelConfig> from_gguf(const GgufFile& file);

    // The shape of a published variant without a file: "26b-a4b", "31b"; also "26b-a4b-6l", its
    // first six layers, and "tiny", all of its kinds of parts in miniature. Case does not matter.
    // Errors: another name.
    static Result<ModelConfig> of_variant(std::string_view name);

    int32_t layer_count() const { return static_cast<int32_t>(layers.size()); }
};

// The largest of each size over the layers: what buffers are made for.
struct LayerSizes {
    int32_t query_width = 0;
    int32_t kv_width = 0;
    int32_t head_size = 0;
    int32_t ffn_width = 0;
    int32_t experts = 0;
    int32_t experts_used = 0;
    int32_t expert_width = 0;
};
LayerSizes largest_sizes(const ModelConfig& config);

}  // namespace facet
