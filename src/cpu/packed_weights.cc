#include "cpu/packed_weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "cpu/strips.h"
#include "cpu/weight_loader.h"

namespace facet::cpu {

// Lays the matrices of a model out in memory in the order a token reads them.
class StripPlan {
  public:
    explicit StripPlan(const Kernels& kernels) : kernels_(kernels) {}

    Status add(const Matrix& source, PackedMatrix& packed, ActivationForms& forms) {
        if (source.data == nullptr) return {};
        FACET_TRY(describe(source, packed, forms));
        place({&packed});
        return {};
    }

    // Both planes one after the other.
    Status add_head(const Matrix& source, bool planes, PackedHead& head, ActivationForms& forms) {
        if (!planes) return add(source, head.matrix, forms);
        FACET_TRY(describe(source, head.matrix, forms));
        const PlaneType type = *plane_type(source.type);
        const PlaneBytes bytes = plane_bytes(type, source.columns);
        head.planes = &kernels_.planes[static_cast<size_t>(type)];
        head.high_bytes = bytes.high * static_cast<uint64_t>(kernels_.rows);
        head.low_bytes = bytes.low * static_cast<uint64_t>(kernels_.rows);
        head_ = &head;
        head_offset_ = (bytes_ + 63) / 64 * 64;
        bytes_ = head_offset_ + head.matrix.strip_bytes * static_cast<uint64_t>(head.matrix.strips);
        return {};
    }

    // Gate strip 0, up strip 0, gate strip 1, ...: what is multiplied together is read together.
    Status add_pair(const Matrix& gate, PackedMatrix& packed_gate, const Matrix& up,
                    PackedMatrix& packed_up, ActivationForms& forms) {
        if (gate.data == nullptr) return {};
        FACET_CHECK(gate.rows == up.rows);
        FACET_TRY(describe(gate, packed_gate, forms));
        FACET_TRY(describe(up, packed_up, forms));
        place({&packed_gate, &packed_up});
        return {};
    }

    uint64_t bytes() const { return bytes_; }
    uint64_t largest_strip_bytes() const { return largest_strip_bytes_; }

    // Sets the matrices' addresses; what has to be packed to them.
    std::vector<PackedPlace> places_in(uint8_t* memory) const {
        std::vector<PackedPlace> places;
        for (const auto& [packed, offset] : placed_) {
            packed->data = memory + offset;
            places.push_back({packed->source, memory + offset, packed->stride, nullptr, 0});
        }
        if (head_ != nullptr) {
            uint8_t *high = memory + head_offset_,
                    *low = high + head_->high_bytes * static_cast<uint64_t>(head_->matrix.strips);
            head_->high = high;
            head_->low = low;
            places.push_back(
                {head_->matrix.source, high, head_->high_bytes, low, head_->low_bytes});
        }
        return places;
    }

  private:
    struct Placed {
        PackedMatrix* packed;
        uint64_t offset;  // of the first strip
    };

    Status describe(const Matrix& source, PackedMatrix& packed, ActivationForms& forms) {
        const bool floats = traits_of(source.type).block_elements == 1;
        if (!floats && source.columns % 32 != 0) {
            return unsupported(fmt::format(
                "a matrix with rows of {} values: the CPU device needs a multiple of 32",
                source.columns));
        }
        packed.kernel = kernels_.strip[static_cast<size_t>(strip_type(source.type))];
        packed.floats = floats;
        (floats ? forms.values : forms.codes) = true;
        if (traits_of(source.type).block_elements == kSuperBlock) forms.super_blocks = true;
        packed.source = source;
        packed.rows = source.rows;
        packed.columns = source.columns;
        packed.blocks = floats ? source.columns : source.columns / 32;
        packed.strip_bytes = source.row_bytes() * static_cast<uint64_t>(kernels_.rows);
        packed.strips = (source.rows + kernels_.rows - 1) / kernels_.rows;
        largest_strip_bytes_ = std::max(largest_strip_bytes_, packed.strip_bytes);
        return {};
    }

    // Matrices whose strips alternate, from the next cache line on.
    void place(std::initializer_list<PackedMatrix*> matrices) {
        bytes_ = (bytes_ + 63) / 64 * 64;
        uint64_t stride = 0;
        for (PackedMatrix* packed : matrices) {
            placed_.push_back({packed, bytes_ + stride});
            stride += packed->strip_bytes;
        }
        for (PackedMatrix* packed : matrices) packed->stride = stride;
        bytes_ += stride * static_cast<uint64_t>((*matrices.begin())->strips);
    }

    const Kernels& kernels_;
    std::vector<Placed> placed_;
    PackedHead* head_ = nullptr;  // in planes
    uint64_t head_offset_ = 0;
    uint64_t bytes_ = 0;
    uint64_t largest_strip_bytes_ = 0;
};

namespace {

// Both the files in the page cache and the strips, and something for everybody else.
bool fits_beside_files(uint64_t bytes, const Weights& weights, uint64_t available) {
    constexpr uint64_t kReserve = uint64_t{1} << 30;
    for (const auto& file : weights.files) bytes += file->bytes().size();
    return bytes + kReserve <= available;
}

}  // namespace

Strips PackedMatrix::pack(int64_t begin, int64_t end, uint8_t* scratch) const {
    const auto height = static_cast<int>(strip_bytes / source.row_bytes());
    for (int64_t strip = begin; strip < end; ++strip) {
        // Packing follows many rows at once, too many streams for the hardware to see ahead.
        const uint8_t* next = source.data + strip_bytes * static_cast<uint64_t>(strip + 1);
        const auto ahead = static_cast<int64_t>(strip_bytes);
        if (strip + 1 < strips)
            for (int64_t i = 0; i < ahead; i += 64) __builtin_prefetch(next + i, 0, 2);
        pack_strip(source, strip * height, height,
                   scratch + strip_bytes * static_cast<uint64_t>(strip - begin));
    }
    return {scratch, strip_bytes, begin};
}

Result<StripPlan> PackedWeights::plan(const ModelConfig& config, const Weights& weights,
                                      const Kernels& kernels, bool planes) {
    StripPlan plan(kernels);
    layers_.resize(weights.layers.size());
    for (size_t i = 0; i < weights.layers.size(); ++i) {
        const LayerWeights& from = weights.layers[i];
        PackedLayer& to = layers_[i];
        FACET_TRY(plan.add(from.query, to.query, forms_));
        FACET_TRY(plan.add(from.key, to.key, forms_));
        FACET_TRY(plan.add(from.value, to.value, forms_));
        FACET_TRY(plan.add(from.output, to.output, forms_));
        FACET_TRY(plan.add(from.router, to.router, router_forms_));
        FACET_TRY(plan.add_pair(from.gate, to.gate, from.up, to.up, forms_));
        FACET_TRY(plan.add(from.down, to.down, forms_));
        const auto experts = static_cast<size_t>(config.layers[i].experts);
        for (auto* list : {&to.expert_gate, &to.expert_up, &to.expert_down}) list->resize(experts);
        for (size_t e = 0; e < experts; ++e) {
            const auto expert = static_cast<int32_t>(e);
            FACET_TRY(plan.add_pair(from.expert_gate[expert], to.expert_gate[e],
                                    from.expert_up[expert], to.expert_up[e], forms_));
            FACET_TRY(plan.add(from.expert_down[expert], to.expert_down[e], forms_));
        }
    }
    FACET_TRY(plan.add_head(weights.embedding, planes, head_, forms_));
    return plan;
}

Result<PackedWeights> PackedWeights::map(const ModelConfig& config, const Weights& weights,
                                         const Kernels& kernels) {
    PackedWeights mapped;
    const StripPlan plan = FACET_TRY(mapped.plan(config, weights, kernels, false));
    mapped.scratch_bytes_ = plan.largest_strip_bytes();
    return mapped;
}

Result<PackedWeights> PackedWeights::pack(const ModelConfig& config, const Weights& weights,
                                          const Kernels& kernels, int32_t threads, bool planes,
                                          const LoadProgress& on_progress) {
    PackedWeights packed;
    const StripPlan plan = FACET_TRY(packed.plan(config, weights, kernels, planes));
    // The system would promise the memory and take it back by ending the program.
    const uint64_t available = available_memory_bytes();
    if (plan.bytes() > available) {
        return Error{
            ErrorKind::kOutOfMemory,
            fmt::format(
                "the weights take {} MB and the machine has {} MB left; take a smaller file, or "
                "--mmap, which leaves them in the file and is slow",
                plan.bytes() / 1'000'000, available / 1'000'000)};
    }
    packed.memory_ = FACET_TRY(ZeroedMemory::allocate_huge(plan.bytes()));
    LoadOptions load;
    load.height = kernels.rows;
    load.threads = threads;
    load.keep_cache = fits_beside_files(plan.bytes(), weights, available);
    load.on_progress = on_progress;
    FACET_TRY(load_strips(plan.places_in(static_cast<uint8_t*>(packed.memory_.data())),
                          weights.files, load));
    return packed;
}

}  // namespace facet::cpu
