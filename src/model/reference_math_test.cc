#include "model/reference_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace facet {
namespace {

std::vector<float> random_values(size_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& value : values) value = normal(random);
    return values;
}

TEST(ReferenceMath, DotIsWithinItsRoundingBound) {
    for (const size_t n : {0, 1, 15, 16, 17, 255, 704, 2816}) {
        const auto a = random_values(n, 1), b = random_values(n, 2);
        double exact = 0, magnitude = 0;
        for (size_t i = 0; i < n; ++i) {
            exact += double(a[i]) * b[i];
            magnitude += std::abs(double(a[i]) * b[i]);
        }
        // n/16 additions in each of 16 lanes, then 16: gamma_k |a| |b|, unit roundoff 2^-24.
        const double bound = (n / 16.0 + 32) * 0x1p-24 * magnitude;
        EXPECT_LE(std::abs(dot(a.data(), b.data(), int64_t(n)) - exact), bound) << n;
    }
}

TEST(ReferenceMath, NormHasUnitMeanSquareAndUsesTheWeightAsItIs) {
    auto x = random_values(256, 3);
    const std::vector<float> weight(256, 3.0f);
    std::vector<float> out(256);
    rms_norm(x.data(), nullptr, 1e-6f, 256, out.data());
    EXPECT_NEAR(dot(out.data(), out.data(), 256) / 256, 1.0, 1e-4);
    std::vector<float> weighted(256);
    rms_norm(x.data(), weight.data(), 1e-6f, 256, weighted.data());
    for (size_t i = 0; i < 256; ++i) EXPECT_FLOAT_EQ(weighted[i], 3.0f * out[i]);
    std::vector<float> zeros(256);
    rms_norm(zeros.data(), weight.data(), 1e-6f, 256, out.data());
    for (const float value : out) EXPECT_EQ(value, 0.0f);
}

TEST(ReferenceMath, GeluSaturatesWithoutNan) {
    EXPECT_EQ(gelu(0), 0);
    EXPECT_NEAR(gelu(1), 0.841192, 1e-5);
    EXPECT_NEAR(gelu(-1), -0.158808, 1e-5);
    EXPECT_EQ(gelu(100), 100);
    EXPECT_EQ(gelu(-100), 0);
    EXPECT_EQ(gelu(1e10f), 1e10f);
}

TEST(ReferenceMath, RopePairsHalvesAndKeepsLength) {
    std::vector<float> head = {1, 2, 3, 4};
    const std::vector<float> frequencies = {0.5f, 0.0f};
    rope(head.data(), frequencies.data(), 3, 4);
    EXPECT_NEAR(head[0], std::cos(1.5) - 3 * std::sin(1.5), 1e-6);
    EXPECT_NEAR(head[2], 3 * std::cos(1.5) + std::sin(1.5), 1e-6);
    EXPECT_EQ(head[1], 2);  // frequency 0 does not rotate, whatever the position
    EXPECT_EQ(head[3], 4);
}

TEST(ReferenceMath, SoftmaxAddsUpToOneForLargeValues) {
    std::vector<float> x = {1000, 1001, 999};
    softmax(x.data(), 3);
    EXPECT_NEAR(x[0] + x[1] + x[2], 1, 1e-6);
    EXPECT_NEAR(x[1] / x[0], std::exp(1.0), 1e-4);
}

TEST(ReferenceMath, TopKPrefersTheLowerIndexAmongEquals) {
    const std::vector<float> values = {1, 5, 5, 0, 7};
    int32_t best[3];
    top_k(values.data(), 5, 3, best);
    EXPECT_EQ(best[0], 4);
    EXPECT_EQ(best[1], 1);
    EXPECT_EQ(best[2], 2);
}

}  // namespace
}  // namespace facet
