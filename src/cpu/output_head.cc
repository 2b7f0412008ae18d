#include "cpu/output_head.h"

#include <algorithm>

#include "cpu/strips.h"
#include "cpu/thread_parts.h"

namespace facet::cpu {

namespace {

// Below, a head fits into caches or takes no time worth two stages.
constexpr int64_t kVocabularyForPlanes = 32768;
// More than so many largest are computed in one stage.
constexpr int32_t kLargestForPlanes = 1024;
// Two stages read the high plane, over half of the head, and then whole strips. Where that share of
// strips was computed they did not pay, and the next rows are computed in one stage.
constexpr double kSharePays = 0.4;
constexpr int64_t kRowsUntilNextTry = 63;
// From so many rows on, arithmetic takes longer than memory (cpu_device.cc).
constexpr int64_t kRowsToFetch = 6;

}  // namespace

bool uses_planes(HeadPlanes planes, const Matrix& embedding, const Kernels& kernels) {
    const auto type = plane_type(embedding.type);
    if (planes == HeadPlanes::kNever || !type) return false;
    if (planes == HeadPlanes::kWherePossible) return true;
    return kernels.planes[static_cast<size_t>(*type)].estimates_fast &&
           embedding.rows >= kVocabularyForPlanes;
}

OutputHead::OutputHead(const ModelConfig& config, const PackedWeights& weights,
                       const Kernels& kernels, SpinPool& pool, bool always)
    : config_(config),
      head_(weights.head()),
      kernels_(kernels),
      pool_(pool),
      always_(always),
      answers_(config.vocabulary, kernels.rows, pool.thread_count()),
      threads_(static_cast<size_t>(pool.thread_count())) {
    if (head_.planes != nullptr) {
        shortlist_ = std::make_unique<HeadShortlist>(head_, kernels, config.logit_softcap,
                                                     config.vocabulary, pool);
    }
    strips_.reserve(static_cast<size_t>(head_.matrix.strips));
    for (Thread& thread : threads_) {
        thread.tile.resize(static_cast<size_t>(kColumnsMax * kernels.rows));
        thread.strips.resize(kStripsPerGroup * weights.scratch_bytes());
    }
}

void OutputHead::begin(std::span<const WantedRow> wanted) {
    answers_.begin(wanted);
    const bool largest_of_one = wanted.size() == 1 && !wanted[0].wish.all &&
                                wanted[0].wish.largest > 0 &&
                                wanted[0].wish.largest <= kLargestForPlanes;
    two_stages_ = shortlist_ != nullptr && largest_of_one && one_stage_rows_ == 0;
    if (!two_stages_) list_strips();
    if (largest_of_one && one_stage_rows_ > 0) --one_stage_rows_;
}

// The strips of listed ids, unless something else is wanted too.
void OutputHead::list_strips() {
    strips_.clear();
    const std::span<const WantedRow> wanted = answers_.wanted();
    all_strips_ = std::any_of(wanted.begin(), wanted.end(), [](const WantedRow& row) {
        return row.wish.all || row.wish.largest > 0;
    });
    if (all_strips_) return;
    for (const WantedRow& row : wanted) {
        for (const int32_t id : row.wish.listed) {
            const int64_t strip = id / kernels_.rows;
            if (strips_.empty() || strips_.back() != strip) strips_.push_back(strip);
        }
    }
    std::sort(strips_.begin(), strips_.end());
    strips_.erase(std::unique(strips_.begin(), strips_.end()), strips_.end());
}

void OutputHead::compute(TileRows& inputs, const float* hidden, int32_t thread) {
    const auto count = static_cast<int64_t>(answers_.wanted().size());
    if (two_stages_) {
        shortlist_->compute(inputs.tile(0, 1), hidden, answers_, thread);
    } else {
        compute_strips(inputs, thread);
    }
    pool_.barrier();
    const Range mine = part_of(count, thread, pool_.thread_count());
    for (int64_t i = mine.begin; i < mine.end; ++i) answers_.finish(static_cast<size_t>(i), thread);
}

void OutputHead::multiply(const Strips& strips, int64_t strip, int64_t ahead, const Tile& input,
                          float* out) const {
    const PackedMatrix& matrix = head_.matrix;
    const bool fetches = ahead >= 0 && ahead < matrix.strips;
    if (head_.planes != nullptr) {
        head_.planes->multiply(head_.strip(strip), matrix.blocks, input, out,
                               fetches ? head_.strip(ahead) : PlaneStrip{nullptr, nullptr});
    } else {
        matrix.kernel(strips[strip], matrix.blocks, input, out,
                      fetches ? matrix.packed_strip(ahead) : nullptr);
    }
}

void OutputHead::compute_strips(TileRows& inputs, int32_t thread) {
    Thread& scratch = threads_[static_cast<size_t>(thread)];
    float* tile = scratch.tile.data();
    const auto count = static_cast<int64_t>(answers_.wanted().size());
    const auto strip_at = [&](int64_t i) {
        return all_strips_ ? i : strips_[static_cast<size_t>(i)];
    };
    const Range mine =
        part_of(all_strips_ ? head_.matrix.strips : static_cast<int64_t>(strips_.size()), thread,
                pool_.thread_count());
    const TileCut cut(0, count);
    for (int64_t i = mine.begin; i < mine.end;) {
        // A group is strips without a gap.
        const int64_t group = strip_at(i);
        int64_t group_end = group + 1;
        for (++i; i < mine.end && group_end < group + kStripsPerGroup && strip_at(i) == group_end;
             ++i)
            ++group_end;
        const Strips strips = head_.planes != nullptr
                                  ? Strips()
                                  : head_.matrix.range(group, group_end, scratch.strips.data());
        for (int64_t t = 0; t < cut.tiles(); ++t) {
            const TileCut::Place place = cut.tile(t);
            const Tile input = inputs.tile(place.first, place.count);
            const bool fetches = t == 0 && count >= kRowsToFetch;
            for (int64_t strip = group; strip < group_end; ++strip) {
                multiply(strips, strip, fetches ? strip + kStripsPerGroup : -1, input, tile);
                const int64_t values = int64_t{place.count} * kernels_.rows;
                if (config_.logit_softcap != 0) {
                    // Sixteen at a time; what lies behind them in the tile does not matter.
                    kernels_.soft_cap(tile, (values + 15) / 16 * 16, config_.logit_softcap);
                }
                for (int c = 0; c < place.count; ++c) {
                    answers_.take(thread, static_cast<size_t>(place.first + c), strip,
                                  tile + c * kernels_.rows);
                }
            }
        }
    }
}

void OutputHead::end() {
    const auto strips = static_cast<uint64_t>(head_.matrix.strips);
    uint64_t computed = all_strips_ ? strips : strips_.size();
    counts_.rows += static_cast<int64_t>(answers_.wanted().size());
    if (two_stages_) {
        computed = static_cast<uint64_t>(shortlist_->strips_computed());
        ++counts_.estimated_rows;
        counts_.complete_rows += shortlist_->was_complete() ? 1 : 0;
        counts_.bytes += strips * head_.high_bytes;
        if (!always_ && static_cast<double>(computed) > kSharePays * static_cast<double>(strips))
            one_stage_rows_ = kRowsUntilNextTry;
    }
    counts_.logits += static_cast<int64_t>(computed) * kernels_.rows;
    counts_.bytes += computed * head_.matrix.strip_bytes;
}

}  // namespace facet::cpu
