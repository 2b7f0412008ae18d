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
    std::string isa;      // instruction set of the CPU device; empty = the best of this machine
    bool mapped = false;  // leave the weights in the file: starts at once, computes more slowly
    LoadProgress on_progress;  // while the CPU device packs its weights; may be empty
};

// config and weights must outlive the device. Errors: an unknown name, not enough memory, a file
// that can not be read, cancelled.
Result<std::unique_ptr<Device>> make_device(const DeviceOptions& options, const ModelConfig& config,
                                            const Weights& weights);

// What make_device() of these options would take. Errors: an unknown name.
Result<DevicePlan> plan_device(const DeviceOptions& options, const ModelConfig& config);

// What the machine under a device can do at best, measured now (takes about a second).
struct MachineSpeed {
    std::string processor;
    std::string isa;
    int32_t threads = 0;
    double read_gb_per_s = 0;          // 0 if it could not be measured
    double int8_operations_per_s = 0;  // a multiply-add is two
};
Result<MachineSpeed> measure_machine(const DeviceOptions& options);

}  // namespace facet
