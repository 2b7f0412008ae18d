// What this machine can do at best, measured: the denominators of every speed we report.
#pragma once

#include <cstdint>
#include <string>

#include "base/memory.h"
#include "base/result.h"
#include "cpu/kernels.h"

namespace facet::cpu {

// The processor's name as the system tells it; "unknown" if it does not.
std::string processor_name();

// Memory in 2 MiB pages to measure read_bandwidth() on; every page is written, which takes about a
// second a GiB. Errors: not enough memory.
Result<ZeroedMemory> make_probe_memory(int32_t threads, int64_t bytes);

// GB/s (10^9 bytes) that `threads` threads read together from that memory, with this table's widest
// loads: the best of many short passes in that many seconds.
double read_bandwidth(const Kernels& kernels, int32_t threads, const ZeroedMemory& memory,
                      double seconds);

// How long a cache line takes from one core to another and back, in ns: the median of some thousand
// round trips, measured in a few milliseconds. Where a virtual machine's cores move between chips,
// it tells which memory bandwidth to expect: short while they share a chip and its link to memory,
// long while each has its own. 0 with one core.
double ping_pong_ns();

// Operations a second of 8-bit products with this table's dot product on `threads` threads; a
// multiply-add is two.
double int8_peak(const Kernels& kernels, int32_t threads);

}  // namespace facet::cpu
