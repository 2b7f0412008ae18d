// The tensor types of GGUF files: one row a type, with its block size and its reference decode.
//
// Owns: ids, names, block sizes, decode (encode comes with `quantize`). The packed structs and the
// formulas are in quant_blocks.h. Knows nothing of Gemma or devices; a device may have faster forms
// of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace facet {

// Numbers are GGUF's type ids.
enum class TensorType : uint32_t {
    kF32 = 0,
    kF16 = 1,
    kQ4_0 = 2,
    kQ4_1 = 3,
    kQ5_0 = 6,
    kQ5_1 = 7,
    kQ8_0 = 8,
    kQ2_K = 10,
    kQ3_K = 11,
    kQ4_K = 12,
    kQ5_K = 13,
    kQ6_K = 14,
    kIQ4_NL = 20,
    kIQ4_XS = 23,
    kBF16 = 30,
    kMXFP4 = 39,
};

struct TensorTypeTraits {
    TensorType type;
    std::string_view name;    // as files and people write it: "Q4_K"
    uint32_t block_elements;  // values in one block; a row is a whole number of blocks
    uint32_t block_bytes;
    // Decodes `block_count` consecutive blocks at `blocks` (any alignment) into block_count *
    // block_elements values.
    void (*decode)(const uint8_t* blocks, size_t block_count, float* out);
};

// The row of a type.
const TensorTypeTraits& traits_of(TensorType type);
// The type of a GGUF id, or nothing if it is not one that Facet reads.
std::optional<TensorType> tensor_type_of_gguf_id(uint32_t id);
// All rows, for tests and tables.
std::span<const TensorTypeTraits> all_tensor_types();

// Bytes of a row of `elements` values; elements must be a multiple of the block size.
inline uint64_t row_bytes(TensorType type, uint64_t elements) {
    const TensorTypeTraits& traits = traits_of(type);
    return elements / traits.block_elements * traits.block_bytes;
}

}  // namespace facet
