// Every strip kernel of every table that this machine can run, against the reference decode and
// against each other, with weights and activations as they come.
#include "cpu/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cpu/kernels_testing.h"

namespace facet::cpu {
namespace {

// one_sign: of all activations, so that sums grow as large as they can.
struct Product {
    TensorType type;
    bool extreme, one_sign;
};

void PrintTo(const Product& product, std::ostream* out) {
    *out << traits_of(product.type).name << (product.extreme ? "_extreme" : "")
         << (product.one_sign ? "_one_sign" : "");
}

// Inner products of row r of the matrix, and how large a rounding error may be in units of 2^-24.
struct Expected {
    double exact = 0, magnitude = 0;
};

Expected product_of(const std::vector<float>& weights, const std::vector<float>& x,
                    const Activations& inputs, int row, bool floats) {
    Expected expected;
    const auto columns = int64_t(weights.size());
    for (int64_t c = 0; c < columns; ++c) {
        const double a = floats ? x[size_t(row * columns + c)]
                                : double(inputs.code(c, row)) * inputs.scale(c, row);
        expected.exact += weights[size_t(c)] * a;
        expected.magnitude += std::abs(weights[size_t(c)] * a);
    }
    return expected;
}

class StripKernels : public ::testing::TestWithParam<Product> {
  protected:
    // One table's products with random activations, checked against doubles.
    static std::vector<float> products(const Kernels& table, const Matrix& matrix, bool extreme,
                                       bool one_sign) {
        const TensorTypeTraits& traits = traits_of(matrix.type);
        const bool floats = traits.block_elements == 1;
        const int64_t columns = matrix.columns;
        random_source.seed(7);
        std::vector<float> x(static_cast<size_t>(kColumnsMax * columns));
        for (float& value : x) {
            value = random_normal() * (extreme ? 1000.0f : 1.0f);
            if (one_sign) value = std::abs(value) + 3;
        }
        const int group = group_of(matrix.type);
        const Activations inputs(table, x, columns, group, kColumnsMax);
        const auto found = multiply(table, matrix, inputs.tile);
        for (int count = 1; count < kColumnsMax; ++count) {
            const Activations some(table, x, columns, group, count);
            const auto fewer = multiply(table, matrix, some.tile);
            EXPECT_EQ(std::memcmp(fewer.data(), found.data(), fewer.size() * 4), 0)
                << table.name << ": the number of columns changes the result";
        }
        // Roundings along one sum: two for each scale and minimum, one for each addition. With a
        // minimum or an offset, parts that are rounded apart may cancel.
        const double steps = floats ? double(columns) : 6.0 * double(columns) / 16;
        const double spread = extreme ? 64 : 4;
        std::vector<float> weights(static_cast<size_t>(columns));
        for (int64_t r = 0; r < matrix.rows; ++r) {
            traits.decode(matrix.row(r), size_t(columns) / traits.block_elements, weights.data());
            for (int t = 0; t < kColumnsMax; ++t) {
                const Expected expected = product_of(weights, x, inputs, t, floats);
                EXPECT_NEAR(found[size_t(t * matrix.rows + r)], expected.exact,
                            steps * 0x1p-24 * spread * expected.magnitude + 1e-30)
                    << table.name << " row " << r << " column " << t;
            }
        }
        return found;
    }
};

TEST_P(StripKernels, EqualTheReferenceWithinRoundingAndEachOtherToTheBit) {
    const auto [type, extreme, one_sign] = GetParam();
    for (const int64_t columns : {256, 512, 2816}) {
        for (const int64_t rows : {1, 7, 16, 37}) {
            const auto bytes = random_rows(type, rows, columns, extreme);
            std::vector<float> first;
            for (const Kernels* table : tested_kernels()) {
                const auto found =
                    products(*table, {type, rows, columns, bytes.data()}, extreme, one_sign);
                if (first.empty()) first = found;
                ASSERT_EQ(std::memcmp(found.data(), first.data(), found.size() * 4), 0)
                    << table->name << " differs from the first table";
            }
        }
    }
}

std::vector<Product> all_products() {
    std::vector<Product> products;
    for (const TensorTypeTraits& traits : all_tensor_types()) {
        products.push_back({traits.type, false, false});
        if (traits.block_elements == 1) continue;
        products.push_back({traits.type, true, false});
        products.push_back({traits.type, false, true});
        products.push_back({traits.type, true, true});
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

TEST(Kernels, UnknownInstructionSetsAreNamedInTheError) {
    EXPECT_FALSE(choose_kernels("mmx").ok());
    EXPECT_NE(choose_kernels("mmx").error().message.find("scalar"), std::string::npos);
    EXPECT_STREQ(choose_kernels("scalar").take()->name, "scalar");
}

// Every row of a cut lies in exactly one tile, whose height differs by at most one from others.
TEST(TileCuts, HoldEveryRowOnceInTilesOfNearlyEqualHeight) {
    for (int64_t count = 1; count <= 100; ++count) {
        const TileCut cut(5, count);
        EXPECT_EQ(cut.tiles(), (count + kColumnsMax - 1) / kColumnsMax);
        int64_t row = 5;
        for (int64_t index = 0; index < cut.tiles(); ++index) {
            const TileCut::Place tile = cut.tile(index);
            EXPECT_EQ(tile.first, row);
            EXPECT_GE(tile.count, count / cut.tiles());
            EXPECT_LE(tile.count, std::min<int64_t>(kColumnsMax, count / cut.tiles() + 1));
            for (int slot = 0; slot < tile.count; ++slot, ++row) {
                const TileCut::Place place = cut.place_of(row);
                EXPECT_EQ(place.first, tile.first);
                EXPECT_EQ(place.count, tile.count);
                EXPECT_EQ(place.slot, slot);
            }
        }
        EXPECT_EQ(row, 5 + count);
    }
}

// What the copy of a row takes along is all that a kernel reads.
TEST(TileRows, CopiesOfARowMultiplyToTheSameBits) {
    random_source.seed(2);
    for (const TensorType type : {TensorType::kQ8_0, TensorType::kQ4_1, TensorType::kQ4_K,
                                  TensorType::kQ6_K, TensorType::kIQ4_XS, TensorType::kF16}) {
        const int64_t columns = group_of(type) == kSuperBlock ? 512 : 96;
        const auto bytes = random_rows(type, 16, columns, false);
        std::vector<float> x(size_t(3 * columns));
        for (float& value : x) value = random_normal();
        for (const Kernels* table : tested_kernels()) {
            Activations from(*table, x, columns, group_of(type), 3);
            TileRows rows(2, columns, {true, true, group_of(type) == kSuperBlock});
            const Tile to = rows.tile(0, 2);
            for (const int slot : {0, 1}) {
                copy_codes(from.tile, 2 - slot, to, slot, columns);
                copy_values(from.tile, 2 - slot, to, slot, columns);
            }
            const Matrix matrix{type, 16, columns, bytes.data()};
            const auto original = multiply(*table, matrix, from.tile),
                       copied = multiply(*table, matrix, to);
            EXPECT_EQ(std::memcmp(&copied[0], &original[32], 64), 0) << table->name;
            EXPECT_EQ(std::memcmp(&copied[16], &original[16], 64), 0) << table->name;
        }
    }
}

}  // namespace
}  // namespace facet::cpu
