// What this machine can do at best, measured: the denominators of every speed we report.
#pragma once

#include <cstdint>
#include <string>

#include "cpu/kernels.h"

namespace facet::cpu {

// The processor's name as the system tells it; "unknown" if it does not.
std::string processor_name();

// GB/s (10^9 bytes) that `threads` threads read together from memory in 2 MiB pages: the best of
// some short passes over 512 MiB. 0 if that memory can not be had.
double read_bandwidth(int32_t threads);

// Operations a second of 8-bit products with this table's dot product on `threads` threads; a
// multiply-add is two.
double int8_peak(const Kernels& kernels, int32_t threads);

}  // namespace facet::cpu
