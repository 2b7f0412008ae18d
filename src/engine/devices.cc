#include "engine/devices.h"

#include <fmt/format.h>

#include "base/threads.h"
#include "cpu/cpu_device.h"
#include "cpu/cpu_kernels.h"
#include "cpu/machine_speed.h"
#include "model/reference_device.h"

namespace facet {

namespace {

Error unknown_device(const std::string& name) {
    return unsupported(fmt::format("unknown device {}, this build has: cpu, reference", name));
}

cpu::CpuOptions cpu_options(const DeviceOptions& options) {
    cpu::CpuOptions cpu;
    cpu.threads = options.threads;
    cpu.isa = options.isa;
    cpu.kv.type = options.kv;
    cpu.mapped = options.mapped;
    cpu.on_progress = options.on_progress;
    return cpu;
}

}  // namespace

Result<std::unique_ptr<Device>> make_device(const DeviceOptions& options, const ModelConfig& config,
                                            const Weights& weights) {
    if (options.name.empty() || options.name == "cpu") {
        return cpu::make_cpu_device(config, weights, cpu_options(options));
    }
    if (options.name == "reference") {
        if (!options.isa.empty()) {
            return invalid_input("the reference device has no instruction sets to choose from");
        }
        ReferenceOptions reference;
        reference.threads = options.threads;
        return make_reference_device(config, weights, std::move(reference));
    }
    return unknown_device(options.name);
}

Result<DevicePlan> plan_device(const DeviceOptions& options, const ModelConfig& config) {
    if (options.name.empty() || options.name == "cpu")
        return cpu::plan_cpu_device(config, cpu_options(options));
    if (options.name == "reference") return plan_reference_device(config, {});
    return unknown_device(options.name);
}

double expected_head_share(const DeviceOptions& options, const Weights& weights) {
    if (!options.name.empty() && options.name != "cpu") return 1.0;
    return cpu::expected_head_share(weights.embedding, cpu_options(options));
}

Result<MemoryProbe> MemoryProbe::create(const DeviceOptions& options, int64_t bytes) {
    MemoryProbe probe;
    probe.kernels_ = FACET_TRY(cpu::choose_kernels(options.isa));
    probe.threads_ = threads_or_cores(options.threads);
    auto memory = cpu::make_probe_memory(probe.threads_, bytes);
    if (memory.ok()) probe.memory_ = memory.take();
    return probe;
}

MemoryState MemoryProbe::measure(double seconds) const {
    MemoryState state;
    state.ping_pong_ns = ping_pong_ns();
    if (memory_.bytes() > 0)
        state.read_gb_per_s = cpu::read_bandwidth(*kernels_, threads_, memory_, seconds);
    return state;
}

double MemoryProbe::ping_pong_ns() const { return cpu::ping_pong_ns(); }

Result<MachineSpeed> measure_machine(const DeviceOptions& options) {
    const cpu::Kernels* kernels = FACET_TRY(cpu::choose_kernels(options.isa));
    MachineSpeed speed;
    speed.processor = cpu::processor_name();
    speed.isa = kernels->name;
    speed.threads = threads_or_cores(options.threads);
    speed.int8_operations_per_s = cpu::int8_peak(*kernels, speed.threads);
    return speed;
}

}  // namespace facet
