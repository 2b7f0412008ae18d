// Strip kernels against integer arithmetic: with scales that are powers of two and small enough
// sums every float operation is exact, so the result must be the integer that int64 arithmetic
// gives. Also scales that are no numbers, exponents at both ends, and memory at odd addresses.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cpu/kernels_testing.h"

namespace facet::cpu {
namespace {

constexpr int64_t kExact = int64_t{1} << 24;  // floats hold all integers up to here

// Rows whose weights are integers: scales and minima 1 or -1, the bytes of codes and packed scales
// random or all `fill`.
std::vector<uint8_t> integer_rows(TensorType type, int64_t rows, int64_t columns, int fill = -1) {
    const TensorTypeTraits& traits = traits_of(type);
    std::vector<uint8_t> bytes(size_t(rows) * row_bytes(type, uint64_t(columns)));
    for (uint8_t& byte : bytes) byte = uint8_t(fill >= 0 ? uint32_t(fill) : random_source());
    const std::vector<size_t> halves = halves_of(type);
    for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
        for (const size_t half : halves) put_half(random_source() % 2 ? 1 : -1, &bytes[at + half]);
        if (type == TensorType::kMXFP4) bytes[at] = uint8_t(128 + random_source() % 4);
    }
    return bytes;
}

// A tile of chosen codes and scales in memory of its own, every array `offset` elements after where
// it was allocated and without a byte to spare.
class ChosenTile {
  public:
    // group: columns that share a scale.
    ChosenTile(int64_t columns, int group, int count, size_t offset = 0)
        : columns_(columns), group_(group) {
        const auto blocks = size_t(columns / 32 * count);
        const auto pairs = size_t((columns / 32 + 1) / 2 * count);
        codes_.resize(offset + 32 * blocks);
        for (auto* floats : {&scale_, &scaled_sum_}) floats->resize(offset + blocks, 1.0f);
        for (auto* sums : {&negative_sum_, &pairs16_}) sums->resize(offset + blocks);
        pairs32_.resize(offset + pairs);
        values_.resize(offset + 32 * blocks);
        tile_ = {count,
                 codes_.data() + offset,
                 scale_.data() + offset,
                 negative_sum_.data() + offset,
                 scaled_sum_.data() + offset,
                 pairs16_.data() + offset,
                 pairs32_.data() + offset,
                 values_.data() + offset};
    }
    int8_t& code(int64_t column, int row) {
        return tile_.codes[(column / 4 * tile_.count + row) * 4 + column % 4];
    }
    float scale(int64_t block, int row) const { return tile_.scale[block * tile_.count + row]; }

    // The tile with its sums and values filled in.
    const Tile& tile() {
        for (int t = 0; t < tile_.count; ++t) {
            for (int64_t block = 0; block < columns_ / 32; ++block) set_sums(block, t);
        }
        return tile_;
    }
    // Codes within -limit..limit and scales of 1 or 2.
    ChosenTile& randomize(int limit) {
        for (int t = 0; t < tile_.count; ++t) {
            for (int64_t c = 0; c < columns_; ++c)
                code(c, t) = int8_t(int(random_source() % uint32_t(2 * limit + 1)) - limit);
            for (int64_t c = 0; c < columns_; c += group_) {
                const float scale = random_source() % 2 ? 1.0f : 2.0f;
                for (int64_t b = c / 32; b < (c + group_) / 32 && b < columns_ / 32; ++b)
                    tile_.scale[b * tile_.count + t] = scale;
            }
        }
        return *this;
    }

  private:
    void set_sums(int64_t block, int t) {
        int16_t sums[2] = {};
        for (int64_t c = 32 * block; c < 32 * block + 32; ++c) {
            sums[c % 32 / 16] = int16_t(sums[c % 32 / 16] + code(c, t));
            tile_.values[t * columns_ + c] = scale(block, t) * float(code(c, t));
        }
        const auto both = int16_t(sums[0] + sums[1]);
        const int64_t at = block * tile_.count + t, at_pair = block / 2 * tile_.count + t;
        tile_.negative_sum32[at] = -both;
        tile_.scaled_sum32[at] = scale(block, t) * float(both);
        std::memcpy(tile_.sum_pairs16 + at, sums, 4);
        std::memcpy(reinterpret_cast<char*>(tile_.sum_pairs32 + at_pair) + 2 * (block % 2), &both,
                    2);
    }

    int64_t columns_;
    int group_;
    std::vector<int8_t> codes_;
    std::vector<float> scale_, scaled_sum_, values_;
    std::vector<int32_t> negative_sum_, pairs16_, pairs32_;
    Tile tile_;
};

std::vector<float> decoded(const Matrix& matrix, int64_t row) {
    const TensorTypeTraits& traits = traits_of(matrix.type);
    std::vector<float> weights(size_t(matrix.columns));
    traits.decode(matrix.row(row), weights.size() / traits.block_elements, weights.data());
    return weights;
}

// Every table must give exactly the integers.
void expect_exact(const Matrix& matrix, ChosenTile& chosen) {
    const Tile& tile = chosen.tile();
    std::vector<int64_t> expected(size_t(tile.count * matrix.rows));
    for (int64_t r = 0; r < matrix.rows; ++r) {
        const std::vector<float> weights = decoded(matrix, r);
        for (int t = 0; t < tile.count; ++t) {
            int64_t sum = 0, magnitude = 0;
            for (int64_t c = 0; c < matrix.columns; ++c) {
                const auto weight = int64_t(weights[size_t(c)]);
                ASSERT_EQ(float(weight), weights[size_t(c)]) << "not an integer";
                const int64_t product =
                    weight * chosen.code(c, t) * int64_t(chosen.scale(c / 32, t));
                sum += product;
                magnitude += std::abs(product);
            }
            ASSERT_LT(magnitude, kExact) << "the test's own numbers are too large";
            expected[size_t(t * matrix.rows + r)] = sum;
        }
    }
    for (const Kernels* table : tested_kernels()) {
        const std::vector<float> found = multiply(*table, matrix, tile);
        for (size_t i = 0; i < found.size(); ++i) {
            ASSERT_EQ(double(found[i]), double(expected[i]))
                << table->name << " " << traits_of(matrix.type).name << " output " << i;
        }
    }
}

std::vector<TensorType> quantized_types() {
    std::vector<TensorType> types;
    for (const TensorTypeTraits& traits : all_tensor_types()) {
        if (traits.block_elements > 1) types.push_back(traits.type);
    }
    return types;
}

std::vector<TensorType> every_type() {
    std::vector<TensorType> types;
    for (const TensorTypeTraits& traits : all_tensor_types()) types.push_back(traits.type);
    return types;
}

std::string name_of(const ::testing::TestParamInfo<TensorType>& info) {
    return std::string(traits_of(info.param).name);
}

class ExactStrips : public ::testing::TestWithParam<TensorType> {};
INSTANTIATE_TEST_SUITE_P(Types, ExactStrips, ::testing::ValuesIn(quantized_types()), name_of);

// One block is the smallest size: 32 columns for the types with blocks of 32.
TEST_P(ExactStrips, RandomBlocksGiveTheIntegerAtEverySize) {
    random_source.seed(3);
    const auto block = int64_t(traits_of(GetParam()).block_elements);
    for (const int64_t columns : {block, 2 * block, 3 * block}) {
        for (const int64_t rows : {1, 3, 17}) {
            const auto bytes = integer_rows(GetParam(), rows, columns);
            for (const int count : {1, 3, 8}) {
                ChosenTile chosen(columns, group_of(GetParam()), count);
                expect_exact({GetParam(), rows, columns, bytes.data()}, chosen.randomize(3));
            }
        }
    }
}

// All codes and packed scales at once zero, largest, the sign bit alone (Q8_0: -128) and all but
// the sign bit, with activations of +-127 in 32 columns at a time: the largest sums of integers
// that a kernel meets, where 16-bit steps would saturate.
TEST_P(ExactStrips, ExtremeCodesMeetExtremeActivations) {
    random_source.seed(4);
    const auto columns = std::max<int64_t>(64, int64_t(traits_of(GetParam()).block_elements));
    for (const int fill : {0x00, 0xff, 0x80, 0x7f, 0x0f, 0xf0}) {
        const auto bytes = integer_rows(GetParam(), 5, columns, fill);
        for (int64_t block = 0; block < columns / 32; ++block) {
            ChosenTile chosen(columns, group_of(GetParam()), 4);
            for (int64_t c = 32 * block; c < 32 * block + 32; ++c) {
                chosen.code(c, 0) = 127;
                chosen.code(c, 1) = -127;
                chosen.code(c, 2) = c % 2 ? 127 : -127;
                chosen.code(c, 3) = random_source() % 2 ? 127 : -127;
            }
            expect_exact({GetParam(), 5, columns, bytes.data()}, chosen);
        }
    }
}

// A scale or minimum that is not a number (or infinite) must not vanish, not even where codes or
// activations are zero, and must stay in its row.
TEST_P(ExactStrips, BrokenScalesReachTheResultAndNoOtherRow) {
    random_source.seed(5);
    const TensorTypeTraits& traits = traits_of(GetParam());
    const auto columns = 2 * int64_t(traits.block_elements);
    for (const int fill : {-1, 0x00}) {
        for (const size_t half : halves_of(GetParam())) {
            for (const float broken : {NAN, INFINITY, -INFINITY}) {
                const auto sound = integer_rows(GetParam(), 20, columns, fill);
                auto bytes = sound;
                const Matrix matrix{GetParam(), 20, columns, bytes.data()};
                put_half(broken, &bytes[2 * matrix.row_bytes() + traits.block_bytes + half]);
                ChosenTile chosen(columns, group_of(GetParam()), 2);
                const Tile& tile = chosen.randomize(3).tile();
                for (const Kernels* table : tested_kernels()) {
                    const auto expected =
                        multiply(*table, {GetParam(), 20, columns, sound.data()}, tile);
                    const auto found = multiply(*table, matrix, tile);
                    for (size_t i = 0; i < found.size(); ++i) {
                        if (i % 20 == 2) {
                            EXPECT_FALSE(std::isfinite(found[i])) << table->name;
                            if (std::isnan(broken)) {
                                EXPECT_TRUE(std::isnan(found[i])) << table->name;
                            }
                        } else {
                            EXPECT_EQ(found[i], expected[i]) << table->name;
                        }
                    }
                }
            }
        }
    }
}

class AnyAddress : public ::testing::TestWithParam<TensorType> {};
INSTANTIATE_TEST_SUITE_P(Types, AnyAddress, ::testing::ValuesIn(every_type()), name_of);

// Strips and codes may lie at any byte; floats, integers and outputs at any of their own multiples.
TEST_P(AnyAddress, ChangesNoBit) {
    random_source.seed(6);
    const auto columns = std::max<int64_t>(32, int64_t(traits_of(GetParam()).block_elements));
    // Strips of F32 hold floats, which the language wants at multiples of 4.
    const size_t step = GetParam() == TensorType::kF32 ? 4 : 1;
    const auto bytes = random_rows(GetParam(), 17, columns, false);
    const Matrix matrix{GetParam(), 17, columns, bytes.data()};
    for (const Kernels* table : tested_kernels()) {
        for (const int count : {1, 5}) {
            random_source.seed(7);
            ChosenTile aligned(columns, group_of(GetParam()), count);
            const auto expected = multiply(*table, matrix, aligned.randomize(127).tile());
            for (size_t offset = 1; offset <= 7; ++offset) {
                random_source.seed(7);
                ChosenTile moved(columns, group_of(GetParam()), count, offset);
                const auto found =
                    multiply(*table, matrix, moved.randomize(127).tile(), step * offset);
                EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * 4), 0)
                    << table->name << " " << offset;
            }
        }
    }
}

// A scale of MXFP4 is 2^(e - 127) for every byte e: 0 gives 2^-127, and 255, which the OCP
// specification calls not a number, gives 2^128, as in the reference decode. The kernels have
// doubled codes under half the scale, 2^-128 (a subnormal) to 2^127, and lose nothing at either
// end; what is too large for a float is infinite.
TEST(Mxfp4Strips, EveryExponentScalesTheInteger) {
    constexpr int8_t kTwice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    random_source.seed(8);
    for (int e = 0; e < 256; ++e) {
        auto bytes = integer_rows(TensorType::kMXFP4, 1, 32);
        bytes[0] = uint8_t(e);
        ChosenTile chosen(32, 32, 1);
        for (int64_t c = 0; c < 32; ++c) chosen.code(c, 0) = int8_t(random_source() % 255 - 127);
        int sum = 0;
        for (int c = 0; c < 32; ++c) {
            const int code = c < 16 ? bytes[size_t(1 + c)] & 15 : bytes[size_t(c - 15)] >> 4;
            sum += kTwice[code] * chosen.code(c, 0);
        }
        const auto expected = float(std::ldexp(double(sum), e - 128));
        for (const Kernels* table : tested_kernels()) {
            const Matrix matrix{TensorType::kMXFP4, 1, 32, bytes.data()};
            EXPECT_EQ(multiply(*table, matrix, chosen.tile())[0], expected)
                << table->name << " " << e;
        }
    }
}

// Float weights: what is not a number stays so, and only there.
TEST(FloatStrips, BrokenWeightsReachTheResultAndNoOtherRow) {
    random_source.seed(9);
    for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
        for (const float broken : {NAN, INFINITY}) {
            auto bytes = random_rows(type, 9, 5, false);
            const Matrix matrix{type, 9, 5, bytes.data()};
            const auto f16 = float_to_f16(broken), bf16 = float_to_bf16(broken);
            uint8_t* const at =
                bytes.data() + 4 * matrix.row_bytes() + 3 * traits_of(type).block_bytes;
            if (type == TensorType::kF32) std::memcpy(at, &broken, 4);
            if (type != TensorType::kF32)
                std::memcpy(at, type == TensorType::kF16 ? &f16 : &bf16, 2);
            TileRows rows(1, 5, {false, true});
            const Tile tile = rows.tile(0, 1);
            const float x[5] = {1, 2, 3, 4, 5};
            store_values(x, 5, tile, 0);
            for (const Kernels* table : tested_kernels()) {
                const auto found = multiply(*table, matrix, tile);
                for (size_t r = 0; r < 9; ++r)
                    EXPECT_EQ(std::isfinite(found[r]), r != 4) << table->name;
            }
        }
    }
}

// The measure of the arithmetic peak does the operations that it counts.
TEST(PeakKernel, ReturnsItsOperationsAndTheirSum) {
    for (const Kernels* table : tested_kernels()) {
        int32_t sink = 0;
        EXPECT_EQ(table->peak(1000, &sink), int64_t{1000} * 12 * table->rows * 8) << table->name;
        const int32_t dot = 1 * 5 + 2 * 6 + 3 * 7 + 4 * 8;
        EXPECT_EQ(sink, table->rows * (66 + 12 * 1000 * dot)) << table->name;
    }
}

}  // namespace
}  // namespace facet::cpu
