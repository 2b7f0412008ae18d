// What running a model takes, known before anything is allocated, and the context that fits.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "model/config.h"
#include "model/device.h"

namespace facet {

struct MemoryWishes {
    int32_t context = 0;    // positions of one conversation; 0 = the largest that fits
    uint64_t kv_bytes = 0;  // for keys and values of all conversations; 0 = what fits
};

struct MemoryPlan {
    int32_t context = 0;
    uint64_t weights_bytes = 0;
    // Keys and values of one conversation that fills the context, and of all: what is beyond one
    // holds other conversations, running or remembered.
    KvPlan conversation;
    uint64_t kv_bytes = 0;
    uint64_t work_bytes = 0;       // everything else
    uint64_t available_bytes = 0;  // before; UINT64_MAX if unknown

    // With one conversation that fills the context, and with all that may be remembered.
    uint64_t total_bytes() const { return weights_bytes + conversation.bytes() + work_bytes; }
    uint64_t limit_bytes() const { return weights_bytes + kv_bytes + work_bytes; }
    bool fits() const { return total_bytes() <= available_bytes; }
};

// Context without a wish where nothing fits, or where the system does not say what it has.
inline constexpr int32_t kModestContext = 8192;

// available: what the system can give, UINT64_MAX if it does not say. Errors: a context beyond the
// model's, a KV budget below what one conversation of the context takes.
Result<MemoryPlan> plan_memory(const ModelConfig& config, const DevicePlan& device,
                               uint64_t weights_bytes, const MemoryWishes& wishes,
                               uint64_t available);

}  // namespace facet
