// All matrices of the model as strips: in memory of our own with 2 MiB pages, or packed from the
// mapped file each time they are used.
//
// Packing reads the files once, with all threads (weight_loader.h). Vectors stay where Weights
// holds them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "base/result.h"
#include "cpu/kernels.h"
#include "cpu/tile_rows.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet::cpu {

// Some strips of a matrix, ready for its kernel; counted as the matrix counts them.
struct Strips {
    const uint8_t* data = nullptr;
    uint64_t stride = 0;
    int64_t first = 0;

    const uint8_t* operator[](int64_t index) const {
        return data + stride * static_cast<uint64_t>(index - first);
    }
};

struct PackedMatrix {
    StripKernel kernel = nullptr;
    bool floats = false;            // takes unquantized activations
    Matrix source;                  // as the file has it
    const uint8_t* data = nullptr;  // the first strip; null if strips are packed when used
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t blocks = 0;  // what the kernel takes: columns / 32, or columns for floats
    uint64_t strip_bytes = 0;
    uint64_t stride = 0;  // from one strip to the next; another matrix's may lie between
    int64_t strips = 0;

    // Strips [begin, end).
    //   scratch  room for as many, overwritten if they are not packed yet
    Strips range(int64_t begin, int64_t end, uint8_t* scratch) const {
        if (data != nullptr) return {data, stride, 0};
        return pack(begin, end, scratch);
    }

    // One strip to fetch ahead; null if it is not packed.
    const uint8_t* packed_strip(int64_t index) const {
        return data == nullptr ? nullptr : data + stride * static_cast<uint64_t>(index);
    }

  private:
    Strips pack(int64_t begin, int64_t end, uint8_t* scratch) const;
};

// The output head: a matrix like any other, or in planes of bits, so that most of its rows need
// only be estimated (head_shortlist.h).
struct PackedHead {
    PackedMatrix matrix;                   // data is null in planes
    const PlaneKernels* planes = nullptr;  // null if not in planes
    const uint8_t *high = nullptr, *low = nullptr;
    uint64_t high_bytes = 0, low_bytes = 0;  // of a strip

    PlaneStrip strip(int64_t index) const {
        const auto at = static_cast<uint64_t>(index);
        return {high + high_bytes * at, low + low_bytes * at};
    }
};

struct PackedLayer {
    PackedMatrix query, key, value, output;
    PackedMatrix gate, up, down;
    PackedMatrix router;
    std::vector<PackedMatrix> expert_gate, expert_up, expert_down;
};

class StripPlan;  // packed_weights.cc

class PackedWeights {
  public:
    // Errors: not enough memory, a matrix whose rows are no multiple of 32 values, a file that can
    // not be read, cancelled.
    //   planes  pack the head in planes of bits; its type must have them
    static Result<PackedWeights> pack(const ModelConfig& config, const Weights& weights,
                                      const Kernels& kernels, int32_t threads, bool planes,
                                      const LoadProgress& on_progress);
    // The same with the strips left in the file. Errors: a matrix whose rows are no multiple of 32
    // values.
    static Result<PackedWeights> map(const ModelConfig& config, const Weights& weights,
                                     const Kernels& kernels);

    const PackedLayer& layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }
    const PackedHead& head() const { return head_; }
    // Routers may be of another type than all the rest.
    ActivationForms forms() const { return forms_; }
    ActivationForms router_forms() const { return router_forms_; }
    // Room for one strip of any matrix, where PackedMatrix::range() needs it; else 0.
    uint64_t scratch_bytes() const { return scratch_bytes_; }

  private:
    // Describes all matrices and places them.
    Result<StripPlan> plan(const ModelConfig& config, const Weights& weights,
                           const Kernels& kernels, bool planes);

    ZeroedMemory memory_;
    std::vector<PackedLayer> layers_;
    PackedHead head_;
    ActivationForms forms_, router_forms_;
    uint64_t scratch_bytes_ = 0;
};

}  // namespace facet::cpu
