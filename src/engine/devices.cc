#include "engine/devices.h"

#include <fmt/format.h>

#include "model/reference_device.h"

namespace facet {

Result<std::unique_ptr<Device>> make_device(const DeviceOptions& options, const ModelConfig& config,
                                            const Weights& weights) {
    if (options.name.empty() || options.name == "reference") {
        ReferenceOptions reference;
        reference.threads = options.threads;
        return make_reference_device(config, weights, std::move(reference));
    }
    return unsupported(fmt::format("unknown device {}, this build has: reference", options.name));
}

}  // namespace facet
