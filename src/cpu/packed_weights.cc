#include "cpu/packed_weights.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "cpu/strips.h"

namespace facet::cpu {

namespace {

// A matrix to pack and where to.
struct Job {
    Matrix source;
    uint8_t* target = nullptr;
    PackedMatrix* packed = nullptr;
};

// Lists the matrices of a model in the order a token reads them.
class Plan {
  public:
    explicit Plan(const Kernels& kernels) : kernels_(kernels) {}

    Status add(const Matrix& source, PackedMatrix& packed, ActivationForms& forms) {
        if (source.data == nullptr) return {};
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
        packed.rows = source.rows;
        packed.columns = source.columns;
        packed.blocks = floats ? source.columns : source.columns / 32;
        packed.strip_bytes = source.row_bytes() * static_cast<uint64_t>(kernels_.rows);
        packed.strips = (source.rows + kernels_.rows - 1) / kernels_.rows;
        jobs_.push_back({source, nullptr, &packed});
        // Each matrix starts on a cache line.
        bytes_ =
            (bytes_ + packed.strip_bytes * static_cast<uint64_t>(packed.strips) + 63) / 64 * 64;
        return {};
    }

    uint64_t bytes() const { return bytes_; }

    void place(uint8_t* memory) {
        uint64_t offset = 0;
        for (Job& job : jobs_) {
            job.target = memory + offset;
            job.packed->data = job.target;
            offset = (offset + job.packed->strip_bytes * static_cast<uint64_t>(job.packed->strips) +
                      63) /
                     64 * 64;
        }
    }

    void run(int32_t threads) const {
        std::atomic<size_t> next{0};
        const auto work = [&] {
            for (size_t i = next.fetch_add(1); i < jobs_.size(); i = next.fetch_add(1))
                pack(jobs_[i]);
        };
        std::vector<std::thread> helpers;
        for (int32_t i = 1; i < threads; ++i) helpers.emplace_back(work);
        work();
        for (std::thread& helper : helpers) helper.join();
    }

  private:
    void pack(const Job& job) const {
        for (int64_t strip = 0; strip < job.packed->strips; ++strip) {
            pack_strip(job.source, strip * kernels_.rows, kernels_.rows,
                       job.target + job.packed->strip_bytes * static_cast<uint64_t>(strip));
        }
        drop_pages(job.source);
    }

    // The file's pages are not needed again; without this, both copies would count as ours.
    static void drop_pages(const Matrix& matrix) {
        constexpr uintptr_t kPage = 4096;
        const auto begin = (reinterpret_cast<uintptr_t>(matrix.data) + kPage - 1) / kPage * kPage;
        const auto end =
            (reinterpret_cast<uintptr_t>(matrix.data) + matrix.bytes()) / kPage * kPage;
        if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }

    const Kernels& kernels_;
    std::vector<Job> jobs_;
    uint64_t bytes_ = 0;
};

}  // namespace

Result<PackedWeights> PackedWeights::pack(const ModelConfig& config, const Weights& weights,
                                          const Kernels& kernels, int32_t threads) {
    PackedWeights packed;
    packed.layers_.resize(weights.layers.size());
    Plan plan(kernels);
    for (size_t i = 0; i < weights.layers.size(); ++i) {
        const LayerWeights& from = weights.layers[i];
        PackedLayer& to = packed.layers_[i];
        FACET_TRY(plan.add(from.query, to.query, packed.forms_));
        FACET_TRY(plan.add(from.key, to.key, packed.forms_));
        FACET_TRY(plan.add(from.value, to.value, packed.forms_));
        FACET_TRY(plan.add(from.output, to.output, packed.forms_));
        FACET_TRY(plan.add(from.router, to.router, packed.router_forms_));
        FACET_TRY(plan.add(from.gate, to.gate, packed.forms_));
        FACET_TRY(plan.add(from.up, to.up, packed.forms_));
        FACET_TRY(plan.add(from.down, to.down, packed.forms_));
        const auto experts = static_cast<size_t>(config.layers[i].experts);
        for (auto* list : {&to.expert_gate, &to.expert_up, &to.expert_down}) list->resize(experts);
        for (size_t e = 0; e < experts; ++e) {
            const auto expert = static_cast<int32_t>(e);
            FACET_TRY(plan.add(from.expert_gate[expert], to.expert_gate[e], packed.forms_));
            FACET_TRY(plan.add(from.expert_up[expert], to.expert_up[e], packed.forms_));
            FACET_TRY(plan.add(from.expert_down[expert], to.expert_down[e], packed.forms_));
        }
    }
    FACET_TRY(plan.add(weights.embedding, packed.head_, packed.forms_));
    // The system would promise the memory and take it back by ending the program.
    if (const uint64_t available = available_memory_bytes(); plan.bytes() > available) {
        return Error{
            ErrorKind::kOutOfMemory,
            fmt::format(
                "the weights take {} MB and the machine has {} MB left; take a smaller file, or "
                "--device reference, which leaves them on disk and is slow",
                plan.bytes() / 1'000'000, available / 1'000'000)};
    }
    packed.memory_ = FACET_TRY(ZeroedMemory::allocate_huge(plan.bytes()));
    plan.place(static_cast<uint8_t*>(packed.memory_.data()));
    plan.run(threads);
    return packed;
}

}  // namespace facet::cpu
