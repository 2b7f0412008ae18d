// Kernels of strips in planes: the product has the bits that the same weights give in one piece; an
// estimate is the product of weights whose low bits are their middle; a norm is that of the rest.
#include <gtest/gtest.h>

#include <cmath>

#include "cpu/kernels_testing.h"

namespace facet::cpu {
namespace {

std::string type_name(const ::testing::TestParamInfo<TensorType>& tested) {
    return std::string(traits_of(tested.param).name);
}

class PlaneStrips : public ::testing::TestWithParam<TensorType> {};
INSTANTIATE_TEST_SUITE_P(Types, PlaneStrips,
                         ::testing::Values(TensorType::kQ6_K, TensorType::kQ8_0), type_name);

// A strip of the first rows in planes, each plane without a byte to spare.
struct PackedPlanes {
    std::vector<uint8_t> high, low;
    const PlaneKernels& kernels;

    PackedPlanes(const Kernels& table, const Matrix& matrix)
        : kernels(table.planes[size_t(*plane_type(matrix.type))]) {
        const PlaneBytes bytes = plane_bytes(*plane_type(matrix.type), matrix.columns);
        EXPECT_EQ(bytes.high + bytes.low, matrix.row_bytes());
        high.resize(bytes.high * size_t(table.rows));
        low.resize(bytes.low * size_t(table.rows));
        pack_planes(matrix, 0, table.rows, {high.data(), low.data()});
    }
    PlaneStrip strip() const { return {high.data(), low.data()}; }
};

std::vector<float> random_values(int64_t count) {
    std::vector<float> x(static_cast<size_t>(count));
    for (float& value : x) value = random_normal();
    return x;
}

// Each weight with its low bits replaced by their middle, and what that leaves out.
struct Parts {
    std::vector<double> estimated, rest;
    Parts(const Matrix& matrix, int64_t row) {
        const bool q6_k = matrix.type == TensorType::kQ6_K;
        const TensorTypeTraits& traits = traits_of(matrix.type);
        std::vector<float> exact(size_t(matrix.columns));
        traits.decode(matrix.row(row), exact.size() / traits.block_elements, exact.data());
        for (int64_t c = 0; c < matrix.columns; ++c) {
            const uint8_t* block =
                matrix.row(row) + c / int64_t(traits.block_elements) * int64_t(traits.block_bytes);
            uint16_t half;
            std::memcpy(&half, block + (q6_k ? 208 : 0), 2);
            const double d = f16_to_float(half);
            const double scale = q6_k ? d * int8_t(block[192 + c % 256 / 16]) : d;
            int low = block[2 + c % 32] & 15;  // Q8_0: a code in two's complement
            if (q6_k) {
                const int64_t half_block = c % 256 / 128, part = c % 128 / 32, l = c % 32;
                low = (block[64 * half_block + 32 * (part % 2) + l] >> (4 * (part / 2))) & 7;
            }
            rest.push_back(scale * (low - (q6_k ? 3.5 : 7.5)));
            estimated.push_back(double{exact[size_t(c)]} - rest.back());
        }
    }
};

TEST_P(PlaneStrips, GiveTheBitsOfOnePiece) {
    random_source.seed(11);
    const int64_t columns = 3 * kSuperBlock, rows = 16;
    for (const bool extreme : {false, true}) {
        const auto bytes = random_rows(GetParam(), rows, columns, extreme);
        const Matrix matrix{GetParam(), rows, columns, bytes.data()};
        for (const Kernels* table : tested_kernels()) {
            for (int count = 1; count <= kColumnsMax; ++count) {
                Activations x(*table, random_values(columns * count), columns, group_of(GetParam()),
                              count);
                const Matrix one{GetParam(), table->rows, columns, bytes.data()};
                const auto expected = multiply(*table, one, x.tile);
                const PackedPlanes planes(*table, matrix);
                std::vector<float> found(size_t(count * table->rows));
                planes.kernels.multiply(planes.strip(), columns / 32, x.tile, found.data(),
                                        count % 2 ? planes.strip() : PlaneStrip{});
                for (size_t i = 0; i < found.size(); ++i)
                    ASSERT_TRUE(same(found[i], expected[i])) << table->name << " " << count;
            }
        }
    }
}

TEST_P(PlaneStrips, EstimateWithTheMiddleOfTheLowBits) {
    random_source.seed(12);
    const int64_t columns = 2 * kSuperBlock, rows = 16;
    for (const bool extreme : {false, true}) {
        const auto bytes = random_rows(GetParam(), rows, columns, extreme);
        const Matrix matrix{GetParam(), rows, columns, bytes.data()};
        auto values = random_values(columns);
        if (extreme) {  // the largest sums: all codes of activations are 127 or -127
            for (float& value : values) value = value < 0 ? -3.0f : 3.0f;
        }
        std::vector<float> first;
        for (const Kernels* table : tested_kernels()) {
            const Activations x(*table, values, columns, group_of(GetParam()), 1);
            const PackedPlanes planes(*table, matrix);
            std::vector<float> found(size_t(table->rows));
            planes.kernels.estimate(planes.high.data(), columns / 32, x.tile, found.data());
            for (int r = 0; r < table->rows; ++r) {
                const Parts parts(matrix, r);
                double sum = 0, magnitude = 0;
                for (int64_t c = 0; c < columns; ++c) {
                    const double term =
                        parts.estimated[size_t(c)] * x.code(c, 0) * double{x.scale(c, 0)};
                    sum += term;
                    magnitude += std::abs(term);
                }
                ASSERT_NEAR(found[size_t(r)], sum, 1e-6 * magnitude) << table->name << " " << r;
            }
            found.resize(4);  // the rows that every table's strip has
            expect_same(found, first, table->name);
        }
    }
}

TEST_P(PlaneStrips, KnowTheNormOfWhatAnEstimateLeavesOut) {
    random_source.seed(13);
    const int64_t columns = 2 * kSuperBlock, rows = 16;
    const auto bytes = random_rows(GetParam(), rows, columns, false);
    const Matrix matrix{GetParam(), rows, columns, bytes.data()};
    for (const Kernels* table : tested_kernels()) {
        const PackedPlanes planes(*table, matrix);
        std::vector<float> found(size_t(table->rows));
        planes.kernels.residual_norms(planes.strip(), columns / 32, found.data());
        for (int r = 0; r < table->rows; ++r) {
            double squares = 0;
            for (const double rest : Parts(matrix, r).rest) squares += rest * rest;
            EXPECT_NEAR(found[size_t(r)], std::sqrt(squares), 1e-5 * std::sqrt(squares))
                << table->name;
        }
    }
}

// What is not a number is seen by the estimate already.
TEST_P(PlaneStrips, BrokenScalesReachTheEstimate) {
    random_source.seed(14);
    const int64_t columns = 2 * kSuperBlock, rows = 16;
    auto bytes = random_rows(GetParam(), rows, columns, false);
    const Matrix matrix{GetParam(), rows, columns, bytes.data()};
    put_half(NAN, &bytes[2 * matrix.row_bytes() + halves_of(GetParam())[0]]);
    for (const Kernels* table : tested_kernels()) {
        const Activations x(*table, random_values(columns), columns, group_of(GetParam()), 1);
        const PackedPlanes planes(*table, matrix);
        std::vector<float> found(size_t(table->rows));
        planes.kernels.estimate(planes.high.data(), columns / 32, x.tile, found.data());
        for (int r = 0; r < table->rows; ++r)
            EXPECT_EQ(std::isnan(found[size_t(r)]), r == 2) << table->name;
    }
}

}  // namespace
}  // namespace facet::cpu
