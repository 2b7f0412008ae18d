#include "cpu/cpu_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <fmt/format.h>

#include <string>

namespace facet::cpu {

#if defined(__x86_64__)
namespace {

// clang's __builtin_cpu_supports does not know this one. CPUID leaf 1, ECX bit 29.
bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
}

}  // namespace
#endif

std::vector<const Kernels*> usable_kernels() {
    std::vector<const Kernels*> tables;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni")) {
        if (__builtin_cpu_supports("avx512bf16")) tables.push_back(kernels_avx512bf16());
        tables.push_back(kernels_avx512());
    }
    // Every CPU with AVX2 that was ever sold also has FMA and F16C, but a virtual machine may hide
    // them.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) {
        tables.push_back(kernels_avx2());
    }
#endif
    tables.push_back(kernels_scalar());
    return tables;
}

Result<const Kernels*> choose_kernels(std::string_view name) {
    std::string names;
    for (const Kernels* table : usable_kernels()) {
        if (name.empty() || name == table->name) return table;
        names += std::string(names.empty() ? "" : ", ") + table->name;
    }
    return unsupported(fmt::format("instruction set {}: this machine can run {}", name, names));
}

}  // namespace facet::cpu
