// 64-bit arithmetic on numbers that a file or a request claims: overflow is a value, never a
// wrap-around.
#pragma once

#include <cstdint>
#include <optional>

namespace facet {

inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
    return sum;
}

inline std::optional<uint64_t> checked_multiply(uint64_t a, uint64_t b) {
    uint64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
    return product;
}

// The next multiple of `alignment` (a power of two) at or above `value`.
inline std::optional<uint64_t> checked_align(uint64_t value, uint64_t alignment) {
    auto padded = checked_add(value, alignment - 1);
    if (!padded) return std::nullopt;
    return *padded & ~(alignment - 1);
}

}  // namespace facet
