// The kernels that work on rows (quantization, halves, soft-max, soft cap, GELU, attention) with
// inputs chosen to break them: values that are no numbers, infinities, ties, subnormals, odd sizes
// and addresses.
//
// What is not a number is never made into one: it reaches the logits, where the sampler reports it.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>

#include "cpu/kernels_testing.h"

namespace facet::cpu {
namespace {

constexpr float kLargest = FLT_MAX, kSmallest = 1e-45f;

// All tables must give the same, not-a-number included.
void expect_same(const std::vector<float>& found, std::vector<float>& first, const char* name) {
    if (first.empty()) first = found;
    for (size_t i = 0; i < found.size(); ++i)
        ASSERT_TRUE(same(found[i], first[i]))
            << name << " element " << i << ": " << found[i] << ", " << first[i];
}

// ---- quantization

struct Quantized {
    TileRows rows{1, 32, true, false};
    Tile tile = rows.tile(0, 1);
    Quantized(const Kernels& table, const float* x) { table.quantize(x, 32, tile, 0); }
};

TEST(QuantizeKernel, OneBrokenValueAnywhereBreaksTheScale) {
    for (const Kernels* table : tested_kernels()) {
        for (const float broken : {NAN, -NAN, INFINITY, -INFINITY}) {
            for (size_t at = 0; at < 32; ++at) {
                std::vector<float> x(32, 1.5f);
                x[at] = broken;
                const Quantized row(*table, x.data());
                EXPECT_FALSE(std::isfinite(row.tile.scale[0])) << table->name << " " << at;
                EXPECT_FALSE(std::isfinite(row.tile.scaled_sum32[0])) << table->name << " " << at;
            }
        }
    }
}

TEST(QuantizeKernel, CodesAreNearestWithTiesToEvenUpToTheLargestFloats) {
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> x(32);
        for (size_t i = 0; i < 31; ++i) x[i] = float(i) - 15.5f;
        x[31] = 127;
        const Quantized ties(*table, x.data());
        for (size_t i = 0; i < 31; ++i)
            EXPECT_EQ(ties.tile.codes[i], int(std::nearbyint(x[i]))) << table->name;
        x.assign(32, -kLargest);
        x[0] = kLargest;
        const Quantized large(*table, x.data());
        EXPECT_EQ(large.tile.codes[0], 127);
        EXPECT_EQ(large.tile.codes[1], -127);
        EXPECT_TRUE(std::isfinite(large.tile.scale[0]));
    }
}

TEST(QuantizeKernel, NoCodeIsBelowMinus127AndAllTablesAgree) {
    random_source.seed(11);
    for (int round = 0; round < 200; ++round) {
        const float size = std::exp2(float(int(random_source() % 250) - 126));
        std::vector<float> x(32), first;
        for (float& value : x) value = size * random_normal();
        for (const Kernels* table : tested_kernels()) {
            const Quantized row(*table, x.data());
            std::vector<float> all{row.tile.scale[0], row.tile.scaled_sum32[0],
                                   row.tile.scaled_sum16[0], row.tile.scaled_sum16[1]};
            for (int i = 0; i < 32; ++i) {
                EXPECT_GE(row.tile.codes[i], -127) << table->name;
                all.push_back(row.tile.codes[i]);
            }
            expect_same(all, first, table->name);
        }
    }
}

// ---- halves

TEST(HalfKernel, RoundsEveryHalfItsNeighboursAndTheirMiddlesLikeTheReference) {
    std::vector<float> x;
    for (uint32_t half = 0; half < 65536; ++half) {
        const float value = f16_to_float(uint16_t(half)), next = f16_to_float(uint16_t(half + 1));
        const float middle = 0.5f * value + 0.5f * next;
        for (const float v :
             {value, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 2 * middle)})
            x.push_back(v);
    }
    for (const float v : {65519.996f, 65520.0f, kLargest, INFINITY, NAN, kSmallest, 0x1p-25f,
                          0x1.000002p-25f, 0x1p-26f, -0.0f})
        for (const float signed_v : {v, -v}) x.push_back(signed_v);
    x.resize((x.size() + 15) / 16 * 16);
    for (const Kernels* table : tested_kernels()) {
        std::vector<uint16_t> halves(x.size());
        table->to_f16(x.data(), int64_t(x.size()), halves.data());
        for (size_t i = 0; i < x.size(); ++i) {
            if (std::isnan(x[i])) {
                ASSERT_TRUE(std::isnan(f16_to_float(halves[i]))) << table->name;
            } else {
                ASSERT_EQ(halves[i], float_to_f16(x[i])) << table->name << " " << x[i];
            }
        }
    }
}

// ---- soft-max

std::vector<float> softmax_of(const Kernels& table, std::vector<float> x) {
    table.softmax(x.data(), int64_t(x.size()));
    return x;
}

TEST(SoftmaxKernel, IsCloseToDoublesForEverySpreadAndTheSameOnEveryTable) {
    random_source.seed(12);
    for (const size_t n : {16, 32, 48, 1024}) {
        for (const float spread : {0.0f, 1e-6f, 1.0f, 30.0f, 1000.0f, 1e30f}) {
            std::vector<float> x(n), first;
            for (float& value : x) value = 5 + spread * random_normal();
            double top = -INFINITY, sum = 0;
            for (const float value : x) top = std::max(top, double(value));
            for (const float value : x) sum += std::exp(value - top);
            for (const Kernels* table : tested_kernels()) {
                const auto found = softmax_of(*table, x);
                for (size_t i = 0; i < n; ++i) {
                    // The exponential, the subtraction before it (at most 87 where the result
                    // counts), the sum's steps and the division.
                    const double exact = std::exp(x[i] - top) / sum;
                    ASSERT_NEAR(
                        found[i], exact,
                        exact * (3e-7 + 87 * 0x1p-24 + double(n / 16 + 6) * 0x1p-24) + 2e-38)
                        << table->name << " spread " << spread;
                }
                expect_same(found, first, table->name);
            }
        }
    }
}

TEST(SoftmaxKernel, MinusInfinityIsExactlyZeroAndMovesNoOtherBit) {
    random_source.seed(13);
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> x(64, -INFINITY), longer(128, -INFINITY);
        for (size_t i = 3; i < 40; ++i) longer[i + 64] = x[i] = random_normal();
        const auto found = softmax_of(*table, x), same_found = softmax_of(*table, longer);
        for (size_t i = 0; i < 64; ++i) {
            EXPECT_EQ(same_found[i], 0);
            EXPECT_EQ(same_found[i + 64], found[i]) << table->name;
            EXPECT_EQ(found[i] == 0, i < 3 || i >= 40) << table->name;
        }
    }
}

TEST(SoftmaxKernel, BrokenScoresAndNothingToChooseFromAreNotANumber) {
    for (const Kernels* table : tested_kernels()) {
        for (size_t at = 0; at < 32; ++at) {
            for (const float broken : {NAN, INFINITY}) {
                std::vector<float> x(32, 1.0f);
                x[at] = broken;
                const auto found = softmax_of(*table, x);
                EXPECT_TRUE(std::isnan(found[at])) << table->name << " " << at;
                if (std::isnan(broken)) {
                    EXPECT_TRUE(std::isnan(found[at ^ 1])) << table->name << " " << at;
                }
            }
        }
        for (const float value : softmax_of(*table, std::vector<float>(16, -INFINITY)))
            EXPECT_TRUE(std::isnan(value)) << table->name;
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

constexpr float kUntouched = -12345;

TEST(RowKernels, AnyAddressGivesTheSameBitsAndNothingBesideIsWritten) {
    random_source.seed(14);
    std::vector<float> x(48);
    for (float& value : x) value = random_normal();
    for (const Kernels* table : tested_kernels()) {
        const auto results = [&](size_t offset) {
            std::vector<float> in(offset + 48), out(offset + 49, kUntouched), all;
            std::vector<uint16_t> halves(offset + 49, 0xabcd);
            std::copy(x.begin(), x.end(), in.begin() + long(offset));
            table->gelu_multiply(&in[offset], &in[offset], 48, &out[offset]);
            table->to_f16(&in[offset], 48, &halves[offset]);
            all.assign(out.begin() + long(offset), out.end());
            for (size_t i = 0; i < 49; ++i) all.push_back(halves[offset + i]);
            for (size_t i = 0; i < offset; ++i) EXPECT_EQ(out[i], kUntouched);
            std::copy(x.begin(), x.end(), out.begin() + long(offset));
            table->softmax(&out[offset], 48);
            all.insert(all.end(), out.begin() + long(offset), out.end());
            table->soft_cap(&out[offset], 48, 30);
            all.insert(all.end(), out.begin() + long(offset), out.end());
            return all;
        };
        const auto expected = results(0);
        EXPECT_EQ(expected[48], kUntouched);
        EXPECT_EQ(expected[97], 0xabcd);
        EXPECT_EQ(expected[146], kUntouched);
        for (size_t offset = 1; offset <= 7; ++offset)
            EXPECT_EQ(results(offset), expected) << table->name << " " << offset;
    }
}

struct Attention {
    std::vector<float> queries, weights, scores, values;
    std::vector<uint16_t> keys;
    int heads, size;
    int64_t count, key_stride, stride;
    size_t offset;

    // Small integers, whose sums are exact in any order.
    Attention(int heads_, int size_, int64_t count_, size_t offset_)
        : heads(heads_),
          size(size_),
          count(count_),
          key_stride(size_ + 3),
          stride(count_ + 5),
          offset(offset_) {
        queries.resize(offset + size_t(heads * size));
        weights.resize(offset + size_t(heads * stride));
        scores.assign(offset + size_t(heads * stride), kUntouched);
        values.assign(offset + size_t(heads * size), 1);
        keys.resize(offset + size_t((count - 1) * key_stride + size));
        const auto small = [] { return float(int(random_source() % 17) - 8); };
        for (float& q : queries) q = small();
        for (float& w : weights) w = small();
        for (uint16_t& k : keys) k = float_to_f16(small());
    }
    float key(int64_t j, int i) const {
        return f16_to_float(keys[offset + size_t(j * key_stride + i)]);
    }
    void run(const Kernels& table) {
        table.score(&queries[offset], heads, &keys[offset], key_stride, count, size,
                    &scores[offset], stride);
        table.add_values(&weights[offset], stride, heads, &keys[offset], key_stride, count, size,
                         &values[offset]);
    }
    float score(int g, int64_t j) const { return scores[offset + size_t(g * stride + j)]; }
    float value(int g, int i) const { return values[offset + size_t(g * size + i)]; }
};

TEST(AttentionKernels, EveryCountOfHeadsKeysAndColumnsAtAnyAddressGivesTheInteger) {
    random_source.seed(15);
    for (const Kernels* table : tested_kernels()) {
        for (const int heads : {1, 2, 3, 4, 5, 7, 8, 9, 15}) {
            for (const int64_t count : {1, 2, 3, 4, 5, 7}) {
                const int size = 16 * int(1 + random_source() % 6);
                Attention a(heads, size, count, random_source() % 8);
                a.run(*table);
                for (int g = 0; g < heads; ++g) {
                    for (int64_t j = 0; j < count; ++j) {
                        double sum = 0;
                        for (int i = 0; i < size; ++i)
                            sum += a.queries[a.offset + size_t(g * size + i)] * a.key(j, i);
                        ASSERT_EQ(a.score(g, j), sum) << table->name;
                    }
                    for (int64_t j = count; j < a.stride; ++j)
                        ASSERT_EQ(a.score(g, j), kUntouched) << table->name;
                    for (int i = 0; i < size; ++i) {
                        double sum = 1;
                        for (int64_t j = 0; j < count; ++j)
                            sum += a.weights[a.offset + size_t(g * a.stride + j)] * a.key(j, i);
                        ASSERT_EQ(a.value(g, i), sum) << table->name;
                    }
                }
            }
        }
    }
}

TEST(AttentionKernels, BrokenKeysAndValuesReachTheResultAndNoOther) {
    random_source.seed(16);
    for (const Kernels* table : tested_kernels()) {
        for (const float broken : {NAN, INFINITY}) {
            Attention a(3, 32, 5, 0);
            a.keys[size_t(2 * a.key_stride + 7)] = float_to_f16(broken);
            std::fill(a.queries.begin(), a.queries.end(), 1.0f);
            std::fill(a.weights.begin(), a.weights.end(), 1.0f);
            a.run(*table);
            for (int g = 0; g < 3; ++g) {
                for (int64_t j = 0; j < 5; ++j)
                    EXPECT_EQ(std::isfinite(a.score(g, j)), j != 2) << table->name;
                for (int i = 0; i < 32; ++i)
                    EXPECT_EQ(std::isfinite(a.value(g, i)), i != 7) << table->name;
            }
        }
    }
}

}  // namespace
}  // namespace facet::cpu
