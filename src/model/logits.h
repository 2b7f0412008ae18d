// What is wanted of a row of logits, and the order of logits.
//
// Choosing a token rarely needs all V logits: greedy needs the largest, the usual sampler some tens
// of them, a grammar those it allows. A device that knows can compute and move less.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace facet {

// A token's logit, after the soft-cap.
struct Logit {
    int32_t id = 0;
    float value = 0;
};

// The order of answers: descending, the lower id first among equals. What is not a number comes
// before all numbers, so that it is never left out and whoever chooses can refuse it.
inline bool ranks_before(const Logit& a, const Logit& b) {
    if (a.value > b.value) return true;
    if (a.value < b.value) return false;
    const bool a_broken = std::isnan(a.value), b_broken = std::isnan(b.value);
    return a_broken != b_broken ? a_broken : a.id < b.id;
}

// A set of ids as bits: id i is bit i % 64 of word i / 64. Ids beyond the last word are not in it.
using IdBits = std::span<const uint64_t>;
inline bool contains(IdBits set, int32_t id) {
    const auto word = static_cast<size_t>(id) / 64;
    return word < set.size() && (set[word] >> (id % 64) & 1) != 0;
}

// What is wanted of the logits of one row: all V of them, or a list: the `largest` largest of those
// that are not `excluded`, together with those of the `listed` ids, excluded or not, each once.
// Spans are somebody else's memory.
struct LogitWish {
    bool all = true;
    int32_t largest = 0;
    std::span<const int32_t> listed = {};  // ascending, each once
    IdBits excluded = {};
};

// One row of a batch whose logits are wanted, and where they go.
struct WantedRow {
    int32_t row = 0;  // of the batch
    LogitWish wish = {};
    float* all = nullptr;                // [V]; where all are wished for
    std::vector<Logit>* best = nullptr;  // else: in order (ranks_before)
};

// All logits of some rows of a batch, [rows, V] at `out`.
std::vector<WantedRow> want_all(std::span<const int32_t> rows, int32_t vocabulary, float* out);

// Keeps the first few, in order, of the logits it is offered.
class LargestLogits {
  public:
    void start(int32_t limit) {
        limit_ = static_cast<size_t>(limit);
        heap_.clear();
        heap_.reserve(limit_);
    }

    // What is below can not be among the first few any more; a cheap test before offer().
    float bound() const {
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        return limit_ == 0 ? kInfinity : heap_.size() < limit_ ? -kInfinity : heap_.front().value;
    }

    void offer(const Logit& logit) {
        if (heap_.size() < limit_) {
            heap_.push_back(logit);
            std::push_heap(heap_.begin(), heap_.end(), ranks_before);
        } else if (limit_ > 0 && ranks_before(logit, heap_.front())) {
            std::pop_heap(heap_.begin(), heap_.end(), ranks_before);
            heap_.back() = logit;
            std::push_heap(heap_.begin(), heap_.end(), ranks_before);
        }
    }

    // In no order.
    const std::vector<Logit>& logits() const { return heap_; }

  private:
    size_t limit_ = 0;
    std::vector<Logit> heap_;  // the last in order is at the front
};

// The answer to a wish for a list, from all logits [V]: how a device that has them all gives it.
void answer_wish(const LogitWish& wish, std::span<const float> logits, std::vector<Logit>& best);

// Makes an answer of what was found: the `largest` first of `candidates`, and `listed`, in order,
// each id once. candidates are consumed.
void merge_answer(int32_t largest, std::vector<Logit>& candidates, std::span<const Logit> listed,
                  std::vector<Logit>& best);

}  // namespace facet
