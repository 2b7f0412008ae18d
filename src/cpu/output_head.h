// The output head of the CPU device: from the rows after the last norm to what is wanted of their
// logits.
//
// One stage: strips are multiplied, capped, and what is wanted is kept of each (head_answers.h);
// only the strips that hold listed ids where nothing else is wanted. Two stages
// (head_shortlist.h): where the largest of one row are wanted and the head is in planes of bits.
// Both give the same bits. Owns: the choice between them, what it costs. Must not know: the rest of
// the model.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cpu/head_answers.h"
#include "cpu/head_shortlist.h"
#include "cpu/packed_weights.h"
#include "cpu/spin_pool.h"
#include "cpu/tile_rows.h"
#include "model/config.h"
#include "model/device.h"

namespace facet::cpu {

// Whether a head is packed in planes of bits.
enum class HeadPlanes {
    kWhereFaster,  // large vocabularies of types that have planes, where estimates are fast
    kNever,
    kWherePossible,  // any type that has planes: for tests
};
bool uses_planes(HeadPlanes planes, const Matrix& embedding, const Kernels& kernels);

class OutputHead {
  public:
    // Strips that are multiplied with a group of rows while both stay in the second-level cache.
    static constexpr int64_t kStripsPerGroup = 8;

    // always: take two stages even where they did not pay lately. Everything must outlive it.
    OutputHead(const ModelConfig& config, const PackedWeights& weights, const Kernels& kernels,
               SpinPool& pool, bool always);

    // One thread: what is wanted next.
    void begin(std::span<const WantedRow> wanted);
    // All threads: answers it, for the rows `hidden` [wanted, D] that `inputs` holds as tiles.
    void compute(TileRows& inputs, const float* hidden, int32_t thread);
    // One thread, after all have computed.
    void end();

    const HeadCounts& counts() const { return counts_; }

  private:
    void list_strips();
    void compute_strips(TileRows& inputs, int32_t thread);
    void multiply(const Strips& strips, int64_t strip, int64_t ahead, const Tile& input,
                  float* out) const;

    struct Thread {
        std::vector<float> tile;      // [kColumnsMax, strip rows]
        std::vector<uint8_t> strips;  // mapped weights: a group's strips, packed
    };

    const ModelConfig& config_;
    const PackedHead& head_;
    const Kernels& kernels_;
    SpinPool& pool_;
    const bool always_;
    HeadAnswers answers_;
    std::unique_ptr<HeadShortlist> shortlist_;  // null if not in planes
    std::vector<Thread> threads_;
    bool two_stages_ = false;      // this time
    int64_t one_stage_rows_ = 0;   // to compute in one stage because two did not pay
    std::vector<int64_t> strips_;  // that are computed in one stage, ascending
    bool all_strips_ = false;      // all are, whatever strips_ says
    HeadCounts counts_;
};

}  // namespace facet::cpu
