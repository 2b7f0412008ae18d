// Every kernel of every table that this machine can run, against the reference decode and against
// each other.
#include "cpu/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "cpu/cpu_kernels.h"
#include "cpu/kernels_testing.h"
#include "model/reference_math.h"

namespace facet::cpu {
namespace {

struct Product {
    TensorType type;
    bool extreme;
};

void PrintTo(const Product& product, std::ostream* out) {
    *out << traits_of(product.type).name << (product.extreme ? "_extreme" : "");
}

class StripKernels : public ::testing::TestWithParam<Product> {};

TEST_P(StripKernels, EqualTheReferenceWithinRoundingAndEachOtherToTheBit) {
    const auto [type, extreme] = GetParam();
    const TensorTypeTraits& traits = traits_of(type);
    for (const int64_t columns : {256, 512, 2816}) {
        for (const int64_t rows : {1, 7, 16, 37}) {
            const auto bytes = random_rows(type, rows, columns, extreme);
            const Matrix matrix{type, rows, columns, bytes.data()};
            std::vector<std::vector<float>> results;
            for (const Kernels* table : tested_kernels()) {
                random_source.seed(7);
                std::vector<float> x(static_cast<size_t>(kColumnsMax * columns));
                for (float& value : x) value = random_normal() * (extreme ? 1000.0f : 1.0f);
                const Activations inputs(*table, x, columns, kColumnsMax);
                const auto found = multiply(*table, matrix, inputs.tile);
                for (int count = 1; count < kColumnsMax; ++count) {
                    const Activations some(*table, x, columns, count);
                    const auto fewer = multiply(*table, matrix, some.tile);
                    ASSERT_EQ(std::memcmp(fewer.data(), found.data(), fewer.size() * 4), 0)
                        << table->name << ": the number of columns changes the result";
                }
                std::vector<float> weights(static_cast<size_t>(columns));
                for (int64_t r = 0; r < rows; ++r) {
                    traits.decode(matrix.row(r), size_t(columns) / traits.block_elements,
                                  weights.data());
                    for (int t = 0; t < kColumnsMax; ++t) {
                        double exact = 0, magnitude = 0;
                        for (int64_t c = 0; c < columns; ++c) {
                            const bool floats = traits.block_elements == 1;
                            const double a = floats
                                                 ? x[size_t(t * columns + c)]
                                                 : double(inputs.code(c, t)) * inputs.scale(c, t);
                            exact += weights[size_t(c)] * a;
                            // With a minimum, scale * code and the minimum are rounded apart and
                            // may cancel.
                            magnitude += std::abs(weights[size_t(c)] * a);
                        }
                        // Roundings along one sum: two for each scale and minimum, one for each
                        // addition.
                        const double steps = traits.block_elements == 1
                                                 ? double(columns)
                                                 : 6.0 * double(columns) / 16;
                        const double spread = extreme ? 64 : 4;
                        EXPECT_LE(std::abs(found[size_t(t * rows + r)] - exact),
                                  steps * 0x1p-24 * spread * magnitude + 1e-30)
                            << table->name << " row " << r << " column " << t;
                    }
                }
                results.push_back(found);
            }
            for (const auto& result : results) {
                ASSERT_EQ(std::memcmp(result.data(), results[0].data(), result.size() * 4), 0)
                    << "tables differ";
            }
        }
    }
}

std::vector<Product> all_products() {
    std::vector<Product> products;
    for (const TensorTypeTraits& traits : all_tensor_types()) {
        products.push_back({traits.type, false});
        if (traits.block_elements > 1) products.push_back({traits.type, true});
    }
    return products;
}

INSTANTIATE_TEST_SUITE_P(AllTypes, StripKernels, ::testing::ValuesIn(all_products()),
                         ::testing::PrintToStringParamName());

// Under an emulator (scripts/test_other_isas.sh) a table that is not found would go untested in
// silence.
TEST(Kernels, AreTheTablesThatWereAskedFor) {
    std::string names;
    for (const Kernels* table : usable_kernels())
        names += std::string(names.empty() ? "" : " ") + table->name;
    std::printf("tables that this machine can run: %s\n", names.c_str());
    const char* const asked_for = std::getenv("FACET_TEST_TABLES");
    if (asked_for != nullptr) {
        EXPECT_EQ(names, asked_for);
    }
}

TEST(Kernels, QuantizationIsNearestAndItsSumsAreExact) {
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> x(64);
        for (float& value : x) value = random_normal();
        x[5] = 40;
        // In the middle of a tile of three.
        TileRows rows(3, 64, true, false);
        const Tile tile = rows.tile(0, 3);
        table->quantize(x.data(), 64, tile, 1);
        EXPECT_EQ(tile.codes[(1 * 3 + 1) * 4 + 1], 127);
        for (int block = 0; block < 2; ++block) {
            const float scale = tile.scale[block * 3 + 1];
            int sum = 0;
            for (int i = 32 * block; i < 32 * block + 32; ++i) {
                const int code = tile.codes[(i / 4 * 3 + 1) * 4 + i % 4];
                EXPECT_LE(std::abs(code * scale - x[size_t(i)]), scale * 0.5001f);
                sum += code;
            }
            EXPECT_EQ(tile.negative_sum32[block * 3 + 1], -sum);
            EXPECT_EQ(tile.negative_sum16[2 * block * 3 + 1] +
                          tile.negative_sum16[(2 * block + 1) * 3 + 1],
                      -sum);
            EXPECT_FLOAT_EQ(tile.scaled_sum32[block * 3 + 1], scale * float(sum));
        }
    }
}

TEST(Kernels, QuantizingZerosTinyAndBrokenValuesIsDefined) {
    for (const Kernels* table : tested_kernels()) {
        TileRows rows(1, 32, true, false);
        const Tile tile = rows.tile(0, 1);
        std::vector<float> x(32, 0.0f);
        table->quantize(x.data(), 32, tile, 0);
        EXPECT_EQ(tile.scale[0], 0);
        EXPECT_EQ(tile.codes[3], 0);
        x.assign(32, 1e-40f);
        table->quantize(x.data(), 32, tile, 0);
        EXPECT_EQ(tile.codes[3], 0);
        x.assign(32, NAN);
        table->quantize(x.data(), 32, tile, 0);
        EXPECT_TRUE(std::isnan(tile.scale[0])) << table->name;
        x.assign(32, INFINITY);
        table->quantize(x.data(), 32, tile, 0);
        EXPECT_FALSE(std::isfinite(tile.scale[0])) << table->name;
    }
}

TEST(Kernels, AttentionSumsEqualDoublesWithinRoundingAndEachOtherToTheBit) {
    for (const int size : {32, 64, 256, 512}) {
        for (const int heads : {1, 2, 3, 8, 11}) {
            const int64_t count = 37, stride = 48;
            std::vector<float> queries(size_t(heads * size)), weights(size_t(heads * stride));
            std::vector<uint16_t> keys(size_t(count * size));
            for (float& q : queries) q = random_normal();
            for (float& w : weights) w = random_normal();
            for (uint16_t& k : keys) k = float_to_f16(random_normal());
            std::vector<float> first_scores, first_values;
            for (const Kernels* table : tested_kernels()) {
                std::vector<float> scores(size_t(heads * stride)),
                    values(size_t(heads * size), 0.5f);
                table->score(queries.data(), heads, keys.data(), size, count, size, scores.data(),
                             stride);
                table->add_values(weights.data(), stride, heads, keys.data(), size, count, size,
                                  values.data());
                for (int g = 0; g < heads; ++g) {
                    for (int64_t j = 0; j < count; ++j) {
                        double exact = 0, magnitude = 0;
                        for (int i = 0; i < size; ++i) {
                            const double product = double(queries[size_t(g * size + i)]) *
                                                   f16_to_float(keys[size_t(j * size + i)]);
                            exact += product;
                            magnitude += std::abs(product);
                        }
                        EXPECT_NEAR(scores[size_t(g * stride + j)], exact,
                                    (size / 16 + 4) * 0x1p-24 * magnitude);
                    }
                    for (int i = 0; i < size; ++i) {
                        double exact = 0.5, magnitude = 0.5;
                        for (int64_t j = 0; j < count; ++j) {
                            const double product = double(weights[size_t(g * stride + j)]) *
                                                   f16_to_float(keys[size_t(j * size + i)]);
                            exact += product;
                            magnitude += std::abs(product);
                        }
                        EXPECT_NEAR(values[size_t(g * size + i)], exact,
                                    (double(count) + 1) * 0x1p-24 * magnitude);
                    }
                }
                if (first_scores.empty()) first_scores = scores, first_values = values;
                EXPECT_EQ(scores, first_scores) << table->name;
                EXPECT_EQ(values, first_values) << table->name;
            }
        }
    }
}

TEST(Kernels, GeluIsCloseForAllSizesAndTheSameOnEveryTable) {
    std::vector<float> x;
    for (float u = -12; u < 12; u += 0.0037f) x.push_back(u);
    for (const float u : {-1e30f, -100.0f, -0.0f, 0.0f, 1e-30f, 100.0f, 1e10f}) x.push_back(u);
    x.resize((x.size() + 15) / 16 * 16);
    const std::vector<float> ones(x.size(), 1.0f);
    std::vector<float> first;
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> out(x.size());
        table->gelu_multiply(x.data(), ones.data(), int64_t(x.size()), out.data());
        for (size_t i = 0; i < x.size(); ++i) {
            const double u = x[i], y = 0.7978845608028654 * (u + 0.044715 * u * u * u);
            EXPECT_NEAR(out[i], 0.5 * u * (1 + std::tanh(y)), 2e-6 * std::max(1.0, std::abs(u)))
                << table->name << " " << u;
        }
        if (first.empty()) first = out;
        EXPECT_EQ(std::memcmp(out.data(), first.data(), out.size() * 4), 0) << table->name;
    }
}

TEST(Kernels, HalvesAreRoundedToNearestEven) {
    std::vector<float> x(64);
    for (float& value : x) value = random_normal() * std::exp2(float(random_source() % 40) - 26);
    for (const Kernels* table : tested_kernels()) {
        std::vector<uint16_t> halves(64);
        table->to_f16(x.data(), 64, halves.data());
        for (size_t i = 0; i < 64; ++i)
            EXPECT_EQ(halves[i], float_to_f16(x[i])) << table->name << " " << x[i];
    }
}

TEST(Kernels, UnknownInstructionSetsAreNamedInTheError) {
    EXPECT_FALSE(choose_kernels("mmx").ok());
    EXPECT_NE(choose_kernels("mmx").error().message.find("scalar"), std::string::npos);
    EXPECT_STREQ(choose_kernels("scalar").take()->name, "scalar");
}

}  // namespace
}  // namespace facet::cpu
