// The kernels that work on rows of activations (quantization, norms, soft cap, GELU) with inputs
// chosen to break them: values that are no numbers, infinities, ties, subnormals, odd sizes and
// addresses. Those of attention are in attention_kernels_test.cc.
//
// What is not a number is never made into one: it reaches the logits, where the sampler reports it.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>

#include "cpu/kernels_testing.h"
#include "model/reference_math.h"

namespace facet::cpu {
namespace {

constexpr float kLargest = FLT_MAX, kSmallest = 1e-45f;

// ---- quantization

// Both sizes of groups that share a scale.
constexpr int kGroups[] = {32, kSuperBlock};

// x quantized as the middle row of a tile of three.
struct Quantized {
    int64_t columns;
    TileRows rows;
    Tile tile;

    Quantized(const Kernels& table, const std::vector<float>& x, int group)
        : columns(int64_t(x.size())),
          rows(3, columns, {true, false, group == kSuperBlock}),
          tile(rows.tile(0, 3)) {
        table.quantize(x.data(), columns, group, tile, 1);
    }
    int code(int64_t column) const { return tile.codes[(column / 4 * 3 + 1) * 4 + column % 4]; }
    float scale(int64_t block) const { return tile.scale[block * 3 + 1]; }
    float scaled_sum(int64_t block) const { return tile.scaled_sum32[block * 3 + 1]; }
    int negative_sum(int64_t block) const { return tile.negative_sum32[block * 3 + 1]; }
    // Sums of 16 and of 32 columns, in halves of integers.
    int sum16(int64_t half) const { return half_of(tile.sum_pairs16, half); }
    int sum32(int64_t block) const { return half_of(tile.sum_pairs32, block); }
    int code_sum(int64_t first, int64_t count) const {
        int sum = 0;
        for (int64_t c = first; c < first + count; ++c) sum += code(c);
        return sum;
    }

  private:
    static int half_of(const int32_t* pairs, int64_t at) {
        int16_t halves[2];
        std::memcpy(halves, pairs + at / 2 * 3 + 1, 4);
        return halves[at % 2];
    }
};

TEST(QuantizeKernel, OneBrokenValueAnywhereBreaksTheScalesOfItsGroupAndNoOther) {
    for (const Kernels* table : tested_kernels()) {
        for (const int group : kGroups) {
            for (const float broken : {NAN, -NAN, INFINITY, -INFINITY}) {
                for (int64_t at = group; at < 2 * group; ++at) {
                    std::vector<float> x(size_t(3 * group), 1.5f);
                    x[size_t(at)] = broken;
                    const Quantized row(*table, x, group);
                    for (int64_t block = 0; block < 3 * group / 32; ++block) {
                        const bool whole = block < group / 32 || block >= 2 * group / 32;
                        ASSERT_EQ(std::isfinite(row.scale(block)), whole) << table->name << at;
                        ASSERT_EQ(std::isfinite(row.scaled_sum(block)), whole) << table->name << at;
                    }
                }
            }
        }
    }
}

TEST(QuantizeKernel, CodesAreNearestWithTiesToEvenUpToTheLargestFloats) {
    for (const Kernels* table : tested_kernels()) {
        for (const int group : kGroups) {
            std::vector<float> x(static_cast<size_t>(group));
            for (size_t i = 0; i < x.size() - 1; ++i) x[i] = float(i % 200) - 99.5f;
            x.back() = 127;
            const Quantized ties(*table, x, group);
            for (size_t i = 0; i < x.size() - 1; ++i)
                EXPECT_EQ(ties.code(int64_t(i)), int(std::nearbyint(x[i]))) << table->name;
            std::fill(x.begin(), x.end(), -kLargest);
            x[0] = kLargest;
            const Quantized large(*table, x, group);
            EXPECT_EQ(large.code(0), 127);
            EXPECT_EQ(large.code(group - 1), -127);
            EXPECT_TRUE(std::isfinite(large.scale(group / 32 - 1)));
        }
    }
}

TEST(QuantizeKernel, ErrorsAreHalfAStepSumsAreExactAndAllTablesAgree) {
    random_source.seed(11);
    for (int round = 0; round < 200; ++round) {
        const int group = kGroups[round % 2];
        const float size = std::exp2(float(int(random_source() % 190) - 96));
        // An odd number of blocks of 32 leaves a half of the last pair alone.
        std::vector<float> x(size_t(group == 32 ? 96 : 512)), first;
        for (float& value : x) value = size * random_normal();
        for (const Kernels* table : tested_kernels()) {
            const Quantized row(*table, x, group);
            std::vector<float> all;
            for (int64_t block = 0; block < row.columns / 32; ++block) {
                const float scale = row.scale(block);
                EXPECT_EQ(scale, row.scale(block / (group / 32) * (group / 32)));
                for (int64_t c = 32 * block; c < 32 * block + 32; ++c) {
                    ASSERT_GE(row.code(c), -127) << table->name;
                    ASSERT_LE(std::abs(row.code(c) * scale - x[size_t(c)]), scale * 0.5001f);
                    all.push_back(float(row.code(c)));
                }
                const int sum = row.code_sum(32 * block, 32);
                EXPECT_EQ(row.negative_sum(block), -sum);
                EXPECT_EQ(row.scaled_sum(block), scale * float(sum));
                EXPECT_EQ(row.sum32(block), sum);
                EXPECT_EQ(row.sum16(2 * block), row.code_sum(32 * block, 16));
                EXPECT_EQ(row.sum16(2 * block + 1), row.code_sum(32 * block + 16, 16));
                all.push_back(scale);
            }
            expect_same(all, first, table->name);
        }
    }
}

TEST(QuantizeKernel, ZerosAndTheTiniestValuesAreZero) {
    for (const Kernels* table : tested_kernels()) {
        for (const int group : kGroups) {
            for (const float value : {0.0f, -0.0f, kSmallest, 1e-40f}) {
                const Quantized row(*table, std::vector<float>(size_t(group), value), group);
                EXPECT_EQ(row.code_sum(0, group), 0) << table->name;
                EXPECT_LE(row.scale(0), 1e-40f) << table->name;
                EXPECT_EQ(row.scaled_sum(0), 0) << table->name;
            }
        }
    }
}

// ---- norms and rotations

// The norm of x by a table's kernels, as the device puts them together.
std::vector<float> norm(const Kernels& table, const std::vector<float>& x, const float* weight) {
    const auto n = int64_t(x.size());
    const float scale = 1.0f / std::sqrt(table.sum_of_squares(x.data(), n) / float(n) + 1e-6f);
    std::vector<float> out(x.size());
    table.scale_row(x.data(), scale, weight, n, out.data());
    return out;
}

TEST(NormKernels, GiveTheBitsOfTheReference) {
    random_source.seed(21);
    for (const size_t n : {16, 32, 48, 256, 2816}) {
        std::vector<float> x(n), weight(n), expected(n);
        for (size_t i = 0; i < n; ++i) x[i] = 1e3f * random_normal(), weight[i] = random_normal();
        for (const float* w : std::initializer_list<const float*>{nullptr, weight.data()}) {
            rms_norm(x.data(), w, 1e-6f, int64_t(n), expected.data());
            for (const Kernels* table : tested_kernels())
                EXPECT_EQ(norm(*table, x, w), expected) << table->name << n;
        }
    }
}

TEST(NormKernels, AddARowAndScaleTheSum) {
    random_source.seed(22);
    std::vector<float> x(48), weight(48), sum(48), expected(48);
    for (size_t i = 0; i < x.size(); ++i) {
        x[i] = random_normal(), weight[i] = random_normal(), sum[i] = random_normal();
        const float scaled = x[i] * 0.3f * weight[i];
        expected[i] = (sum[i] + scaled) * 0.7f;
    }
    for (const Kernels* table : tested_kernels()) {
        auto found = sum;
        table->add_row(x.data(), 0.3f, weight.data(), 48, 0.7f, found.data());
        EXPECT_EQ(found, expected) << table->name;
    }
}

TEST(NormKernels, OneBrokenValueBreaksTheWholeRow) {
    for (const Kernels* table : tested_kernels()) {
        for (const float broken : {NAN, INFINITY}) {
            for (size_t at = 0; at < 32; ++at) {
                std::vector<float> x(32, 1.0f);
                x[at] = broken;
                EXPECT_TRUE(std::isnan(norm(*table, x, nullptr)[at])) << table->name << at;
                EXPECT_FALSE(std::isfinite(table->sum_of_squares(x.data(), 32)));
            }
        }
    }
}

TEST(RotationKernel, GivesTheBitsOfTheReference) {
    random_source.seed(23);
    for (const size_t half : {16, 128, 256}) {
        std::vector<float> head(2 * half), frequencies(half), cosines(half), sines(half);
        for (float& value : head) value = random_normal();
        for (size_t i = 0; i < half; ++i) {
            frequencies[i] = std::pow(0.01f, float(i) / float(half));
            cosines[i] = std::cos(77.0f * frequencies[i]);
            sines[i] = std::sin(77.0f * frequencies[i]);
        }
        auto expected = head;
        rope(expected.data(), frequencies.data(), 77, int64_t(2 * half));
        for (const Kernels* table : tested_kernels()) {
            auto found = head;
            table->rotate(found.data(), cosines.data(), sines.data(), int64_t(half));
            EXPECT_EQ(found, expected) << table->name << half;
        }
    }
}

// ---- soft cap and GELU

// Numbers of all sizes and both signs, then zeros up to a multiple of 16.
std::vector<float> all_sizes(float largest) {
    std::vector<float> x;
    for (float v = kSmallest; v < largest; v = v * 1.37f + kSmallest) {
        x.push_back(v);
        x.push_back(-v);
    }
    for (float v = -100; v < 100; v += 0.037f) x.push_back(v);
    x.push_back(largest);
    x.push_back(-largest);
    x.resize((x.size() + 15) / 16 * 16);
    return x;
}

TEST(SoftCapKernel, IsCloseForAllSizesAndTheSameOnEveryTable) {
    for (const float cap : {30.0f, 50.0f, 1.0f}) {
        const std::vector<float> x = all_sizes(kLargest);
        std::vector<float> first;
        for (const Kernels* table : tested_kernels()) {
            auto found = x;
            table->soft_cap(found.data(), int64_t(found.size()), cap);
            for (size_t i = 0; i < x.size(); ++i) {
                ASSERT_NEAR(found[i], cap * std::tanh(double(x[i]) / cap), 4e-7 * cap)
                    << table->name << " " << x[i];
                ASSERT_LE(std::abs(found[i]), cap);
            }
            expect_same(found, first, table->name);
        }
    }
}

TEST(SoftCapKernel, InfinityIsTheCapAndNotANumberStaysSo) {
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> x(16, 1.0f);
        x[3] = INFINITY, x[5] = -INFINITY, x[7] = NAN, x[9] = -NAN;
        table->soft_cap(x.data(), 16, 30.0f);
        EXPECT_EQ(x[3], 30) << table->name;
        EXPECT_EQ(x[5], -30) << table->name;
        EXPECT_TRUE(std::isnan(x[7])) << table->name;
        EXPECT_TRUE(std::isnan(x[9])) << table->name;
        EXPECT_EQ(x[0], x[15]);
    }
}

TEST(GeluKernel, IsCloseForAllSizesAndNotANumberStaysSo) {
    const std::vector<float> x = all_sizes(kLargest), ones(x.size(), 1.0f);
    std::vector<float> first;
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> found(x.size());
        table->gelu_multiply(x.data(), ones.data(), int64_t(x.size()), found.data());
        for (size_t i = 0; i < x.size(); ++i) {
            const double u = x[i], y = 0.7978845608028654 * (u + 0.044715 * u * u * u);
            // Relative to the input: far to the left e^87 stands for infinity.
            ASSERT_NEAR(found[i], 0.5 * u * (1 + std::tanh(y)), 4e-7 * std::abs(u) + 1e-45)
                << table->name << " " << u;
        }
        expect_same(found, first, table->name);
        const std::vector<float> broken(16, NAN), one(16, 1.0f);
        std::vector<float> out(16);
        table->gelu_multiply(broken.data(), one.data(), 16, out.data());
        for (const float value : out) EXPECT_TRUE(std::isnan(value)) << table->name;
        table->gelu_multiply(one.data(), broken.data(), 16, out.data());
        for (const float value : out) EXPECT_TRUE(std::isnan(value)) << table->name;
    }
}

// ---- addresses and sizes

TEST(RowKernels, AnyAddressGivesTheSameBitsAndNothingBesideIsWritten) {
    constexpr float kUntouched = -12345;
    random_source.seed(14);
    std::vector<float> x(48);
    for (float& value : x) value = random_normal();
    for (const Kernels* table : tested_kernels()) {
        const auto results = [&](size_t offset) {
            std::vector<float> in(offset + 48), out(offset + 49, kUntouched), all;
            std::copy(x.begin(), x.end(), in.begin() + long(offset));
            table->gelu_multiply(&in[offset], &in[offset], 48, &out[offset]);
            all.assign(out.begin() + long(offset), out.end());
            for (size_t i = 0; i < offset; ++i) EXPECT_EQ(out[i], kUntouched);
            std::copy(x.begin(), x.end(), out.begin() + long(offset));
            table->soft_cap(&out[offset], 48, 30);
            all.insert(all.end(), out.begin() + long(offset), out.end());
            table->merge(&out[offset], 0.3f, &in[offset], -0.7f, 48);
            all.insert(all.end(), out.begin() + long(offset), out.end());
            return all;
        };
        const auto expected = results(0);
        for (const size_t behind : {48, 97, 146}) EXPECT_EQ(expected[behind], kUntouched);
        for (size_t offset = 1; offset <= 7; ++offset)
            EXPECT_EQ(results(offset), expected) << table->name << " " << offset;
    }
}

}  // namespace
}  // namespace facet::cpu
