// The demo model with its matrices in another type, for tests of the kernels that read it: encoded
// by rounding to nearest under each block's largest value, without any search for better scales.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "format/quant_blocks.h"
#include "tests/edited_model.h"

namespace facet {

inline int rounded(float value, int low, int high) {
    return static_cast<int>(std::nearbyint(std::clamp(value, float(low), float(high))));
}
inline float largest_of(const float* x, int n) {
    float largest = 0;
    for (int i = 0; i < n; ++i) largest = std::max(largest, std::abs(x[i]));
    return largest;
}
inline float over(float a, float b) { return b == 0 ? 0 : a / b; }
inline uint8_t nibbles(int low, int high) { return static_cast<uint8_t>(low | high << 4); }

inline void encode_block(const float* x, BlockQ8_0& block) {
    block.d = float_to_f16(largest_of(x, 32) / 127);
    for (int i = 0; i < 32; ++i)
        block.qs[i] = int8_t(rounded(over(x[i], f16_to_float(block.d)), -127, 127));
}

inline void encode_block(const float* x, BlockQ4_0& block) {
    block.d = float_to_f16(largest_of(x, 32) / 7);
    const auto code = [&](int i) { return 8 + rounded(over(x[i], f16_to_float(block.d)), -8, 7); };
    for (int i = 0; i < 16; ++i) block.qs[i] = nibbles(code(i), code(i + 16));
}

inline void encode_block(const float* x, BlockQ5_1& block) {
    const auto [low, high] = std::minmax_element(x, x + 32);
    block.m = float_to_f16(*low);
    block.d = float_to_f16((*high - *low) / 31);
    std::memset(block.qh, 0, sizeof block.qh);
    const auto code = [&](int i) {
        const int q = rounded(over(x[i] - f16_to_float(block.m), f16_to_float(block.d)), 0, 31);
        block.qh[i / 8] = uint8_t(block.qh[i / 8] | (q >> 4) << (i % 8));
        return q & 15;
    };
    for (int i = 0; i < 16; ++i) {
        const int first = code(i), second = code(i + 16);
        block.qs[i] = nibbles(first, second);
    }
}

inline void encode_block(const float* x, BlockQ4_K& block) {
    float scales[8], minima[8];
    for (int g = 0; g < 8; ++g) {
        const auto [low, high] = std::minmax_element(x + 32 * g, x + 32 * g + 32);
        minima[g] = std::max(0.0f, -*low);
        scales[g] = (std::max(0.0f, *high) + minima[g]) / 15;
    }
    block.d = float_to_f16(largest_of(scales, 8) / 63);
    block.dmin = float_to_f16(largest_of(minima, 8) / 63);
    std::memset(block.scales, 0, sizeof block.scales);
    std::memset(block.qs, 0, sizeof block.qs);
    for (int g = 0; g < 8; ++g) {
        const float d = f16_to_float(block.d), dmin = f16_to_float(block.dmin);
        const int s = rounded(over(scales[g], d), 0, 63), m = rounded(over(minima[g], dmin), 0, 63);
        uint8_t* const at = block.scales;
        if (g < 4) {
            at[g] = uint8_t(at[g] | s);
            at[g + 4] = uint8_t(at[g + 4] | m);
        } else {
            at[g + 4] = nibbles(s & 15, m & 15);
            at[g - 4] = uint8_t(at[g - 4] | (s >> 4) << 6);
            at[g] = uint8_t(at[g] | (m >> 4) << 6);
        }
        for (int i = 0; i < 32; ++i) {
            const int q = rounded(over(x[32 * g + i] + dmin * float(m), d * float(s)), 0, 15);
            uint8_t& byte = block.qs[32 * (g / 2) + i];
            byte = uint8_t(byte | q << (4 * (g % 2)));
        }
    }
}

inline void encode_block(const float* x, BlockQ6_K& block) {
    float scales[16];
    for (int g = 0; g < 16; ++g) scales[g] = largest_of(x + 16 * g, 16) / 31;
    block.d = float_to_f16(largest_of(scales, 16) / 127);
    std::memset(block.ql, 0, sizeof block.ql);
    std::memset(block.qh, 0, sizeof block.qh);
    for (int g = 0; g < 16; ++g) {
        const float d = f16_to_float(block.d);
        block.scales[g] = int8_t(rounded(over(scales[g], d), 0, 127));
        for (int i = 16 * g; i < 16 * g + 16; ++i) {
            const int q = 32 + rounded(over(x[i], d * block.scales[g]), -32, 31);
            const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
            uint8_t& low = block.ql[64 * half + l + 32 * (quarter % 2)];
            low = uint8_t(low | (q & 15) << (4 * (quarter / 2)));
            uint8_t& high = block.qh[32 * half + l];
            high = uint8_t(high | (q >> 4) << (2 * quarter));
        }
    }
}

inline void encode_block(const float* x, BlockIQ4_XS& block) {
    float scales[8];
    for (int g = 0; g < 8; ++g) scales[g] = largest_of(x + 32 * g, 32) / 113;
    block.d = float_to_f16(largest_of(scales, 8) / 31);
    block.scales_h = 0;
    std::memset(block.scales_l, 0, sizeof block.scales_l);
    for (int g = 0; g < 8; ++g) {
        const float d = f16_to_float(block.d);
        const int s = rounded(over(scales[g], d), 0, 31), stored = s + 32;
        block.scales_l[g / 2] = uint8_t(block.scales_l[g / 2] | (stored & 15) << (4 * (g % 2)));
        block.scales_h = uint16_t(block.scales_h | (stored >> 4) << (2 * g));
        const auto code = [&](int i) {
            const float wanted = over(x[32 * g + i], d * float(s));
            int best = 0;
            for (int q = 1; q < 16; ++q) {
                if (std::abs(kIQ4Values[q] - wanted) < std::abs(kIQ4Values[best] - wanted))
                    best = q;
            }
            return best;
        };
        for (int i = 0; i < 16; ++i) block.qs[16 * g + i] = nibbles(code(i), code(i + 16));
    }
}

template <typename Block>
std::vector<uint8_t> encode_blocks(const std::vector<float>& x) {
    std::vector<uint8_t> bytes(x.size() / Block::kElements * sizeof(Block));
    for (size_t i = 0; i < x.size() / Block::kElements; ++i) {
        Block block;
        encode_block(&x[i * Block::kElements], block);
        std::memcpy(&bytes[i * sizeof(Block)], &block, sizeof(Block));
    }
    return bytes;
}

// The types that encoded() knows besides floats.
inline constexpr TensorType kEncodedTypes[] = {TensorType::kQ8_0, TensorType::kQ4_0,
                                               TensorType::kQ5_1, TensorType::kQ4_K,
                                               TensorType::kQ6_K, TensorType::kIQ4_XS};

inline std::vector<uint8_t> encoded(TensorType type, const std::vector<float>& x) {
    std::vector<uint8_t> bytes;
    switch (type) {
        case TensorType::kQ8_0: return encode_blocks<BlockQ8_0>(x);
        case TensorType::kQ4_0: return encode_blocks<BlockQ4_0>(x);
        case TensorType::kQ5_1: return encode_blocks<BlockQ5_1>(x);
        case TensorType::kQ4_K: return encode_blocks<BlockQ4_K>(x);
        case TensorType::kQ6_K: return encode_blocks<BlockQ6_K>(x);
        case TensorType::kIQ4_XS: return encode_blocks<BlockIQ4_XS>(x);
        case TensorType::kF16:
            bytes.resize(2 * x.size());
            for (size_t i = 0; i < x.size(); ++i) {
                const uint16_t half = float_to_f16(x[i]);
                std::memcpy(&bytes[2 * i], &half, 2);
            }
            return bytes;
        case TensorType::kF32:
            bytes.resize(4 * x.size());
            std::memcpy(bytes.data(), x.data(), bytes.size());
            return bytes;
        default: ADD_FAILURE() << "no encoder"; return bytes;
    }
}

// The demo model from its BF16 file in `type`, and in Q8_0 where rows are no whole number of its
// blocks; BF16 is the file itself.
class RequantizedDemo {
  public:
    explicit RequantizedDemo(TensorType type)
        : path_(FACET_SOURCE_DIR "/tests/golden/demo/facet-demo-BF16.gguf") {
        if (type == TensorType::kBF16) return;
        edited_ = std::make_unique<EditedModel>(path_);
        for (EditedTensor& tensor : edited_->tensors()) {
            if (tensor.type != TensorType::kBF16 || !is_text(tensor)) continue;
            std::vector<float> values(tensor.bytes.size() / 2);
            traits_of(tensor.type).decode(tensor.bytes.data(), values.size(), values.data());
            const bool whole = tensor.shape[0] % traits_of(type).block_elements == 0;
            tensor.type = whole ? type : TensorType::kQ8_0;
            tensor.bytes = encoded(tensor.type, values);
        }
        path_ = edited_->write();
    }
    const std::string& path() const { return path_; }

  private:
    static bool is_text(const EditedTensor& tensor) {
        return tensor.name.starts_with("blk.") || tensor.name == "token_embd.weight";
    }
    std::string path_;
    std::unique_ptr<EditedModel> edited_;
};

}  // namespace facet
