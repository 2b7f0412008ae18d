// AVX2 with FMA and F16C: strips of 8 rows. Without a dot product instruction, pairs of 8-bit
// products are added in 16 bits, which is exact here: |code| <= 128 with its sign moved to the
// activation (at most 127) gives 2 * 128 * 127 < 2^15.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

namespace facet::cpu {
namespace {

#include "cpu/vector_256.inl"

struct V : Vector256 {
    static constexpr char kName[] = "avx2";
    static constexpr bool kEstimatesFast = true;
    static constexpr int kSignedBias = 0;

    static I bias(I codes) { return codes; }
    static I dot_small(I acc, I codes, const void* p) {
        return add_products(acc, codes, broadcast(p));
    }
    static I dot_signed(I acc, I codes, const void* p) {
        return add_products(acc, _mm256_abs_epi8(codes), _mm256_sign_epi8(broadcast(p), codes));
    }
    static I dot_pairs(I acc, I a, const void* p) {
        return dot_pair_registers(acc, a, broadcast(p));
    }
    static I dot_pair_registers(I acc, I a, I b) {
        return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
    }
    static I dot_registers(I acc, I codes, I a) { return add_products(acc, codes, a); }

  private:
    static I add_products(I acc, I codes, I a) {
        const I pairs = _mm256_maddubs_epi16(codes, a);
        return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
};

#include "cpu/float_attention.inl"
#include "cpu/kernels.inl"

}  // namespace

const Kernels* kernels_avx2() { return &kTable; }

}  // namespace facet::cpu
