#include "base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace facet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The value of a half by its definition, in double.
double f16_value(uint16_t half) {
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 1023;
    double value = 0;
    if (exponent == 31) {
        value = mantissa == 0 ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
    } else if (exponent == 0) {
        value = std::ldexp(mantissa, -24);
    } else {
        value = std::ldexp(1024 + mantissa, exponent - 25);
    }
    return half >> 15 ? -value : value;
}

// Rounds by search: the nearest of all finite values, ties to the even bit pattern, and what lies
// at or above `overflow` (halfway between the largest value and the next power of two) to infinity.
// `decode` must rise with its pattern over the positive values below `infinity`.
template <typename Decode>
uint16_t nearest(float value, uint16_t infinity, double overflow, Decode decode) {
    const double magnitude = std::fabs(static_cast<double>(value));
    const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
    if (magnitude >= overflow) return sign | infinity;
    uint16_t low = 0;
    uint16_t high = infinity - 1;
    while (low < high) {  // the largest pattern not above the value
        const auto middle = static_cast<uint16_t>((low + high + 1) / 2);
        if (decode(middle) <= magnitude) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    if (low == infinity - 1) return sign | low;
    const double below = magnitude - decode(low);
    const double above = decode(static_cast<uint16_t>(low + 1)) - magnitude;
    const bool up = above < below || (above == below && low % 2 == 1);
    return static_cast<uint16_t>(sign | (low + (up ? 1 : 0)));
}

uint16_t nearest_f16(float value) {
    return nearest(value, 0x7c00, 65520.0, [](uint16_t half) { return f16_value(half); });
}

uint16_t nearest_bf16(float value) {
    const double overflow =
        std::ldexp(511, 119);  // halfway between the largest, 255 * 2^120, and 2^128
    return nearest(value, 0x7f80, overflow, [](uint16_t half) {
        return static_cast<double>(std::bit_cast<float>(uint32_t{half} << 16));
    });
}

// Floats around every rounding boundary of the upper 16 bits, and random ones.
template <typename Check>
void for_many_floats(Check check) {
    for (uint32_t upper = 0; upper < 0x10000; ++upper) {
        for (const uint32_t lower :
             {0x0000u, 0x0001u, 0x0fffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
            const float value = std::bit_cast<float>(upper << 16 | lower);
            if (!std::isnan(value)) check(value);
        }
    }
    std::mt19937 random(1);
    for (int i = 0; i < 200000; ++i) {
        const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
        if (!std::isnan(value)) check(value);
        // The same mantissa near the range of f16, where most random exponents are not.
        const float scaled = std::ldexp(static_cast<float>(random() % 65536 + 65536),
                                        static_cast<int>(random() % 48) - 48);
        check(scaled);
    }
}

TEST(F16, EveryValueIsExactAndRoundTrips) {
    for (uint32_t i = 0; i < 0x10000; ++i) {
        const auto half = static_cast<uint16_t>(i);
        const float value = f16_to_float(half);
        if (std::isnan(f16_value(half))) {
            EXPECT_TRUE(std::isnan(value)) << i;
            EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(value)))) << i;
            continue;
        }
        ASSERT_EQ(static_cast<double>(value), f16_value(half)) << i;
        ASSERT_EQ(std::signbit(value), half >> 15 == 1) << i;
        ASSERT_EQ(float_to_f16(value), half) << i;
    }
}

TEST(F16, RoundsToNearestEven) {
    for_many_floats(
        [](float value) { ASSERT_EQ(float_to_f16(value), nearest_f16(value)) << value; });
}

TEST(F16, RoundsAtItsLimits) {
    EXPECT_EQ(float_to_f16(65504.0f), 0x7bff);
    EXPECT_EQ(float_to_f16(std::nextafter(65520.0f, 0.0f)), 0x7bff);
    EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
    EXPECT_EQ(float_to_f16(-kInfinity), 0xfc00);
    EXPECT_EQ(float_to_f16(0x1p-25f), 0x0000);  // halfway to the smallest subnormal: to even, zero
    EXPECT_EQ(float_to_f16(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
    EXPECT_EQ(float_to_f16(-0.0f), 0x8000);
}

TEST(BF16, EveryValueIsExactAndRoundTrips) {
    for (uint32_t i = 0; i < 0x10000; ++i) {
        const auto half = static_cast<uint16_t>(i);
        const float value = bf16_to_float(half);
        EXPECT_EQ(std::bit_cast<uint32_t>(value), i << 16);
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(value)))) << i;
        } else {
            ASSERT_EQ(float_to_bf16(value), half) << i;
        }
    }
}

TEST(BF16, RoundsToNearestEven) {
    for_many_floats(
        [](float value) { ASSERT_EQ(float_to_bf16(value), nearest_bf16(value)) << value; });
}

TEST(BF16, KeepsNaNWhoseUpperBitsLookLikeInfinity) {
    EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7f800001u)))));
    EXPECT_EQ(bf16_to_float(float_to_bf16(std::numeric_limits<float>::max())), kInfinity);
}

}  // namespace
}  // namespace facet
