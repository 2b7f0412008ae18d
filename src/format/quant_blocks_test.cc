// The decode of every tensor type: blocks worked out by hand from the formulas, and golden vectors
// made with another implementation (tests/data/quant/README.md).
#include "format/quant_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "format/tensor_type.h"

namespace facet {
namespace {

constexpr uint16_t kOne = 0x3c00;   // f16 1.0
constexpr uint16_t kHalf = 0x3800;  // f16 0.5
constexpr uint16_t kTwo = 0x4000;   // f16 2.0
constexpr uint16_t kMinusOne = 0xbc00;

template <typename Block>
std::vector<float> decode(const Block& block) {
    std::vector<float> values(Block::kElements);
    decode_blocks<Block>(reinterpret_cast<const uint8_t*>(&block), 1, values.data());
    return values;
}

TEST(QuantBlocks, Q4_0PutsLowNibblesFirst) {
    BlockQ4_0 block = {kHalf, {}};
    block.qs[0] = 0xf0;  // value 0: q = 0, value 16: q = 15
    block.qs[15] = 0x19;
    const auto x = decode(block);
    EXPECT_EQ(x[0], -4.0f);
    EXPECT_EQ(x[16], 3.5f);
    EXPECT_EQ(x[15], 0.5f);
    EXPECT_EQ(x[31], -3.5f);
    EXPECT_EQ(x[1], -4.0f);
}

TEST(QuantBlocks, Q4_1AddsTheMinimum) {
    BlockQ4_1 block = {kTwo, kMinusOne, {}};
    block.qs[3] = 0xa5;
    const auto x = decode(block);
    EXPECT_EQ(x[3], 9.0f);
    EXPECT_EQ(x[19], 19.0f);
    EXPECT_EQ(x[4], -1.0f);
}

TEST(QuantBlocks, Q5_0TakesTheFifthBitFromQh) {
    BlockQ5_0 block = {kOne, {0x01, 0, 0, 0x80}, {}};  // bits 0 and 31
    block.qs[0] = 0x0f;
    block.qs[15] = 0xf0;
    const auto x = decode(block);
    EXPECT_EQ(x[0], 15.0f);  // 15 + 16 - 16
    EXPECT_EQ(x[31], 15.0f);
    EXPECT_EQ(x[1], -16.0f);
    EXPECT_EQ(x[15], -16.0f);
}

TEST(QuantBlocks, Q5_1TakesTheFifthBitFromQh) {
    BlockQ5_1 block = {kTwo, kHalf, {0, 0x01, 0x01, 0}, {}};  // bits 8 and 16
    block.qs[0] = 0x30;
    const auto x = decode(block);
    EXPECT_EQ(x[8], 32.5f);
    EXPECT_EQ(x[16], 38.5f);  // 2 * (3 + 16) + 0.5
    EXPECT_EQ(x[0], 0.5f);
}

TEST(QuantBlocks, Q8_0IsSigned) {
    BlockQ8_0 block = {kHalf, {}};
    block.qs[0] = -128;
    block.qs[31] = 127;
    const auto x = decode(block);
    EXPECT_EQ(x[0], -64.0f);
    EXPECT_EQ(x[31], 63.5f);
    EXPECT_EQ(x[1], 0.0f);
}

TEST(QuantBlocks, IQ4_NLLooksUpItsLevels) {
    BlockIQ4_NL block = {kTwo, {}};
    block.qs[0] = 0xf0;
    block.qs[1] = 0x78;
    const auto x = decode(block);
    EXPECT_EQ(x[0], -254.0f);
    EXPECT_EQ(x[16], 226.0f);
    EXPECT_EQ(x[1], 2.0f);
    EXPECT_EQ(x[17], -20.0f);
}

TEST(QuantBlocks, MXFP4HasEveryValueOfE2M1) {
    const float expected[16] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, 0, -.5f, -1, -1.5f, -2, -3, -4, -6};
    BlockMXFP4 block = {127, {}};
    for (uint8_t i = 0; i < 16; ++i) block.qs[i] = static_cast<uint8_t>(i | (15 - i) << 4);
    const auto x = decode(block);
    for (size_t i = 0; i < 16; ++i) {
        EXPECT_EQ(x[i], expected[i]) << i;
        EXPECT_EQ(x[16 + i], expected[15 - i]) << i;
    }
}

TEST(QuantBlocks, MXFP4ScalesByEveryPowerOfTwo) {
    for (int e = 0; e <= 255; ++e) {
        BlockMXFP4 block = {static_cast<uint8_t>(e), {0x71}};
        const auto x = decode(block);
        EXPECT_EQ(x[0], static_cast<float>(std::ldexp(0.5, e - 127))) << e;
        const double six = std::ldexp(6.0, e - 127);
        const bool overflows = six > std::numeric_limits<float>::max();
        EXPECT_EQ(x[16],
                  overflows ? std::numeric_limits<float>::infinity() : static_cast<float>(six))
            << e;
    }
}

TEST(QuantBlocks, Q2_KWalksHalvesAndShifts) {
    BlockQ2_K block = {{}, {}, kOne, kHalf};
    for (uint8_t i = 0; i < 16; ++i)
        block.scales[i] = static_cast<uint8_t>((15 - i) << 4 | i);  // scale i, min 15 - i
    block.qs[0] = 0xe4;        // first half, value 0 of the four steps: 0, 1, 2, 3
    block.qs[32 + 31] = 0x1b;  // second half, value 31: 3, 2, 1, 0
    const auto x = decode(block);
    EXPECT_EQ(x[0], 0 * 0 - 7.5f);
    EXPECT_EQ(x[32], 2 * 1 - 6.5f);
    EXPECT_EQ(x[64], 4 * 2 - 5.5f);
    EXPECT_EQ(x[96], 6 * 3 - 4.5f);
    EXPECT_EQ(x[128 + 31], 9 * 3 - 3.0f);
    EXPECT_EQ(x[160 + 31], 11 * 2 - 2.0f);
    EXPECT_EQ(x[192 + 31], 13 * 1 - 1.0f);
    EXPECT_EQ(x[224 + 31], 0.0f);
}

// Six-bit scales all different, packed by hand as the formula says.
TEST(QuantBlocks, Q3_KReadsSixteenSixBitScales) {
    BlockQ3_K block = {{}, {}, {}, kOne};
    const auto scale_of = [](size_t group) {
        return static_cast<int>(group * 4 + group / 4);
    };  // 0 ... 63
    for (size_t group = 0; group < 16; ++group) {
        const int scale = scale_of(group);
        block.scales[group % 8] |= static_cast<uint8_t>((scale & 15) << (group / 8 * 4));
        block.scales[8 + group % 4] |= static_cast<uint8_t>((scale >> 4) << (group / 4 * 2));
    }
    for (uint8_t& byte : block.qs) byte = 0xff;     // two bits 3 everywhere
    for (uint8_t& byte : block.hmask) byte = 0xff;  // nothing to subtract
    const auto x = decode(block);
    for (size_t i = 0; i < 256; ++i)
        EXPECT_EQ(x[i], static_cast<float>(3 * (scale_of(i / 16) - 32))) << i;
}

TEST(QuantBlocks, Q3_KSubtractsFourWhereTheMaskBitIsClear) {
    BlockQ3_K block = {{}, {}, {}, kOne};
    for (uint8_t& byte : block.scales) byte = 0x11;          // low bits 1
    for (size_t i = 8; i < 12; ++i) block.scales[i] = 0xaa;  // high bits 2: scale 33 - 32 = 1
    for (size_t step = 0; step < 8; ++step) block.hmask[step] = static_cast<uint8_t>(1u << step);
    const auto x = decode(block);
    for (size_t i = 0; i < 256; ++i) EXPECT_EQ(x[i], i / 32 == i % 32 ? 0.0f : -4.0f) << i;
}

// Groups 0 to 7 get scale 8g + 7 and min 63 - 8g: every bit of the packing takes part.
void pack_q4_k_scales(uint8_t (&scales)[12]) {
    for (size_t group = 0; group < 8; ++group) {
        const int scale = static_cast<int>(8 * group + 7);
        const int minimum = static_cast<int>(63 - 8 * group);
        if (group < 4) {
            scales[group] = static_cast<uint8_t>(scales[group] | scale);
            scales[group + 4] = static_cast<uint8_t>(scales[group + 4] | minimum);
        } else {
            scales[group + 4] = static_cast<uint8_t>((scale & 15) | (minimum & 15) << 4);
            scales[group - 4] = static_cast<uint8_t>(scales[group - 4] | (scale >> 4) << 6);
            scales[group] = static_cast<uint8_t>(scales[group] | (minimum >> 4) << 6);
        }
    }
}

TEST(QuantBlocks, Q4_KReadsEightScalesAndMins) {
    BlockQ4_K block = {kOne, kTwo, {}, {}};
    pack_q4_k_scales(block.scales);
    for (size_t i = 0; i < 128; ++i)
        block.qs[i] = static_cast<uint8_t>(i / 32 | (15 - i / 32) << 4);
    const auto x = decode(block);
    for (size_t i = 0; i < 256; ++i) {
        const int group = static_cast<int>(i / 32);
        const int q = group % 2 == 0 ? group / 2 : 15 - group / 2;
        EXPECT_EQ(x[i], static_cast<float>((8 * group + 7) * q - 2 * (63 - 8 * group))) << i;
    }
}

TEST(QuantBlocks, Q5_KAddsSixteenWhereTheBitOfTheGroupIsSet) {
    BlockQ5_K block = {kOne, kTwo, {}, {}, {}};
    pack_q4_k_scales(block.scales);
    for (uint8_t& byte : block.qs) byte = 0x21;
    for (size_t group = 0; group < 8; ++group) block.qh[group] = static_cast<uint8_t>(1u << group);
    const auto x = decode(block);
    for (size_t i = 0; i < 256; ++i) {
        const int group = static_cast<int>(i / 32);
        const int q = (group % 2 == 0 ? 1 : 2) + (i / 32 == i % 32 ? 16 : 0);
        EXPECT_EQ(x[i], static_cast<float>((8 * group + 7) * q - 2 * (63 - 8 * group))) << i;
    }
}

TEST(QuantBlocks, Q6_KJoinsLowAndHighBits) {
    BlockQ6_K block = {{}, {}, {}, kHalf};
    for (int8_t& scale : block.scales) scale = 2;
    block.scales[15] = -128;
    block.ql[0] = 0xa5;        // values 0 (lo) and 64 (hi)
    block.ql[32] = 0x3c;       // values 32 (lo) and 96 (hi)
    block.qh[0] = 0xe4;        // high bits 0, 1, 2, 3 of values 0, 32, 64, 96
    block.qh[32 + 31] = 0x80;  // second half: value 255 is 0 + 16 * 2
    const auto x = decode(block);
    EXPECT_EQ(x[0], 5.0f - 32);
    EXPECT_EQ(x[32], 12.0f + 16 - 32);
    EXPECT_EQ(x[64], 10.0f + 32 - 32);
    EXPECT_EQ(x[96], 3.0f + 48 - 32);
    EXPECT_EQ(x[255], 0.0f);
    EXPECT_EQ(x[254], -64.0f * -32);
    EXPECT_EQ(x[239], -32.0f);
}

TEST(QuantBlocks, IQ4_XSReadsEightSixBitScales) {
    BlockIQ4_XS block = {kOne, 0, {}, {}};
    const auto scale_of = [](size_t group) { return static_cast<int>(group * 9); };  // 0 ... 63
    for (size_t group = 0; group < 8; ++group) {
        block.scales_l[group / 2] |=
            static_cast<uint8_t>((scale_of(group) & 15) << (group % 2 * 4));
        block.scales_h |= static_cast<uint16_t>((scale_of(group) >> 4) << (group * 2));
    }
    for (uint8_t& byte : block.qs) byte = 0xf8;  // levels 1 and 113
    const auto x = decode(block);
    for (size_t i = 0; i < 256; ++i) {
        EXPECT_EQ(x[i], static_cast<float>((scale_of(i / 32) - 32) * (i % 32 < 16 ? 1 : 113))) << i;
    }
}

TEST(QuantBlocks, NonFiniteScalesPassThrough) {
    constexpr uint16_t kInfinity = 0x7c00;
    const auto x = decode(BlockQ8_0{kInfinity, {1, -1, 0}});
    EXPECT_EQ(x[0], std::numeric_limits<float>::infinity());
    EXPECT_EQ(x[1], -std::numeric_limits<float>::infinity());
    EXPECT_TRUE(std::isnan(x[2]));
}

// Golden vectors. Every formula is a product of few-bit integers with an f16 (exact in f32) and at
// most one sum of two such products, so there is one right answer and the comparison is of bits.
class GoldenVectors : public testing::Test {
  protected:
    void SetUp() override {
        const std::string folder = FACET_SOURCE_DIR "/tests/data/quant/";
        auto text = read_text_file(folder + "vectors.json", 1 << 20);
        ASSERT_TRUE(text.ok()) << text.error().message;
        auto json = Json::parse(text.value());
        ASSERT_TRUE(json.ok()) << json.error().message;
        index_ = json.take();
        auto file = MappedFile::open(folder + "vectors.bin");
        ASSERT_TRUE(file.ok()) << file.error().message;
        file_.emplace(file.take());
    }

    static size_t number(const Json& row, const char* key) {
        return static_cast<size_t>(row.find(key)->to_integer().value());
    }

    Json index_;
    std::optional<MappedFile> file_;
};

TEST_F(GoldenVectors, EveryTypeDecodesBitExactlyAtAnyAlignment) {
    ASSERT_EQ(index_.items.size(), all_tensor_types().size());
    for (const TensorTypeTraits& traits : all_tensor_types()) {
        const Json* row = nullptr;
        for (const Json& item : index_.items) {
            if (item.find("type")->text == traits.name) row = &item;
        }
        ASSERT_NE(row, nullptr) << traits.name;
        const size_t blocks = number(*row, "blocks");
        const auto bytes =
            file_->bytes().subspan(number(*row, "blocks_offset"), blocks * traits.block_bytes);
        std::vector<uint32_t> expected(blocks * traits.block_elements);
        const auto values =
            file_->bytes().subspan(number(*row, "values_offset"), expected.size() * 4);
        std::memcpy(expected.data(), values.data(), values.size());

        for (size_t shift = 0; shift < 4; ++shift) {
            std::vector<uint8_t> moved(shift);
            moved.insert(moved.end(), bytes.begin(), bytes.end());
            std::vector<float> out(expected.size());
            traits.decode(moved.data() + shift, blocks, out.data());
            for (size_t i = 0; i < out.size(); ++i) {
                ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), expected[i])
                    << traits.name << " value " << i << ": " << out[i] << " instead of "
                    << std::bit_cast<float>(expected[i]);
            }
        }
    }
}

}  // namespace
}  // namespace facet
