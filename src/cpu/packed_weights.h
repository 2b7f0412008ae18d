// All matrices of the model as strips, in memory of our own with 2 MiB pages.
//
// Packing reads the files once, with all threads (weight_loader.h). Vectors stay where Weights
// holds them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "base/result.h"
#include "cpu/kernels.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet::cpu {

struct PackedMatrix {
    StripKernel kernel = nullptr;
    bool floats = false;  // takes unquantized activations
    Matrix source;        // as the file has it
    const uint8_t* data = nullptr;
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t blocks = 0;  // what the kernel takes: columns / 32, or columns for floats
    uint64_t strip_bytes = 0;
    uint64_t stride = 0;  // from one strip to the next; another matrix's may lie between
    int64_t strips = 0;

    const uint8_t* strip(int64_t index) const {
        return data + stride * static_cast<uint64_t>(index);
    }
};

struct PackedLayer {
    PackedMatrix query, key, value, output;
    PackedMatrix gate, up, down;
    PackedMatrix router;
    std::vector<PackedMatrix> expert_gate, expert_up, expert_down;
};

// In which forms some matrices take activations.
struct ActivationForms {
    bool codes = false;
    bool values = false;
};

class PackedWeights {
  public:
    // Errors: not enough memory, a matrix whose rows are no multiple of 32 values, a file that can
    // not be read, cancelled.
    static Result<PackedWeights> pack(const ModelConfig& config, const Weights& weights,
                                      const Kernels& kernels, int32_t threads,
                                      const LoadProgress& on_progress);

    const PackedLayer& layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }
    const PackedMatrix& head() const { return head_; }
    // Routers may be of another type than all the rest.
    ActivationForms forms() const { return forms_; }
    ActivationForms router_forms() const { return router_forms_; }
    uint64_t bytes() const { return memory_.bytes(); }

  private:
    ZeroedMemory memory_;
    std::vector<PackedLayer> layers_;
    PackedMatrix head_;
    ActivationForms forms_, router_forms_;
};

}  // namespace facet::cpu
