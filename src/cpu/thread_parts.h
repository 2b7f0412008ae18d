// How work is shared between threads.
#pragma once

#include <cstdint>

namespace facet::cpu {

// A part of [0, count) for one of several threads.
struct Range {
    int64_t begin, end;
};
inline Range part_of(int64_t count, int32_t thread, int32_t threads) {
    return {count * thread / threads, count * (thread + 1) / threads};
}

}  // namespace facet::cpu
