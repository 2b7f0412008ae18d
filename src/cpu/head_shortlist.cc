#include "cpu/head_shortlist.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/thread_parts.h"

namespace facet::cpu {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Best estimates that are computed first, beside as many as are wanted: so that the limit for all
// others is close to what it will be.
constexpr int32_t kMoreBest = 64;
// Where errors spread so much more in the end than when strips were chosen, the choice was bad.
constexpr double kSpreadGrowth = 1.1;

}  // namespace

HeadShortlist::HeadShortlist(const PackedHead& head, const Kernels& kernels, float softcap,
                             int64_t vocabulary, SpinPool& pool)
    : head_(head),
      kernels_(kernels),
      softcap_(softcap),
      vocabulary_(vocabulary),
      pool_(pool),
      computed_(static_cast<size_t>(head.matrix.strips)),
      threads_(static_cast<size_t>(pool.thread_count())) {
    const auto rows = computed_.size() * static_cast<size_t>(kernels.rows);
    norms_.resize(rows);
    estimates_.resize(rows);
    chosen_.reserve(computed_.size());
    for (Thread& thread : threads_) {
        // soft_cap() takes sixteen values at a time.
        thread.out.resize(static_cast<size_t>(std::max(16, kernels.rows)));
        thread.strips.reserve(computed_.size());
    }
    make_norms();
}

void HeadShortlist::make_norms() {
    pool_.run([&](int32_t thread) {
        const Range mine = part_of(head_.matrix.strips, thread, pool_.thread_count());
        for (int64_t strip = mine.begin; strip < mine.end; ++strip) {
            head_.planes->residual_norms(head_.strip(strip), head_.matrix.blocks,
                                         norms_.data() + strip * kernels_.rows);
        }
    });
}

void HeadShortlist::compute(const Tile& tile, const float* hidden, HeadAnswers& answers,
                            int32_t thread) {
    if (thread == 0) {
        double squares = 0;
        for (int64_t i = 0; i < head_.matrix.columns; ++i) squares += double{hidden[i]} * hidden[i];
        deviation_ =
            static_cast<float>(std::sqrt(squares / static_cast<double>(head_.matrix.columns)));
        std::fill(computed_.begin(), computed_.end(), uint8_t{0});
        complete_ = false;
        strips_computed_ = 0;
    }
    estimate(tile, answers.wanted()[0], thread);
    pool_.barrier();
    compute_best(tile, answers, thread);
    pool_.barrier();
    if (thread == 0) choose(answers);
    pool_.barrier();
    compute_chosen(tile, answers, thread);
    pool_.barrier();
    if (thread == 0) check();
    pool_.barrier();
    compute_chosen(tile, answers, thread);
}

void HeadShortlist::estimate(const Tile& tile, const WantedRow& wanted, int32_t thread) {
    Thread& own = threads_[static_cast<size_t>(thread)];
    own.best.start(static_cast<int32_t>(
        std::min<int64_t>(int64_t{wanted.wish.largest} + kMoreBest, vocabulary_)));
    own.broken = false;
    own.squares = own.largest = 0;
    own.errors = 0;
    const int height = kernels_.rows;
    const Range mine = part_of(head_.matrix.strips, thread, pool_.thread_count());
    float none = 0;  // times zero, all of them: not zero if one of them is not finite
    for (int64_t strip = mine.begin; strip < mine.end; ++strip) {
        float* estimates = estimates_.data() + strip * height;
        head_.planes->estimate(head_.strip(strip).high, head_.matrix.blocks, tile, estimates);
        const float bound = own.best.bound();
        bool any = false;
        for (int i = 0; i < height; ++i) {
            none += estimates[i] * 0.0f;
            any |= estimates[i] >= bound;
        }
        for (int i = 0; any && i < height; ++i) {
            const int64_t id = strip * height + i;
            if (estimates[i] >= own.best.bound() && id < vocabulary_ &&
                !contains(wanted.wish.excluded, static_cast<int32_t>(id)))
                own.best.offer({static_cast<int32_t>(id), estimates[i]});
        }
    }
    own.broken = !(none == 0);
}

void HeadShortlist::compute_best(const Tile& tile, HeadAnswers& answers, int32_t thread) {
    Thread& own = threads_[static_cast<size_t>(thread)];
    own.strips.clear();
    for (const Logit& logit : own.best.logits()) own.strips.push_back(logit.id / kernels_.rows);
    std::sort(own.strips.begin(), own.strips.end());
    own.strips.erase(std::unique(own.strips.begin(), own.strips.end()), own.strips.end());
    for (size_t i = 0; i < own.strips.size(); ++i) {
        computed_[static_cast<size_t>(own.strips[i])] = 1;
        compute_strip(tile, own.strips[i], i + 1 < own.strips.size() ? own.strips[i + 1] : -1,
                      answers, thread);
    }
}

void HeadShortlist::compute_chosen(const Tile& tile, HeadAnswers& answers, int32_t thread) {
    const Range mine = part_of(static_cast<int64_t>(chosen_.size()), thread, pool_.thread_count());
    for (int64_t i = mine.begin; i < mine.end; ++i) {
        const auto at = static_cast<size_t>(i);
        compute_strip(tile, chosen_[at], i + 1 < mine.end ? chosen_[at + 1] : -1, answers, thread);
    }
}

// The strip's exact logits, and how far the estimates were from them.
void HeadShortlist::compute_strip(const Tile& tile, int64_t strip, int64_t next,
                                  HeadAnswers& answers, int32_t thread) {
    Thread& own = threads_[static_cast<size_t>(thread)];
    float* out = own.out.data();
    const int64_t first = strip * kernels_.rows;
    // Strips are far apart, which the hardware does not foresee.
    head_.planes->multiply(head_.strip(strip), head_.matrix.blocks, tile, out,
                           next < 0 ? PlaneStrip{nullptr, nullptr} : head_.strip(next));
    for (int i = 0; i < kernels_.rows; ++i) {
        const float deviation = deviation_ * norms_[static_cast<size_t>(first + i)];
        if (!(deviation > 0)) continue;  // a row of zeros
        const double error =
            std::abs(out[i] - estimates_[static_cast<size_t>(first + i)]) / deviation;
        own.squares += error * error;
        own.largest = std::max(own.largest, error);
        ++own.errors;
    }
    if (softcap_ != 0) kernels_.soft_cap(out, static_cast<int64_t>(own.out.size()), softcap_);
    answers.take(thread, 0, strip, out);
}

HeadShortlist::Errors HeadShortlist::errors() const {
    double squares = 0, largest = 0;
    int64_t count = 0;
    for (const Thread& thread : threads_) {
        squares += thread.squares;
        largest = std::max(largest, thread.largest);
        count += thread.errors;
    }
    return {count == 0 ? 1 : std::sqrt(squares / static_cast<double>(count)), largest};
}

// What is below this before the soft-cap is below `logit` after it, whatever the rounding of our
// soft-cap, which is within 4e-7 of the cap.
float HeadShortlist::estimate_limit(float logit) const {
    if (softcap_ == 0) return logit;
    const double share = (logit - 1e-6 * softcap_) / softcap_;
    if (share <= -1) return -kInfinity;
    return static_cast<float>(softcap_ * std::atanh(share) * (1 - 1e-6 * (share > 0 ? 1 : -1)));
}

// All strips that may hold one of the largest, or a listed id.
void HeadShortlist::choose(HeadAnswers& answers) {
    chosen_.clear();
    for (const Thread& thread : threads_)
        strips_computed_ += static_cast<int64_t>(thread.strips.size());
    const Errors seen = errors();
    spread_ = std::max(1.0, seen.spread);
    const bool broken = std::any_of(threads_.begin(), threads_.end(),
                                    [](const Thread& thread) { return thread.broken; });
    if (broken || !(seen.spread < kInfinity) || seen.largest > kLargestError) return choose_rest();
    const float limit = estimate_limit(answers.last_of_largest(0));
    const float margin = kDeviations * static_cast<float>(spread_) * deviation_;
    for (int64_t strip = 0; strip < head_.matrix.strips; ++strip) {
        const float* estimates = estimates_.data() + strip * kernels_.rows;
        const float* norms = norms_.data() + strip * kernels_.rows;
        bool reaches = false;
        for (int i = 0; i < kernels_.rows; ++i)
            reaches |= !(estimates[i] + margin * norms[i] < limit);
        if (reaches && !computed_[static_cast<size_t>(strip)]) {
            computed_[static_cast<size_t>(strip)] = 1;
            chosen_.push_back(strip);
        }
    }
    for (const int32_t id : answers.wanted()[0].wish.listed) {
        const int64_t strip = id / kernels_.rows;
        if (computed_[static_cast<size_t>(strip)]) continue;
        computed_[static_cast<size_t>(strip)] = 1;
        chosen_.push_back(strip);
    }
    strips_computed_ += static_cast<int64_t>(chosen_.size());
}

void HeadShortlist::choose_rest() {
    complete_ = true;
    for (int64_t strip = 0; strip < head_.matrix.strips; ++strip) {
        if (!computed_[static_cast<size_t>(strip)]) chosen_.push_back(strip);
    }
    strips_computed_ = head_.matrix.strips;
}

// Whether the errors of all that was computed are as they were expected to be.
void HeadShortlist::check() {
    chosen_.clear();
    if (complete_) return;
    const Errors seen = errors();
    if (!(seen.spread <= kSpreadGrowth * spread_) || !(seen.largest <= kLargestError * spread_))
        choose_rest();
}

}  // namespace facet::cpu
