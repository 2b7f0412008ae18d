// NEON with the dot product instructions of Armv8.2: strips of 4 rows. sdot multiplies signed codes
// by signed activations, so no format needs a bias.
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

namespace facet::cpu {
namespace {

struct V {
    static constexpr char kName[] = "neon";
    static constexpr bool kEstimatesFast = true;
    static constexpr int kRows = 4;
    static constexpr int kSignedBias = 0;
    using I = int32x4_t;
    using F = float32x4_t;

    static I load(const void* p) {
        return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p)));
    }
    static void store(int32_t* p, I a) { vst1q_s32(p, a); }
    static I load_signed_pairs(const uint8_t* p) {
        const int8x8_t bytes = vld1_s8(reinterpret_cast<const int8_t*>(p));
        return vreinterpretq_s32_s16(vmovl_s8(vzip1_s8(bytes, vext_s8(bytes, bytes, 4))));
    }
    static I flip_signs(I a) {
        return veorq_s32(a, vdupq_n_s32(static_cast<int32_t>(0x80808080u)));
    }
    static F load_f(const float* p) { return vreinterpretq_f32_s32(load(p)); }
    static void store_f(float* p, F a) { vst1q_f32(p, a); }
    static I load_bytes(const uint8_t* p) {
        const uint16x8_t halves = vmovl_u8(vcreate_u8(dword_at(p)));
        return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(halves)));
    }
    static I load_signed_bytes(const uint8_t* p) {
        return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(dword_at(p)))));
    }
    static I load_halves(const void* p) {
        return vreinterpretq_s32_u32(vmovl_u16(vreinterpret_u16_u8(load8(p))));
    }
    static F set_f16(const void* p) {
        uint16_t half;
        __builtin_memcpy(&half, p, 2);
        return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half)));
    }
    static void put_f16(void* p, float a) {
        const uint16_t half = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(a))), 0);
        __builtin_memcpy(p, &half, 2);
    }
    static F load_f16(const void* p) { return vcvt_f32_f16(vreinterpret_f16_u8(load8(p))); }
    static F load_bf16(const void* p) {
        return vreinterpretq_f32_s32(vshlq_n_s32(load_halves(p), 16));
    }
    static void store_f16(uint16_t* p, F a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a))); }
    static I set(int32_t a) { return vdupq_n_s32(a); }
    static F set_f(float a) { return vdupq_n_f32(a); }
    static I broadcast(const void* p) { return vdupq_n_s32(static_cast<int32_t>(dword_at(p))); }
    static I and_(I a, I b) { return vandq_s32(a, b); }
    static I or_(I a, I b) { return vorrq_s32(a, b); }
    template <int n>
    static I shift_left(I a) {
        return vshlq_n_s32(a, n);
    }
    template <int n>
    static I shift_right(I a) {
        return shift_right_by(a, n);
    }
    static I shift_left_by(I a, int n) {
        return vreinterpretq_s32_u32(vreinterpretq_u32_s32(a) << n);
    }
    // The operator, because the compiler makes the immediate form of it where n is known.
    static I shift_right_by(I a, int n) {
        return vreinterpretq_s32_u32(vreinterpretq_u32_s32(a) >> n);
    }
    static I add(I a, I b) { return vaddq_s32(a, b); }
    static I multiply_int(I a, I b) { return vmulq_s32(a, b); }
    static I max_i(I a, I b) { return vmaxq_s32(a, b); }
    static I min_i(I a, I b) { return vminq_s32(a, b); }
    static int32_t largest_lane(I a) { return vmaxvq_s32(a); }
    static int32_t sum_of_lanes(I a) { return vaddvq_s32(a); }
    static I bits(F a) { return vreinterpretq_s32_f32(a); }
    static void store_bytes(int8_t* p, I a) {
        const int16x4_t halves = vmovn_s32(a);
        const int8x8_t bytes = vmovn_s16(vcombine_s16(halves, halves));
        const int32_t dword = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
        __builtin_memcpy(p, &dword, 4);
    }
    static I subtract(I a, I b) { return vsubq_s32(a, b); }
    static I bias(I codes) { return codes; }
    static I dot_small(I acc, I codes, const void* p) {
        return dot_registers(acc, codes, broadcast(p));
    }
    static I dot_signed(I acc, I codes, const void* p) { return dot_small(acc, codes, p); }
    static I dot_pairs(I acc, I a, const void* p) {
        return dot_pair_registers(acc, a, broadcast(p));
    }
    static I dot_pair_registers(I acc, I a, I b) {
        const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
        const I low = vmull_s16(vget_low_s16(x), vget_low_s16(y)), high = vmull_high_s16(x, y);
        return vaddq_s32(acc, vpaddq_s32(low, high));
    }
    static I dot_registers(I acc, I codes, I a) {
        return vdotq_s32(acc, vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(a));
    }
    static I lookup(const int8_t* table, I codes) {
        return vreinterpretq_s32_s8(vqtbl1q_s8(vld1q_s8(table), vreinterpretq_u8_s32(codes)));
    }
    static F to_float(I a) { return vcvtq_f32_s32(a); }
    // The instruction makes zero of what is not a number; the other tables make the smallest
    // integer of that and of all that is too large.
    static I round_to_int(F a) {
        return vbslq_s32(vcaltq_f32(a, set_f(2147483648.0f)), vcvtnq_s32_f32(a), set(INT32_MIN));
    }
    static F multiply(F a, F b) { return vmulq_f32(a, b); }
    static F multiply_add(F a, F b, F c) { return vfmaq_f32(c, a, b); }
    static F add_f(F a, F b) { return vaddq_f32(a, b); }
    static F subtract_f(F a, F b) { return vsubq_f32(a, b); }
    static F divide(F a, F b) { return vdivq_f32(a, b); }
    // Not vmaxq and vminq, which return what is not a number from either side; the other tables
    // return b.
    static F max_f(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
    static F minimum_f(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
    static F abs_f(F a) { return vabsq_f32(a); }
    // In two factors, so that subnormal results (MXFP4's smallest scales) come out exactly.
    static F power_of_two(I n) {
        const I half = vshrq_n_s32(n, 1);
        return multiply(exponent(half), exponent(vsubq_s32(n, half)));
    }
    static F zero_below(F a, F x, float limit) {
        return vbslq_f32(vcltq_f32(x, set_f(limit)), set_f(0), a);
    }
    static float reduce16(const F* a) {
        const F four = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
        const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
        return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
    }
    static void reduce16_four(const F* a, float* out) {
        for (int i = 0; i < 4; ++i) out[i] = reduce16(a + 4 * i);
    }

  private:
    static uint32_t dword_at(const void* p) {
        uint32_t dword;
        __builtin_memcpy(&dword, p, 4);
        return dword;
    }
    static uint8x8_t load8(const void* p) { return vld1_u8(static_cast<const uint8_t*>(p)); }
    static F exponent(I n) {
        return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, set(127)), 23));
    }
};

#include "cpu/float_attention.inl"
#include "cpu/kernels.inl"

}  // namespace

const Kernels* kernels_neon() { return &kTable; }

}  // namespace facet::cpu
