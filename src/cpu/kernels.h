// The kernels of the CPU device: one constant table of functions for each instruction set, chosen
// at start.
//
// The tables compute the same thing bit for bit: products of 8-bit codes are summed in integers,
// which is exact, and the float operations that follow happen in one fixed order, written once in
// kernels.inl and attention.inl. Only the height of a strip differs, and a table whose attention
// multiplies bf16 instead of floats (avx512bf16) gives other bits there. An instruction-set file
// includes this header, intrinsics and .inl bodies, nothing else: a shared inline function compiled
// with AVX-512 could replace the plain one at link time.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace facet::cpu {

// Most activation rows that one call of a strip kernel takes.
inline constexpr int kColumnsMax = 8;
// Columns of a super-block. Weights in super-blocks take activations that have one scale for as
// many columns, so that all sums below it are integers.
inline constexpr int kSuperBlock = 256;

// Up to kColumnsMax rows of activations side by side, as a strip kernel reads them: 8-bit codes
// with a scale for each 32 columns (the same one eight times where it is one for a super-block),
// interleaved by row in units of what is read at once. Somebody
// else's memory.
struct Tile {
    int count;                // rows, 1..kColumnsMax
    int8_t* codes;            // [columns / 4, count, 4] value = code * scale
    float* scale;             // [columns / 32, count]
    int32_t* negative_sum32;  // [columns / 32, count] minus the sum of the codes
    float* scaled_sum32;      // [columns / 32, count] scale * sum of the codes
    int32_t* sum_pairs16;     // [columns / 32, count] sums of the codes of 16 columns, two halves
    int32_t* sum_pairs32;     // [columns / 64, count] the same of 32 columns
    float* values;            // [count, columns] the rows unquantized, for float weights
};

// out[t * rows + r] = inner product of row r of the strip and row t of the tile.
//   strip   one strip of `rows` interleaved rows (strips.h), `blocks` of 32 columns long (float
//           weights: of 1 column)
//   out     [tile.count, rows] f32
//   next    as many bytes from here on are fetched into the second-level cache meanwhile; null for
//           nothing
using StripKernel = void (*)(const uint8_t* strip, int64_t blocks, const Tile& tile, float* out,
                             const uint8_t* next);

// A strip in two planes of bits (strips.h): the high bits of all codes with the scales, and the low
// bits. Null pointers for no strip.
struct PlaneStrip {
    const uint8_t* high;
    const uint8_t* low;
};

// Kernels of strips in planes, for the output head.
struct PlaneKernels {
    // As StripKernel, bit for bit what it gives for the same weights in one piece.
    void (*multiply)(PlaneStrip strip, int64_t blocks, const Tile& tile, float* out,
                     PlaneStrip next);
    // out[r] = inner product of the only row of the tile and row r of the strip with its low bits
    // replaced by their middle. Reads the high plane only.
    void (*estimate)(const uint8_t* high, int64_t blocks, const Tile& tile, float* out);
    // out[r] = Euclidean norm of what that leaves out of row r.
    void (*residual_norms)(PlaneStrip strip, int64_t blocks, float* out);
    bool estimates_fast;  // an estimate takes clearly less arithmetic than a product
};

// How a key follows from the value of the same position, which is its projection after the norm
// without weights: times the weight of the key norm, then turned by the position. Dimensions i and
// i + size / 2 turn together for i < pairs, a multiple of 16. The angle of a position is that of
// its span of kRotationSpan positions plus that of its place in it.
inline constexpr int kRotationSpan = 64;
struct KeyRotation {
    const float* weight;  // [size]
    int pairs;
    const float *span_cosines, *span_sines;    // [pairs]
    const float *place_cosines, *place_sines;  // [kRotationSpan, pairs]
};

// What a softmax needs to know of a part of the scores.
struct SpanSums {
    float largest;  // minus infinity if all are masked out
    float sum;      // of exp(score - largest), as expanded
};

// Pointers to bytes may be odd; others are multiples of their type's size, no more. What is not a
// number goes through every kernel as such, never as a number.
struct Kernels {
    const char* name;  // "avx512", as --isa takes it
    int rows;          // height of a strip
    // By StripType.
    StripKernel strip[16];

    // Quantizes x [columns] into row `slot` of the tile: for each `group` columns, 32 or
    // kSuperBlock, scale = largest magnitude / 127, codes rounded to nearest even. Columns are a
    // multiple of the group. Where one of the values of a group is not a number or infinite, their
    // scale is not finite.
    void (*quantize)(const float* x, int64_t columns, int group, const Tile& tile, int slot);

    // Norms and rotations in the order of model/reference_math.h, every product and sum rounded; n
    // and half are multiples of 16.
    // The sum of the squares of x [n].
    float (*sum_of_squares)(const float* x, int64_t n);
    // out[i] = x[i] * scale * weight[i]; weight null: without. out may be x.
    void (*scale_row)(const float* x, float scale, const float* weight, int64_t n, float* out);
    // out[i] = (out[i] + x[i] * scale * weight[i]) * factor.
    void (*add_row)(const float* x, float scale, const float* weight, int64_t n, float factor,
                    float* out);
    // Turns head [2 * half] in place: i and i + half together, by the angle of the i-th cosine.
    void (*rotate)(float* head, const float* cosines, const float* sines, int64_t half);

    // out[i] = gelu(gate[i]) * up[i]; n a multiple of 16. gelu is the tanh approximation, within
    // 2e-7 of exact.
    void (*gelu_multiply)(const float* gate, const float* up, int64_t n, float* out);
    // out[t][i] += weight[t] * tile[t * rows + i] for t < count, at most kColumnsMax, and i < n, at
    // most `rows`; product and sum are rounded apart. No two of `out` are the same.
    void (*add_scaled)(const float* tile, int count, const float* weight, int64_t n,
                       float* const* out);
    // In place: cap * tanh(x / cap) within 4e-7 * cap; n a multiple of 16.
    void (*soft_cap)(float* x, int64_t n, float cap);
    // Multiplies 8-bit codes from registers as fast as the machine can, `rounds` times; returns the
    // operations done (a multiply-add is two), and through `sink` something that depends on all of
    // them.
    int64_t (*peak)(int64_t rounds, int32_t* sink);

    // Attention. Rows of the cache are expanded, some at a time, into what this table multiplies:
    // floats, or bf16. Arrays are by KvType (model/kv_cache.h): a row is f16, or 8-bit codes
    // followed by an f16 scale for each 32. size: values of a head, a multiple of 32.
    int expanded_bytes;  // of one expanded value
    // Writes x [size] as a row of the cache.
    void (*store_row[2])(const float* x, int size, uint8_t* row);
    // Expands `count` rows into a tile of keys, or of values; a tile of values is padded with zeros
    // to an even count. shared: the rows are values, from which the keys follow; `first` is the
    // place of the first row in its kRotationSpan.
    void (*expand_keys[2])(const uint8_t* rows, int count, int size, void* tile);
    void (*expand_shared_keys[2])(const uint8_t* rows, int count, int size,
                                  const KeyRotation& rotation, int first, void* tile);
    void (*expand_values[2])(const uint8_t* rows, int count, int size, void* tile);
    // Expands n values of queries, a multiple of 16.
    void (*expand_queries)(const float* queries, int64_t n, void* out);
    // scores[g * stride + j] = inner product of query g and key j.
    //   queries [heads, size], keys a tile of `count` rows, both expanded
    void (*score)(const void* queries, int heads, const void* keys, int count, int size,
                  float* scores, int64_t stride);
    // Expanded weights exp(score - largest) of `count` scores, a multiple of 16; those of minus
    // infinity are zero.
    SpanSums (*weigh)(const float* scores, int count, void* weights);
    // out[g, i] += sum over j of weights[g * stride + j] * value j [i].
    //   weights expanded; values a tile of `count` rows, even
    void (*add_values)(const void* weights, int64_t stride, int heads, const void* values,
                       int count, int size, float* out);
    float (*exponential)(float x);
    // total = total * scale + part * part_scale over n values, a multiple of 16.
    void (*merge)(float* total, float scale, const float* part, float part_scale, int64_t n);
    // Reads `bytes` (a multiple of 512) from end to end with the widest loads, as fast as memory
    // allows; returns something that depends on all of them.
    int64_t (*read)(const uint8_t* data, int64_t bytes);
    // By PlaneType.
    PlaneKernels planes[2];
};

// The tables. Scalar is everywhere, the others only in a build for their processor: x86-64, and
// aarch64.
const Kernels* kernels_scalar();
const Kernels* kernels_avx2();
const Kernels* kernels_avxvnni();
const Kernels* kernels_avx512();
const Kernels* kernels_avx512bf16();
const Kernels* kernels_neon();

}  // namespace facet::cpu
