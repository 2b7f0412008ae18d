#include "cpu/cpu_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif
#include <fmt/format.h>

#include <string>

namespace facet::cpu {

namespace {

#if defined(__x86_64__)

// __builtin_cpu_supports also asks whether the system saves the registers of AVX and AVX-512. What
// it does not know (clang's no F16C, g++ 12's no AVX-VNNI) uses registers that avx2 has asked for.

// CPUID leaf 1, ECX bit 29.
bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
}

// CPUID leaf 7, subleaf 1, EAX bit 4. EAX of subleaf 0 is the last subleaf.
bool has_avx_vnni() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || a < 1) return false;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
}

void add_tables(std::vector<const Kernels*>& tables) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni")) {
        if (__builtin_cpu_supports("avx512bf16")) tables.push_back(kernels_avx512bf16());
        tables.push_back(kernels_avx512());
    }
    // Every CPU with AVX2 that was ever sold also has FMA and F16C, but a virtual machine may hide
    // them.
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) return;
    if (has_avx_vnni()) tables.push_back(kernels_avxvnni());
    tables.push_back(kernels_avx2());
}

#elif defined(__aarch64__)

// Linux's bit for the dot product instructions of Armv8.2 (HWCAP_ASIMDDP).
constexpr unsigned long kDotProduct = 1ul << 20;

void add_tables(std::vector<const Kernels*>& tables) {
    if ((getauxval(AT_HWCAP) & kDotProduct) != 0) tables.push_back(kernels_neon());
}

#else

void add_tables(std::vector<const Kernels*>&) {}

#endif

}  // namespace

std::vector<const Kernels*> usable_kernels() {
    std::vector<const Kernels*> tables;
    add_tables(tables);
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
