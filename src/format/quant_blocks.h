// The block of each tensor type: its bytes, its formula, its reference decode.
//
// Owns the layouts and the plain scalar decode that is the specification of each type; devices have
// faster forms and are tested against these. The structs have no padding (asserted) and are copied
// out of the file byte for byte, so blocks may lie at any address. Must not know: files, shapes,
// devices. Source: ggml-org/ggml, src/ggml-common.h (layouts) and src/ggml-quants.c (formulas);
// MXFP4: OCP Microscaling v1.0.
//
// Notation: d, m, dmin are f16; x[i] is value i of the block; lo(b) = b & 15, hi(b) = b >> 4.
// In 32-value blocks "nibble i" is lo(qs[i]) for i < 16 and hi(qs[i - 16]) for the rest.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace facet {

// Multi-byte fields are little-endian in the file and are used as they are.
static_assert(std::endian::native == std::endian::little);

// Plain values, blocks of one.

struct BlockF32 {
    static constexpr uint32_t kElements = 1;
    float value;
};
static_assert(sizeof(BlockF32) == 4);

struct BlockF16 {
    static constexpr uint32_t kElements = 1;
    uint16_t value;
};
static_assert(sizeof(BlockF16) == 2);

struct BlockBF16 {
    static constexpr uint32_t kElements = 1;
    uint16_t value;  // the upper half of an f32
};
static_assert(sizeof(BlockBF16) == 2);

// Blocks of 32.

// x[i] = d * (nibble i - 8)
struct BlockQ4_0 {
    static constexpr uint32_t kElements = 32;
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// x[i] = d * nibble i + m
struct BlockQ4_1 {
    static constexpr uint32_t kElements = 32;
    uint16_t d;
    uint16_t m;
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// x[i] = d * (q - 16), q = nibble i + 16 * bit i of qh (bit i % 8 of byte i / 8)
struct BlockQ5_0 {
    static constexpr uint32_t kElements = 32;
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// x[i] = d * q + m, q as in Q5_0
struct BlockQ5_1 {
    static constexpr uint32_t kElements = 32;
    uint16_t d;
    uint16_t m;
    uint8_t qh[4];
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// x[i] = d * qs[i]
struct BlockQ8_0 {
    static constexpr uint32_t kElements = 32;
    uint16_t d;
    int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// x[i] = d * kIQ4Values[nibble i]
struct BlockIQ4_NL {
    static constexpr uint32_t kElements = 32;
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

// x[i] = 2^(e - 127) * F[nibble i], F = 0, 1/2, 1, 3/2, 2, 3, 4, 6 and the same negated.
// e = 255 is NaN in the OCP text, but 2^128 in ggml and here; f32 overflow then gives infinities
// for |F| >= 1.
struct BlockMXFP4 {
    static constexpr uint32_t kElements = 32;
    uint8_t e;
    uint8_t qs[16];
};
static_assert(sizeof(BlockMXFP4) == 17);

// Super-blocks of 256. Scales are integers under the block's own d.

// 16 groups of 16: x = d * lo(scales[g]) * q - dmin * hi(scales[g]).
// q, two bits: 32 bytes of qs serve 128 values, bits 0-1 the first 32, then bits 2-3, 4-5, 6-7.
struct BlockQ2_K {
    static constexpr uint32_t kElements = 256;
    uint8_t scales[16];
    uint8_t qs[64];
    uint16_t d;
    uint16_t dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 16 groups of 16: x = d * (scale g - 32) * q, q = two bits (as in Q2_K) - (bit set ? 0 : 4).
// The bit: number i / 32 of hmask[i % 32]. Scale g, six bits: low four lo(scales[g]) for g < 8,
// hi(scales[g - 8]) for the rest; high two bits 2 * (g / 4) and up of scales[8 + g % 4].
struct BlockQ3_K {
    static constexpr uint32_t kElements = 256;
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// 8 groups of 32: x = d * scale g * q - dmin * min g. 32 bytes of qs serve two groups: low nibbles,
// then high. Six-bit scales and mins: for g < 4 the low six bits of scales[g] and scales[g + 4];
// for the rest low four lo(scales[g + 4]) and hi(scales[g + 4]), high two the top bits of scales[g
// - 4] and scales[g].
struct BlockQ4_K {
    static constexpr uint32_t kElements = 256;
    uint16_t d;
    uint16_t dmin;
    uint8_t scales[12];
    uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// As Q4_K, with q + 16 where bit g of qh[i % 32] is set.
struct BlockQ5_K {
    static constexpr uint32_t kElements = 256;
    uint16_t d;
    uint16_t dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 16 groups of 16: x = d * scales[g] * (q - 32). Each half of 128 values has 64 bytes of ql and 32
// of qh; its quarter k of 32 has low four bits lo(ql[l]), lo(ql[l + 32]), hi(ql[l]), hi(ql[l + 32])
// and high two bits 2k, 2k + 1 of qh[l].
struct BlockQ6_K {
    static constexpr uint32_t kElements = 256;
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// 8 groups of 32, 16 bytes of qs each: x = d * (scale g - 32) * kIQ4Values[nibble].
// Six-bit scales: low four in nibble g of scales_l (low nibble first), high two in bits 2g, 2g + 1
// of scales_h.
struct BlockIQ4_XS {
    static constexpr uint32_t kElements = 256;
    uint16_t d;
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// The non-linear levels of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// Decodes `count` consecutive blocks at `blocks` (any alignment) into count * Block::kElements
// floats. Products and sums are f32, in the order of the formulas above. Defined for every block of
// this file.
template <typename Block>
void decode_blocks(const uint8_t* blocks, size_t count, float* out);

}  // namespace facet
