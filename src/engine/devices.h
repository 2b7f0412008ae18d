// The only place that names concrete devices.
#pragma once

#include <memory>
#include <string>

#include "base/memory.h"
#include "base/result.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet::cpu {
struct Kernels;
}

namespace facet {

struct DeviceOptions {
    std::string name;     // empty = the best this build has
    int32_t threads = 0;  // 0 = one a core
    std::string isa;      // instruction set of the CPU device; empty = the best of this machine
    KvType kv = KvType::kF16;  // the reference device keeps floats whatever this says
    bool mapped = false;  // leave the weights in the file: starts at once, computes more slowly
    LoadProgress on_progress;  // while the CPU device packs its weights; may be empty
};

// config and weights must outlive the device. Errors: an unknown name, not enough memory, a file
// that can not be read, cancelled.
Result<std::unique_ptr<Device>> make_device(const DeviceOptions& options, const ModelConfig& config,
                                            const Weights& weights);

// What make_device() of these options would take. Errors: an unknown name.
Result<DevicePlan> plan_device(const DeviceOptions& options, const ModelConfig& config);

// What share of the output head's bytes a device of these options reads for a token, where the
// usual sampler asks for the largest logits only.
double expected_head_share(const DeviceOptions& options, const Weights& weights);

// How fast memory is at this moment. It changes while a program runs, above all where a virtual
// machine's cores move between the chips of its host.
struct MemoryState {
    double read_gb_per_s = 0;  // all threads together; 0 if it was not measured
    double ping_pong_ns = 0;   // a cache line to another core and back; 0 with one core
};

// Measures it as often as asked, on memory of its own.
class MemoryProbe {
  public:
    // More than any cache holds; the quick one more than most.
    static constexpr int64_t kBytes = int64_t{1} << 30, kQuickBytes = int64_t{256} << 20;

    // Takes about a second a GiB. Without that much memory only ping_pong_ns is measured. Errors:
    // an instruction set that this machine does not have.
    static Result<MemoryProbe> create(const DeviceOptions& options, int64_t bytes);

    MemoryState measure(double seconds) const;
    double ping_pong_ns() const;  // alone, in a few milliseconds
    uint64_t bytes() const { return memory_.bytes(); }

  private:
    const cpu::Kernels* kernels_ = nullptr;
    int32_t threads_ = 0;
    ZeroedMemory memory_;
};

// What the machine under a device can do at best.
struct MachineSpeed {
    std::string processor;
    std::string isa;
    int32_t threads = 0;
    double int8_operations_per_s = 0;  // a multiply-add is two
};
Result<MachineSpeed> measure_machine(const DeviceOptions& options);

}  // namespace facet
