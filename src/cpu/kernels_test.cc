// Every kernel of every table that this machine can run, against the reference decode and against
// each other.
#include "cpu/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/half.h"
#include "cpu/cpu_kernels.h"
#include "cpu/strips.h"
#include "cpu/tile_rows.h"
#include "model/reference_math.h"

namespace facet::cpu {
namespace {

std::mt19937 random_source(1);

float random_normal() {
    std::normal_distribution<float>
        normal;  // a static one would keep half a pair across a new seed
    return normal(random_source);
}

// Random blocks of a type with finite scales; `extreme` uses the largest and smallest codes and
// scales.
std::vector<uint8_t> random_rows(TensorType type, int64_t rows, int64_t columns, bool extreme) {
    const TensorTypeTraits& traits = traits_of(type);
    std::vector<uint8_t> bytes(static_cast<size_t>(rows) *
                               row_bytes(type, static_cast<uint64_t>(columns)));
    for (uint8_t& byte : bytes) {
        const uint32_t r = random_source();
        byte = static_cast<uint8_t>(extreme ? (r % 3 == 0 ? 0x00 : r % 3 == 1 ? 0xff : 0x80) : r);
    }
    const auto put_half = [&](size_t at) {
        const float value =
            extreme ? (random_source() % 2 ? 600.0f : -6e-5f) : 0.01f * random_normal();
        const uint16_t half = float_to_f16(value);
        std::memcpy(&bytes[at], &half, 2);
    };
    for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
        switch (type) {
            case TensorType::kF32: {
                const float value = random_normal();
                std::memcpy(&bytes[at], &value, 4);
                break;
            }
            case TensorType::kF16: put_half(at); break;
            case TensorType::kBF16: {
                const uint16_t half = float_to_bf16(random_normal());
                std::memcpy(&bytes[at], &half, 2);
                break;
            }
            case TensorType::kQ4_1:
            case TensorType::kQ5_1:
            case TensorType::kQ4_K:
            case TensorType::kQ5_K: put_half(at + 2); [[fallthrough]];
            case TensorType::kQ4_0:
            case TensorType::kQ5_0:
            case TensorType::kQ8_0:
            case TensorType::kIQ4_NL:
            case TensorType::kIQ4_XS: put_half(at); break;
            case TensorType::kQ2_K:
                put_half(at + 80);
                put_half(at + 82);
                break;
            case TensorType::kQ3_K: put_half(at + 108); break;
            case TensorType::kQ6_K: put_half(at + 208); break;
            case TensorType::kMXFP4:
                bytes[at] = static_cast<uint8_t>(extreme ? random_source() % 140
                                                         : 110 + random_source() % 20);
                break;
        }
    }
    return bytes;
}

// `count` rows of activations as one tile, in both forms.
struct Activations {
    TileRows rows;
    Tile tile;

    Activations(const Kernels& table, const std::vector<float>& x, int64_t columns, int count)
        : rows(count, columns, true, true), tile(rows.tile(0, count)) {
        for (int t = 0; t < count; ++t) {
            table.quantize(&x[static_cast<size_t>(t * columns)], columns, tile, t);
            store_values(&x[static_cast<size_t>(t * columns)], columns, tile, t);
        }
    }
    int code(int64_t column, int row) const {
        return tile.codes[(column / 4 * tile.count + row) * 4 + column % 4];
    }
    float scale(int64_t column, int row) const {
        return tile.scale[column / 32 * tile.count + row];
    }
};

// Products of all rows of a matrix with a tile, by one table; [count, rows].
std::vector<float> multiply(const Kernels& table, const Matrix& matrix, const Tile& input) {
    const int height = table.rows;
    std::vector<uint8_t> strip(static_cast<size_t>(height) * matrix.row_bytes());
    std::vector<float> out(static_cast<size_t>(input.count * matrix.rows)),
        tile(static_cast<size_t>(input.count * height));
    const bool floats = traits_of(matrix.type).block_elements == 1;
    for (int64_t row = 0; row < matrix.rows; row += height) {
        pack_strip(matrix, row, height, strip.data());
        table.strip[static_cast<size_t>(strip_type(matrix.type))](
            strip.data(), floats ? matrix.columns : matrix.columns / 32, input, tile.data());
        for (int t = 0; t < input.count; ++t) {
            for (int r = 0; r < height && row + r < matrix.rows; ++r) {
                out[static_cast<size_t>(t * matrix.rows + row + r)] =
                    tile[static_cast<size_t>(t * height + r)];
            }
        }
    }
    return out;
}

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
            for (const Kernels* table : usable_kernels()) {
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

TEST(Kernels, QuantizationIsNearestAndItsSumsAreExact) {
    for (const Kernels* table : usable_kernels()) {
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
    for (const Kernels* table : usable_kernels()) {
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
            for (const Kernels* table : usable_kernels()) {
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
    for (const Kernels* table : usable_kernels()) {
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
    for (const Kernels* table : usable_kernels()) {
        std::vector<uint16_t> halves(64);
        table->to_f16(x.data(), 64, halves.data());
        for (size_t i = 0; i < 64; ++i)
            EXPECT_EQ(halves[i], float_to_f16(x[i])) << table->name << " " << x[i];
    }
}

TEST(Kernels, TheBandwidthProbeReadsEveryByte) {
    std::vector<uint8_t> memory(1024);
    for (const Kernels* table : usable_kernels()) {
        EXPECT_EQ(table->read(memory.data(), 1024), 0) << table->name;
        for (uint8_t& byte : memory) {
            byte = 1;
            EXPECT_NE(table->read(memory.data(), 1024), 0) << table->name;
            byte = 0;
        }
    }
}

TEST(Kernels, UnknownInstructionSetsAreNamedInTheError) {
    EXPECT_FALSE(choose_kernels("mmx").ok());
    EXPECT_NE(choose_kernels("mmx").error().message.find("scalar"), std::string::npos);
    EXPECT_STREQ(choose_kernels("scalar").take()->name, "scalar");
}

}  // namespace
}  // namespace facet::cpu
