// What the tests of the kernels share: the tables, random and chosen weights, tiles, products.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/half.h"
#include "cpu/cpu_kernels.h"
#include "cpu/kernels.h"
#include "cpu/strips.h"
#include "cpu/tile_rows.h"

namespace facet::cpu {

const Kernels* kernels_avxvnni_evex();

// The tables of this machine, and the twin of AVX-VNNI's where AVX-512 can run it
// (kernels_avxvnni_evex_test.cc).
inline std::vector<const Kernels*> tested_kernels() {
    std::vector<const Kernels*> tables = usable_kernels();
#if defined(__x86_64__)
    if (choose_kernels("avx512").ok()) tables.push_back(kernels_avxvnni_evex());
#endif
    return tables;
}

inline std::mt19937 random_source(1);

inline float random_normal() {
    std::normal_distribution<float>
        normal;  // a static one would keep half a pair across a new seed
    return normal(random_source);
}

// Where in a block its f16 scales and minima stand.
inline std::vector<size_t> halves_of(TensorType type) {
    switch (type) {
        case TensorType::kQ4_0:
        case TensorType::kQ5_0:
        case TensorType::kQ8_0:
        case TensorType::kIQ4_NL:
        case TensorType::kIQ4_XS: return {0};
        case TensorType::kQ4_1:
        case TensorType::kQ5_1:
        case TensorType::kQ4_K:
        case TensorType::kQ5_K: return {0, 2};
        case TensorType::kQ2_K: return {80, 82};
        case TensorType::kQ3_K: return {108};
        case TensorType::kQ6_K: return {208};
        case TensorType::kF32:
        case TensorType::kF16:
        case TensorType::kBF16:
        case TensorType::kMXFP4: return {};
    }
    return {};
}

inline void put_half(float value, uint8_t* at) {
    const uint16_t half = float_to_f16(value);
    std::memcpy(at, &half, 2);
}

// Random blocks of a type with finite scales; `extreme` uses the largest and smallest codes and
// scales.
inline std::vector<uint8_t> random_rows(TensorType type, int64_t rows, int64_t columns,
                                        bool extreme) {
    const TensorTypeTraits& traits = traits_of(type);
    std::vector<uint8_t> bytes(static_cast<size_t>(rows) *
                               row_bytes(type, static_cast<uint64_t>(columns)));
    for (uint8_t& byte : bytes) {
        const uint32_t r = random_source();
        byte = static_cast<uint8_t>(extreme ? (r % 3 == 0 ? 0x00 : r % 3 == 1 ? 0xff : 0x80) : r);
    }
    const auto scale = [&] {
        return extreme ? (random_source() % 2 ? 600.0f : -6e-5f) : 0.01f * random_normal();
    };
    const std::vector<size_t> halves = halves_of(type);
    for (uint8_t* block = bytes.data(); block < bytes.data() + bytes.size();
         block += traits.block_bytes) {
        for (const size_t half : halves) put_half(scale(), block + half);
        if (type == TensorType::kF32) {
            const float value = random_normal();
            std::memcpy(block, &value, 4);
        } else if (type == TensorType::kF16) {
            put_half(scale(), block);
        } else if (type == TensorType::kBF16) {
            const uint16_t half = float_to_bf16(random_normal());
            std::memcpy(block, &half, 2);
        } else if (type == TensorType::kMXFP4) {
            block[0] =
                static_cast<uint8_t>(extreme ? random_source() % 140 : 110 + random_source() % 20);
        }
    }
    return bytes;
}

// Columns that share a scale of activations for weights of this type.
inline int group_of(TensorType type) {
    return traits_of(type).block_elements == kSuperBlock ? kSuperBlock : 32;
}

// `count` rows of activations as one tile, in both forms, with a scale for `group` columns.
struct Activations {
    TileRows rows;
    Tile tile;

    Activations(const Kernels& table, const std::vector<float>& x, int64_t columns, int group,
                int count)
        : rows(count, columns, {true, true, group == kSuperBlock}), tile(rows.tile(0, count)) {
        for (int t = 0; t < count; ++t) {
            table.quantize(&x[static_cast<size_t>(t * columns)], columns, group, tile, t);
            store_values(&x[static_cast<size_t>(t * columns)], columns, tile, t);
        }
    }
    int code(int64_t column, int row) const {
        return tile.codes[(column / 4 * tile.count + row) * 4 + column % 4];
    }
    float scale(int64_t column, int row) const {
        return tile.scale[column / 32 * tile.count + row];
    }
};

// Products of all rows of a matrix with a tile, by one table; [count, rows]. The strip starts
// `offset` bytes, the output `offset` floats after where memory was allocated, and nothing follows
// them, so that AddressSanitizer sees a kernel that reads or writes past an end.
inline std::vector<float> multiply(const Kernels& table, const Matrix& matrix, const Tile& input,
                                   size_t offset = 0) {
    const int height = table.rows;
    std::vector<uint8_t> strip(offset + static_cast<size_t>(height) * matrix.row_bytes());
    std::vector<float> out(static_cast<size_t>(input.count * matrix.rows)),
        tile(offset + static_cast<size_t>(input.count * height));
    const bool floats = traits_of(matrix.type).block_elements == 1;
    for (int64_t row = 0; row < matrix.rows; row += height) {
        pack_strip(matrix, row, height, strip.data() + offset);
        table.strip[static_cast<size_t>(strip_type(matrix.type))](
            strip.data() + offset, floats ? matrix.columns : matrix.columns / 32, input,
            tile.data() + offset, row % (2 * height) == 0 ? nullptr : strip.data() + offset);
        for (int t = 0; t < input.count; ++t) {
            for (int r = 0; r < height && row + r < matrix.rows; ++r) {
                out[static_cast<size_t>(t * matrix.rows + row + r)] =
                    tile[offset + static_cast<size_t>(t * height + r)];
            }
        }
    }
    return out;
}

// The same bits, or not a number on both sides (whose other bits are no one's promise).
inline bool same(float a, float b) { return std::memcmp(&a, &b, 4) == 0 || (a != a && b != b); }

// All tables must give the same, not-a-number included: `first` is that of the first.
inline void expect_same(const std::vector<float>& found, std::vector<float>& first,
                        const char* name) {
    if (first.empty()) first = found;
    for (size_t i = 0; i < found.size(); ++i) {
        ASSERT_TRUE(same(found[i], first[i]))
            << name << " element " << i << ": " << found[i] << ", " << first[i];
    }
}

}  // namespace facet::cpu
