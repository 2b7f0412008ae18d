// AVX-VNNI: AVX2's strips of 8 rows with the dot product instruction of AVX-512 VNNI, for CPUs that
// have the one without the other (Alder Lake to Arrow Lake, Sierra Forest).
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

namespace facet::cpu {
namespace {

#include "cpu/vector_256.inl"

struct V : Vector256 {
    static constexpr char kName[] = "avxvnni";
    static constexpr bool kEstimatesFast = true;
    // vpdpbusd takes unsigned codes: signed ones are moved up by 2^7, which the first sum takes
    // back.
    static constexpr int kSignedBias = 7;

    static I bias(I codes) { return flip_signs(codes); }
    static I dot_small(I acc, I codes, const void* p) {
        return dot_registers(acc, codes, broadcast(p));
    }
    static I dot_signed(I acc, I codes, const void* p) { return dot_small(acc, codes, p); }
    static I dot_pairs(I acc, I a, const void* p) {
        return dot_pair_registers(acc, a, broadcast(p));
    }
    static I dot_pair_registers(I acc, I a, I b) {
#if defined(__AVXVNNI__)
        return _mm256_dpwssd_avx_epi32(acc, a, b);
#else
        return _mm256_dpwssd_epi32(acc, a, b);
#endif
    }
    static I dot_registers(I acc, I codes, I a) {
#if defined(__AVXVNNI__)
        return _mm256_dpbusd_avx_epi32(acc, codes, a);
#else
        return _mm256_dpbusd_epi32(acc, codes, a);  // kernels_avxvnni_evex_test.cc
#endif
    }
};

#include "cpu/float_attention.inl"
#include "cpu/kernels.inl"

}  // namespace

const Kernels* kernels_avxvnni() { return &kTable; }

}  // namespace facet::cpu
