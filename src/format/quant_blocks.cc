#include "format/quant_blocks.h"

#include <cstring>

#include "base/half.h"

namespace facet {

namespace {

// Values 0-15 from the low nibbles, 16-31 from the high ones.
void unpack_nibbles(const uint8_t (&qs)[16], uint8_t (&q)[32]) {
    for (size_t i = 0; i < 16; ++i) {
        q[i] = qs[i] & 15;
        q[i + 16] = qs[i] >> 4;
    }
}

void add_fifth_bits(const uint8_t (&qh)[4], uint8_t (&q)[32]) {
    for (size_t i = 0; i < 32; ++i) q[i] |= static_cast<uint8_t>(((qh[i / 8] >> (i % 8)) & 1) << 4);
}

void decode_block(const BlockF32& block, float* out) { *out = block.value; }

void decode_block(const BlockF16& block, float* out) { *out = f16_to_float(block.value); }

void decode_block(const BlockBF16& block, float* out) { *out = bf16_to_float(block.value); }

void decode_block(const BlockQ4_0& block, float* out) {
    const float d = f16_to_float(block.d);
    uint8_t q[32];
    unpack_nibbles(block.qs, q);
    for (size_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 8);
}

void decode_block(const BlockQ4_1& block, float* out) {
    const float d = f16_to_float(block.d);
    const float m = f16_to_float(block.m);
    uint8_t q[32];
    unpack_nibbles(block.qs, q);
    for (size_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
}

void decode_block(const BlockQ5_0& block, float* out) {
    const float d = f16_to_float(block.d);
    uint8_t q[32];
    unpack_nibbles(block.qs, q);
    add_fifth_bits(block.qh, q);
    for (size_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 16);
}

void decode_block(const BlockQ5_1& block, float* out) {
    const float d = f16_to_float(block.d);
    const float m = f16_to_float(block.m);
    uint8_t q[32];
    unpack_nibbles(block.qs, q);
    add_fifth_bits(block.qh, q);
    for (size_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
}

void decode_block(const BlockQ8_0& block, float* out) {
    const float d = f16_to_float(block.d);
    for (size_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(block.qs[i]);
}

void decode_block(const BlockIQ4_NL& block, float* out) {
    const float d = f16_to_float(block.d);
    for (size_t i = 0; i < 16; ++i) {
        out[i] = d * static_cast<float>(kIQ4Values[block.qs[i] & 15]);
        out[i + 16] = d * static_cast<float>(kIQ4Values[block.qs[i] >> 4]);
    }
}

void decode_block(const BlockMXFP4& block, float* out) {
    // Twice F, under half the scale: both stay exact, and 2^(e - 128) is a float for every e (e <
    // 2: a subnormal).
    constexpr int8_t kTwiceF[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    const uint32_t half_scale_bits = block.e < 2 ? 0x00200000u << block.e : (block.e - 1u) << 23;
    const float half_scale = std::bit_cast<float>(half_scale_bits);
    for (size_t i = 0; i < 16; ++i) {
        out[i] = half_scale * static_cast<float>(kTwiceF[block.qs[i] & 15]);
        out[i + 16] = half_scale * static_cast<float>(kTwiceF[block.qs[i] >> 4]);
    }
}

// The two-bit traversal of Q2_K and Q3_K: 32 values at `step` (0-7) come from 32 bytes of one half,
// two bits each.
void unpack_two_bits(const uint8_t (&qs)[64], size_t step, uint8_t (&q)[32]) {
    const uint8_t* half = qs + step / 4 * 32;
    const size_t shift = step % 4 * 2;
    for (size_t i = 0; i < 32; ++i) q[i] = (half[i] >> shift) & 3;
}

void decode_block(const BlockQ2_K& block, float* out) {
    const float d = f16_to_float(block.d);
    const float dmin = f16_to_float(block.dmin);
    uint8_t q[32];
    for (size_t step = 0; step < 8; ++step) {
        unpack_two_bits(block.qs, step, q);
        for (size_t part = 0; part < 2; ++part) {
            const uint8_t packed = block.scales[step * 2 + part];
            const float scale = d * static_cast<float>(packed & 15);
            const float minimum = dmin * static_cast<float>(packed >> 4);
            for (size_t i = 0; i < 16; ++i)
                *out++ = scale * static_cast<float>(q[part * 16 + i]) - minimum;
        }
    }
}

int q3_k_scale(const BlockQ3_K& block, size_t group) {
    const int low = group < 8 ? block.scales[group] & 15 : block.scales[group - 8] >> 4;
    const int high = (block.scales[8 + group % 4] >> (group / 4 * 2)) & 3;
    return (low | high << 4) - 32;
}

void decode_block(const BlockQ3_K& block, float* out) {
    const float d = f16_to_float(block.d);
    uint8_t q[32];
    for (size_t step = 0; step < 8; ++step) {
        unpack_two_bits(block.qs, step, q);
        for (size_t i = 0; i < 32; ++i)
            q[i] |= static_cast<uint8_t>(((block.hmask[i] >> step) & 1) << 2);
        for (size_t part = 0; part < 2; ++part) {
            const float scale = d * static_cast<float>(q3_k_scale(block, step * 2 + part));
            for (size_t i = 0; i < 16; ++i)
                *out++ = scale * static_cast<float>(q[part * 16 + i] - 4);
        }
    }
}

struct ScaleAndMin {
    uint8_t scale;
    uint8_t minimum;
};

// The six-bit pairs of Q4_K and Q5_K.
ScaleAndMin q4_k_scale(const uint8_t (&scales)[12], size_t group) {
    const auto six_bits = [](int low, int high) { return static_cast<uint8_t>(low | high << 4); };
    if (group < 4) {
        return {static_cast<uint8_t>(scales[group] & 63),
                static_cast<uint8_t>(scales[group + 4] & 63)};
    }
    return {six_bits(scales[group + 4] & 15, scales[group - 4] >> 6),
            six_bits(scales[group + 4] >> 4, scales[group] >> 6)};
}

// The four-bit traversal of Q4_K and Q5_K: 32 bytes hold an even group in low nibbles and the next
// in high ones.
void unpack_group(const uint8_t (&qs)[128], size_t group, uint8_t (&q)[32]) {
    const uint8_t* bytes = qs + group / 2 * 32;
    const size_t shift = group % 2 * 4;
    for (size_t i = 0; i < 32; ++i) q[i] = (bytes[i] >> shift) & 15;
}

void decode_block(const BlockQ4_K& block, float* out) {
    const float d = f16_to_float(block.d);
    const float dmin = f16_to_float(block.dmin);
    uint8_t q[32];
    for (size_t group = 0; group < 8; ++group) {
        unpack_group(block.qs, group, q);
        const ScaleAndMin pair = q4_k_scale(block.scales, group);
        const float scale = d * static_cast<float>(pair.scale);
        const float minimum = dmin * static_cast<float>(pair.minimum);
        for (size_t i = 0; i < 32; ++i) *out++ = scale * static_cast<float>(q[i]) - minimum;
    }
}

void decode_block(const BlockQ5_K& block, float* out) {
    const float d = f16_to_float(block.d);
    const float dmin = f16_to_float(block.dmin);
    uint8_t q[32];
    for (size_t group = 0; group < 8; ++group) {
        unpack_group(block.qs, group, q);
        for (size_t i = 0; i < 32; ++i)
            q[i] |= static_cast<uint8_t>(((block.qh[i] >> group) & 1) << 4);
        const ScaleAndMin pair = q4_k_scale(block.scales, group);
        const float scale = d * static_cast<float>(pair.scale);
        const float minimum = dmin * static_cast<float>(pair.minimum);
        for (size_t i = 0; i < 32; ++i) *out++ = scale * static_cast<float>(q[i]) - minimum;
    }
}

void decode_block(const BlockQ6_K& block, float* out) {
    const float d = f16_to_float(block.d);
    for (size_t quarter = 0; quarter < 8; ++quarter) {
        const size_t half = quarter / 4;
        const size_t k = quarter % 4;
        const uint8_t* ql = block.ql + half * 64 + k % 2 * 32;
        const uint8_t* qh = block.qh + half * 32;
        const size_t low_shift = k / 2 * 4;
        const size_t high_shift = k * 2;
        int8_t q[32];
        for (size_t i = 0; i < 32; ++i) {
            q[i] = static_cast<int8_t>(
                (((ql[i] >> low_shift) & 15) | ((qh[i] >> high_shift) & 3) << 4) - 32);
        }
        for (size_t part = 0; part < 2; ++part) {
            const float scale = d * static_cast<float>(block.scales[quarter * 2 + part]);
            for (size_t i = 0; i < 16; ++i) *out++ = scale * static_cast<float>(q[part * 16 + i]);
        }
    }
}

void decode_block(const BlockIQ4_XS& block, float* out) {
    const float d = f16_to_float(block.d);
    for (size_t group = 0; group < 8; ++group) {
        const int low = (block.scales_l[group / 2] >> (group % 2 * 4)) & 15;
        const int high = (block.scales_h >> (group * 2)) & 3;
        const float scale = d * static_cast<float>((low | high << 4) - 32);
        const uint8_t* qs = block.qs + group * 16;
        float* values = out + group * 32;
        for (size_t i = 0; i < 16; ++i) {
            values[i] = scale * static_cast<float>(kIQ4Values[qs[i] & 15]);
            values[i + 16] = scale * static_cast<float>(kIQ4Values[qs[i] >> 4]);
        }
    }
}

}  // namespace

template <typename Block>
void decode_blocks(const uint8_t* blocks, size_t count, float* out) {
    for (size_t i = 0; i < count; ++i) {
        Block block;
        std::memcpy(&block, blocks + i * sizeof(Block), sizeof(Block));
        decode_block(block, out + i * Block::kElements);
    }
}

template void decode_blocks<BlockF32>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockF16>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockBF16>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ4_0>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ4_1>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ5_0>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ5_1>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ8_0>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ2_K>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ3_K>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ4_K>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ5_K>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockQ6_K>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockIQ4_NL>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockIQ4_XS>(const uint8_t*, size_t, float*);
template void decode_blocks<BlockMXFP4>(const uint8_t*, size_t, float*);

}  // namespace facet
