// The kernels of the CPU device: one constant table of functions for each instruction set, chosen
// at start.
//
// The tables compute the same thing bit for bit: products of 8-bit codes are summed in integers,
// which is exact, and the float operations that follow happen in one fixed order, written once in
// kernels.inl. Only the height of a strip differs. An instruction-set file includes this header,
// intrinsics and .inl bodies, nothing else: a shared inline function compiled with AVX-512 could
// replace the plain one at link time.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace facet::cpu {

// Most activation rows that one call of a strip kernel takes.
inline constexpr int kColumnsMax = 8;

// Up to kColumnsMax rows of activations side by side, as a strip kernel reads them: 8-bit codes
// with one scale for each 32 columns, interleaved by row in units of what is read at once. Somebody
// else's memory.
struct Tile {
    int count;                // rows, 1..kColumnsMax
    int8_t* codes;            // [columns / 4, count, 4] value = code * scale
    float* scale;             // [columns / 32, count]
    int32_t* negative_sum32;  // [columns / 32, count] minus the sum of the codes
    int32_t* negative_sum16;  // [columns / 16, count]
    float* scaled_sum32;      // [columns / 32, count] scale * sum of the codes
    float* scaled_sum16;      // [columns / 16, count]
    float* values;            // [columns, count] the rows unquantized, for float weights
};

// out[t * rows + r] = inner product of row r of the strip and row t of the tile.
//   strip   one strip of `rows` interleaved rows (strips.h), `blocks` of 32 columns long (float
//   weights: of 1 column) out     [tile.count, rows] f32
using StripKernel = void (*)(const uint8_t* strip, int64_t blocks, const Tile& tile, float* out);

struct Kernels {
    const char* name;  // "avx512", as --isa takes it
    int rows;          // height of a strip
    // By StripType.
    StripKernel strip[16];

    // Quantizes x [columns] into row `slot` of the tile: scale = largest magnitude / 127, codes
    // rounded to nearest even. Columns are a multiple of 32.
    void (*quantize)(const float* x, int64_t columns, const Tile& tile, int slot);

    // scores[g * stride + j] = inner product of query g and key j, for the `heads` queries that
    // share keys.
    //   queries [heads, size] f32; keys: `count` rows of `size` f16, key_stride elements apart;
    //   size a multiple of 16
    void (*score)(const float* queries, int heads, const uint16_t* keys, int64_t key_stride,
                  int64_t count, int size, float* scores, int64_t stride);
    // out[g, i] += sum over j of weights[g * stride + j] * value j [i].
    void (*add_values)(const float* weights, int64_t stride, int heads, const uint16_t* values,
                       int64_t value_stride, int64_t count, int size, float* out);
    // f32 to f16, to nearest even; n a multiple of 16.
    void (*to_f16)(const float* x, int64_t n, uint16_t* out);
    // out[i] = gelu(gate[i]) * up[i]; n a multiple of 16. gelu is the tanh approximation, within
    // 2e-7 of exact.
    void (*gelu_multiply)(const float* gate, const float* up, int64_t n, float* out);
    // Multiplies 8-bit codes from registers as fast as the machine can, `rounds` times; returns the
    // operations done (a multiply-add is two), and through `sink` something that depends on all of
    // them.
    int64_t (*peak)(int64_t rounds, int32_t* sink);
    // In place: exp(x - max) / sum over n values, n a multiple of 16; minus infinity gives exactly
    // zero.
    void (*softmax)(float* x, int64_t n);
    // In place: cap * tanh(x / cap) within 4e-7 * cap; n a multiple of 16.
    void (*soft_cap)(float* x, int64_t n, float cap);
    // Reads `bytes` (a multiple of 512) from end to end with the widest loads, as fast as memory
    // allows; returns something that depends on all of them.
    int64_t (*read)(const uint8_t* data, int64_t bytes);
};

// The tables; the last two are for x86-64 only.
const Kernels* kernels_scalar();
const Kernels* kernels_avx2();
const Kernels* kernels_avx512();

}  // namespace facet::cpu
