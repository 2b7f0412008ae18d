// AVX-512 with VNNI: strips of 16 rows, one zmm register a line. Compiled with that instruction
// set; see kernels.h for what such a file may include.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

namespace facet::cpu {
namespace {

#include "cpu/vector_512.inl"

struct V : Vector512 {
    static constexpr char kName[] = "avx512";
    static constexpr bool kEstimatesFast = true;
};

#include "cpu/float_attention.inl"
#include "cpu/kernels.inl"

}  // namespace

const Kernels* kernels_avx512() { return &kTable; }

}  // namespace facet::cpu
