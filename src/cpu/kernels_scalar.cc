// The kernels without intrinsics: strips of 8 rows, lanes as arrays. Runs everywhere, and is what
// the others are held to.
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

namespace facet::cpu {
namespace {

struct V {
    static constexpr char kName[] = "scalar";
    static constexpr bool kEstimatesFast = false;
    static constexpr int kRows = 8;
    static constexpr int kSignedBias = 0;
    struct I {
        int32_t lane[kRows];
    };
    struct F {
        float lane[kRows];
    };

    template <typename Result, typename Function>
    static Result each(Function function) {
        Result result;
        for (int i = 0; i < kRows; ++i) result.lane[i] = function(i);
        return result;
    }
    static I load(const void* p) {
        I a;
        __builtin_memcpy(&a, p, sizeof a);
        return a;
    }
    static void store(int32_t* p, I a) { __builtin_memcpy(p, &a, sizeof a); }
    static F load_f(const float* p) {
        F a;
        __builtin_memcpy(&a, p, sizeof a);
        return a;
    }
    static void store_f(float* p, F a) { __builtin_memcpy(p, &a, sizeof a); }
    static I load_bytes(const uint8_t* p) {
        return each<I>([&](int i) { return p[i]; });
    }
    static I load_signed_bytes(const uint8_t* p) {
        return each<I>([&](int i) { return static_cast<int8_t>(p[i]); });
    }
    static I load_signed_pairs(const uint8_t* p) {
        return each<I>([&](int i) {
            const uint32_t high = static_cast<uint32_t>(static_cast<int8_t>(p[kRows + i])) << 16;
            return static_cast<int32_t>(high | static_cast<uint16_t>(static_cast<int8_t>(p[i])));
        });
    }
    static I flip_signs(I a) {
        return each<I>([&](int i) {
            return static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) ^ 0x80808080u);
        });
    }
    static I load_halves(const void* p) {
        return each<I>([&](int i) { return half_at(p, i); });
    }
    static F set_f16(const void* p) { return set_f(from_f16(half_at(p, 0))); }
    static void put_f16(void* p, float a) {
        const uint16_t half = to_half(a);
        __builtin_memcpy(p, &half, 2);
    }
    static F load_f16(const void* p) {
        return each<F>([&](int i) { return from_f16(half_at(p, i)); });
    }
    static F load_bf16(const void* p) {
        return each<F>([&](int i) { return float_of(static_cast<uint32_t>(half_at(p, i)) << 16); });
    }
    static void store_f16(uint16_t* p, F a) {
        // Rows of the cache may lie at odd addresses.
        for (int i = 0; i < kRows; ++i) put_f16(p + i, a.lane[i]);
    }
    static I set(int32_t a) {
        return each<I>([&](int) { return a; });
    }
    static F set_f(float a) {
        return each<F>([&](int) { return a; });
    }
    static I broadcast(const void* p) {
        int32_t a;
        __builtin_memcpy(&a, p, 4);
        return set(a);
    }
    static I and_(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] & b.lane[i]; });
    }
    static I or_(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] | b.lane[i]; });
    }
    template <int n>
    static I shift_left(I a) {
        return each<I>(
            [&](int i) { return static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) << n); });
    }
    template <int n>
    static I shift_right(I a) {
        return shift_right_by(a, n);
    }
    static I shift_left_by(I a, int n) {
        return each<I>(
            [&](int i) { return static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) << n); });
    }
    static I shift_right_by(I a, int n) {
        return each<I>(
            [&](int i) { return static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) >> n); });
    }
    static I subtract(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] - b.lane[i]; });
    }
    static I add(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] + b.lane[i]; });
    }
    static I multiply_int(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] * b.lane[i]; });
    }
    static I max_i(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    static I min_i(I a, I b) {
        return each<I>([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    static int32_t largest_lane(I a) {
        int32_t largest = a.lane[0];
        for (const int32_t lane : a.lane) largest = lane > largest ? lane : largest;
        return largest;
    }
    static int32_t sum_of_lanes(I a) {
        int32_t sum = 0;
        for (const int32_t lane : a.lane) sum += lane;
        return sum;
    }
    static I bits(F a) {
        return each<I>([&](int i) { return static_cast<int32_t>(bits_of(a.lane[i])); });
    }
    static void store_bytes(int8_t* p, I a) {
        for (int i = 0; i < kRows; ++i) p[i] = static_cast<int8_t>(a.lane[i]);
    }
    static I bias(I codes) { return codes; }
    static I dot_small(I acc, I codes, const void* p) { return dot_signed(acc, codes, p); }
    static I dot_signed(I acc, I codes, const void* p) {
        int8_t a[4];
        __builtin_memcpy(a, p, 4);
        return each<I>([&](int i) {
            int32_t sum = acc.lane[i];
            for (int k = 0; k < 4; ++k) sum += static_cast<int8_t>(codes.lane[i] >> (8 * k)) * a[k];
            return sum;
        });
    }
    static I dot_pairs(I acc, I a, const void* p) {
        return dot_pair_registers(acc, a, broadcast(p));
    }
    static I dot_pair_registers(I acc, I a, I b) {
        const auto low = [](int32_t x) { return static_cast<int16_t>(x); };
        const auto high = [](int32_t x) { return static_cast<int16_t>(x >> 16); };
        return each<I>([&](int i) {
            return acc.lane[i] + low(a.lane[i]) * low(b.lane[i]) +
                   high(a.lane[i]) * high(b.lane[i]);
        });
    }
    static I dot_registers(I acc, I codes, I a) {
        const auto byte = [](int32_t x, int k) { return static_cast<int8_t>(x >> (8 * k)); };
        return each<I>([&](int i) {
            int32_t sum = acc.lane[i];
            for (int k = 0; k < 4; ++k) sum += byte(codes.lane[i], k) * byte(a.lane[i], k);
            return sum;
        });
    }
    static I lookup(const int8_t* table, I codes) {
        return each<I>([&](int i) {
            uint32_t bytes = 0;
            for (int k = 0; k < 32; k += 8) {
                bytes |=
                    static_cast<uint32_t>(static_cast<uint8_t>(table[(codes.lane[i] >> k) & 15]))
                    << k;
            }
            return static_cast<int32_t>(bytes);
        });
    }
    static F to_float(I a) {
        return each<F>([&](int i) { return static_cast<float>(a.lane[i]); });
    }
    // Not a number, as on the machines with an instruction for it, becomes the smallest integer.
    static I round_to_int(F a) {
        return each<I>([&](int i) {
            const bool fits = a.lane[i] >= -2147483648.0f && a.lane[i] < 2147483648.0f;
            return fits ? static_cast<int32_t>(nearbyintf(a.lane[i])) : INT32_MIN;
        });
    }
    static F multiply(F a, F b) {
        return each<F>([&](int i) { return a.lane[i] * b.lane[i]; });
    }
    static F multiply_add(F a, F b, F c) {
        return each<F>([&](int i) { return fmaf(a.lane[i], b.lane[i], c.lane[i]); });
    }
    static F add_f(F a, F b) {
        return each<F>([&](int i) { return a.lane[i] + b.lane[i]; });
    }
    static F subtract_f(F a, F b) {
        return each<F>([&](int i) { return a.lane[i] - b.lane[i]; });
    }
    static F divide(F a, F b) {
        return each<F>([&](int i) { return a.lane[i] / b.lane[i]; });
    }
    static F max_f(F a, F b) {
        return each<F>([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    static F minimum_f(F a, F b) {
        return each<F>([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    static F abs_f(F a) {
        return each<F>([&](int i) { return fabsf(a.lane[i]); });
    }
    static F power_of_two(I n) {
        return each<F>([&](int i) { return ldexpf(1.0f, n.lane[i]); });
    }
    static F zero_below(F a, F x, float limit) {
        return each<F>([&](int i) { return x.lane[i] < limit ? 0.0f : a.lane[i]; });
    }
    static float reduce16(const F* a) {
        float lanes[16];
        for (int i = 0; i < 16; ++i) lanes[i] = a[i / kRows].lane[i % kRows];
        for (int width = 8; width > 0; width /= 2) {
            for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
        }
        return lanes[0];
    }

    static void reduce16_four(const F* a, float* out) {
        for (int i = 0; i < 4; ++i) out[i] = reduce16(a + 2 * i);
    }

  private:
    static float float_of(uint32_t bits) {
        float value;
        __builtin_memcpy(&value, &bits, 4);
        return value;
    }
    static uint32_t bits_of(float value) {
        uint32_t bits;
        __builtin_memcpy(&bits, &value, 4);
        return bits;
    }
    static uint16_t half_at(const void* p, int i) {
        uint16_t half;
        __builtin_memcpy(&half, static_cast<const char*>(p) + 2 * i, 2);
        return half;
    }
    // As base/half.h, which an instruction-set file can not include.
    static float from_f16(uint16_t half) {
        const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
        const uint32_t exponent = (half >> 10) & 0x1fu;
        const uint32_t mantissa = half & 0x3ffu;
        if (exponent == 0) return float_of(bits_of(static_cast<float>(mantissa) * 0x1p-24f) | sign);
        return float_of(sign | ((exponent == 31 ? 255u : exponent + 112u) << 23) |
                        (mantissa << 13));
    }
    static uint16_t to_half(float value) {
        const uint32_t bits = bits_of(value);
        const uint32_t sign = (bits >> 16) & 0x8000u;
        const uint32_t magnitude = bits & 0x7fffffffu;
        if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
        if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
        if (magnitude < 0x38800000u) {
            return static_cast<uint16_t>(sign |
                                         (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u));
        }
        return static_cast<uint16_t>(
            sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13));
    }
};

#include "cpu/float_attention.inl"
#include "cpu/kernels.inl"

}  // namespace

const Kernels* kernels_scalar() { return &kTable; }

}  // namespace facet::cpu
