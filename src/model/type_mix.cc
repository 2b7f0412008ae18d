#include "model/type_mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace facet {

namespace {

// What the rules look at.
struct Place {
    MatrixRole role;
    int32_t layer, layers;
    int32_t value, values;  // among the layers that have a value projection
    bool few_kv_heads;      // four or more query heads share one

    bool is_down() const { return role == MatrixRole::kDown || role == MatrixRole::kExpertDown; }
    bool is_value() const { return role == MatrixRole::kValue; }
    // The _M mixes spend more bits on the first and the last eighth, and on every third between.
    bool more_bits() const {
        const auto chosen = [](int32_t i, int32_t n) {
            return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
        };
        return (is_value() && chosen(value, values)) || (is_down() && chosen(layer, layers));
    }
    bool early_down() const { return is_down() && layer < layers / 8; }
};

struct Row {
    std::string_view name;
    TensorType base;
    // The type of a matrix where it is not the base; null if it always is.
    TensorType (*rule)(const Place&);
};

constexpr Row kRows[] = {
    {"F16", TensorType::kF16, nullptr},
    {"BF16", TensorType::kBF16, nullptr},
    {"Q8_0", TensorType::kQ8_0, nullptr},
    {"Q6_K", TensorType::kQ6_K, nullptr},
    {"Q5_K_M", TensorType::kQ5_K,
     [](const Place& at) { return at.more_bits() ? TensorType::kQ6_K : TensorType::kQ5_K; }},
    {"Q5_K_S", TensorType::kQ5_K, nullptr},
    {"Q4_K_M", TensorType::kQ4_K,
     [](const Place& at) { return at.more_bits() ? TensorType::kQ6_K : TensorType::kQ4_K; }},
    {"Q4_K_S", TensorType::kQ4_K,
     [](const Place& at) {
         return at.early_down() || (at.is_value() && at.value < 4) ? TensorType::kQ5_K
                                                                   : TensorType::kQ4_K;
     }},
    {"Q4_0", TensorType::kQ4_0, nullptr},
    {"IQ4_XS", TensorType::kIQ4_XS,
     [](const Place& at) {
         return at.early_down() || (at.is_value() && at.few_kv_heads) ? TensorType::kQ5_K
                                                                      : TensorType::kIQ4_XS;
     }},
    {"Q3_K_M", TensorType::kQ3_K,
     [](const Place& at) {
         if (at.is_value()) return at.value < 2 ? TensorType::kQ5_K : TensorType::kQ4_K;
         if (at.is_down()) return at.layer < at.layers / 16 ? TensorType::kQ5_K : TensorType::kQ4_K;
         return at.role == MatrixRole::kOutput ? TensorType::kQ4_K : TensorType::kQ3_K;
     }},
    {"Q2_K", TensorType::kQ2_K,
     [](const Place& at) {
         if (at.is_value()) return at.few_kv_heads ? TensorType::kQ4_K : TensorType::kQ3_K;
         return at.is_down() || at.role == MatrixRole::kOutput ? TensorType::kQ3_K
                                                               : TensorType::kQ2_K;
     }},
};

// What takes the place of a type of 256-blocks where a row is no whole number of them.
TensorType for_narrow_rows(TensorType type) {
    switch (type) {
        case TensorType::kQ4_K: return TensorType::kQ5_0;
        case TensorType::kQ5_K: return TensorType::kQ5_1;
        case TensorType::kQ6_K: return TensorType::kQ8_0;
        default: return TensorType::kIQ4_NL;
    }
}

int64_t columns_of(const ModelConfig& config, MatrixRole role, int32_t layer) {
    if (role == MatrixRole::kEmbedding) return config.width;
    const LayerConfig& at = config.layers[static_cast<size_t>(layer)];
    switch (role) {
        case MatrixRole::kOutput: return at.query_width();
        case MatrixRole::kDown: return at.ffn_width;
        case MatrixRole::kExpertDown: return at.expert_width;
        default: return config.width;
    }
}

// The tied head is never below 6 bits.
TensorType embedding_type(TensorType base) {
    const bool better = traits_of(base).block_elements == 1 || base == TensorType::kQ8_0;
    return better ? base : TensorType::kQ6_K;
}

std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return result;
}

}  // namespace

Result<TypeMix> TypeMix::named(std::string_view name) {
    std::string known;
    for (const Row& row : kRows) {
        if (upper(name) == row.name) return TypeMix(static_cast<int>(&row - kRows));
        known += (known.empty() ? "" : ", ") + std::string(row.name);
    }
    return invalid_input(fmt::format("mix of types {}: expected one of {}", name, known));
}

std::string_view TypeMix::name() const { return kRows[row_].name; }

TensorType TypeMix::type(const ModelConfig& config, MatrixRole role, int32_t layer) const {
    const Row& row = kRows[row_];
    TensorType type = row.base;
    if (role == MatrixRole::kEmbedding) {
        type = embedding_type(row.base);
    } else if (row.rule != nullptr) {
        const auto has_value = [](const LayerConfig& one) { return !one.value_is_key; };
        const auto first = config.layers.begin();
        const LayerConfig& lowest = config.layers.front();
        type = row.rule({role, layer, config.layer_count(),
                         static_cast<int32_t>(std::count_if(first, first + layer, has_value)),
                         static_cast<int32_t>(std::count_if(first, config.layers.end(), has_value)),
                         lowest.query_heads / lowest.kv_heads >= 4});
    }
    const int64_t columns = columns_of(config, role, layer);
    if (columns % traits_of(type).block_elements != 0) type = for_narrow_rows(type);
    return columns % traits_of(type).block_elements == 0 ? type : TensorType::kF16;
}

}  // namespace facet
