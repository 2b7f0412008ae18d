// Which kernel tables this machine can run, and the choice among them.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "cpu/kernels.h"

namespace facet::cpu {

// The tables that this machine can run, best first; never empty.
std::vector<const Kernels*> usable_kernels();

// The table of that name, or the best if the name is empty. Errors: unknown, or not for this
// machine.
Result<const Kernels*> choose_kernels(std::string_view name);

}  // namespace facet::cpu
