#include "cpu/cpu_kernels.h"

#include <fmt/format.h>

#include <string>

namespace facet::cpu {

std::vector<const Kernels*> usable_kernels() {
    std::vector<const Kernels*> tables;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni")) {
        tables.push_back(kernels_avx512());
    }
    // Every CPU with AVX2 that was ever sold also has FMA and F16C, but a virtual machine may hide
    // them.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c")) {
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
