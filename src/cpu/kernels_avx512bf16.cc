// AVX-512 with VNNI and BF16: as kernels_avx512.cc, and attention multiplies pairs of bf16.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

namespace facet::cpu {
namespace {

#include "cpu/vector_512.inl"

struct V : Vector512 {
    static constexpr char kName[] = "avx512bf16";
    static constexpr bool kEstimatesFast = true;
};

// Attention in pairs of bf16 (attention.inl).
struct A {
    static constexpr int kSteps = 2;
    using E = uint16_t;
    using X = __m512i;
    static X load(const E* p) { return V::load(p); }
    static V::F dot(V::F acc, X a, X b) {
        return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
    }
    static X broadcast(const E* p) { return V::broadcast(p); }
    static void store(E* p, V::F a) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a));
    }
    static void store_row(E* p, const V::F* a) {
        _mm512_storeu_si512(p, reinterpret_cast<X>(_mm512_cvtne2ps_pbh(a[1], a[0])));
    }
    static void store_steps(E* p, const V::F* a) {
        // Words of the first vector in front, of the second behind them: one of each in turn.
        const X both = reinterpret_cast<X>(_mm512_cvtne2ps_pbh(a[1], a[0]));
        const X in_turn =
            _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                             22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        _mm512_storeu_si512(p, _mm512_permutexvar_epi16(in_turn, both));
    }
    static V::F rounded(V::F a) {
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow(a)), 16));
    }

  private:
    static __m256i narrow(V::F a) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a)); }
};

#include "cpu/kernels.inl"

}  // namespace

const Kernels* kernels_avx512bf16() { return &kTable; }

}  // namespace facet::cpu
