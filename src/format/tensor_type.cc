#include "format/tensor_type.h"

#include <array>

#include "base/check.h"
#include "format/quant_blocks.h"

namespace facet {

namespace {

template <typename Block>
constexpr TensorTypeTraits row(TensorType type, std::string_view name) {
    return {type, name, Block::kElements, sizeof(Block), decode_blocks<Block>};
}

constexpr std::array kRows = {
    row<BlockF32>(TensorType::kF32, "F32"),
    row<BlockF16>(TensorType::kF16, "F16"),
    row<BlockBF16>(TensorType::kBF16, "BF16"),
    row<BlockQ4_0>(TensorType::kQ4_0, "Q4_0"),
    row<BlockQ4_1>(TensorType::kQ4_1, "Q4_1"),
    row<BlockQ5_0>(TensorType::kQ5_0, "Q5_0"),
    row<BlockQ5_1>(TensorType::kQ5_1, "Q5_1"),
    row<BlockQ8_0>(TensorType::kQ8_0, "Q8_0"),
    row<BlockQ2_K>(TensorType::kQ2_K, "Q2_K"),
    row<BlockQ3_K>(TensorType::kQ3_K, "Q3_K"),
    row<BlockQ4_K>(TensorType::kQ4_K, "Q4_K"),
    row<BlockQ5_K>(TensorType::kQ5_K, "Q5_K"),
    row<BlockQ6_K>(TensorType::kQ6_K, "Q6_K"),
    row<BlockIQ4_NL>(TensorType::kIQ4_NL, "IQ4_NL"),
    row<BlockIQ4_XS>(TensorType::kIQ4_XS, "IQ4_XS"),
    row<BlockMXFP4>(TensorType::kMXFP4, "MXFP4"),
};

// The row of a GGUF id, or null.
const TensorTypeTraits* find_row(uint32_t id) {
    for (const TensorTypeTraits& traits : kRows) {
        if (static_cast<uint32_t>(traits.type) == id) return &traits;
    }
    return nullptr;
}

}  // namespace

const TensorTypeTraits& traits_of(TensorType type) {
    const TensorTypeTraits* traits = find_row(static_cast<uint32_t>(type));
    FACET_CHECK(traits != nullptr);
    return *traits;
}

std::optional<TensorType> tensor_type_of_gguf_id(uint32_t id) {
    const TensorTypeTraits* traits = find_row(id);
    if (traits == nullptr) return std::nullopt;
    return traits->type;
}

std::span<const TensorTypeTraits> all_tensor_types() { return kRows; }

}  // namespace facet
