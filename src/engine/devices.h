// The only place that names concrete devices.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet {

struct DeviceOptions {
    std::string name;     // empty = the best this build has
    int32_t threads = 0;  // 0 = one a core
};

// config and weights must outlive the device. Errors: an unknown name, not enough memory.
Result<std::unique_ptr<Device>> make_device(const DeviceOptions& options, const ModelConfig& config,
                                            const Weights& weights);

}  // namespace facet
