// Collects the answers to a batch's wishes while strips of logits are computed, by several threads
// at once.
//
// Each thread keeps the first few of what it sees, so no vector of all logits is written. What is
// kept does not depend on the order of strips or on who computed them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/logits.h"

namespace facet::cpu {

class HeadAnswers {
  public:
    // height: rows of a strip.
    HeadAnswers(int32_t vocabulary, int height, int32_t threads);

    // One thread: the rows that are wanted next, somebody else's memory until finish().
    void begin(std::span<const WantedRow> wanted);
    std::span<const WantedRow> wanted() const { return wanted_; }

    // A strip's logits for one of the wanted rows, `height` of them, after the soft-cap. No strip
    // twice.
    void take(int32_t thread, size_t wanted, int64_t strip, const float* logits);

    // The value of the last of the `largest` that a row is wanted of, among all that was taken so
    // far; minus infinity if that was less. One thread.
    float last_of_largest(size_t wanted);

    // Writes the answer of one wanted row; by `thread`, while no one takes.
    void finish(size_t wanted, int32_t thread);

  private:
    struct Found {
        LargestLogits largest;
        std::vector<Logit> listed;
    };

    const int32_t vocabulary_;
    const int height_;
    std::span<const WantedRow> wanted_;
    std::vector<std::vector<Found>> found_;       // by thread and wanted row
    std::vector<std::vector<Logit>> candidates_;  // by thread: all threads' of one row
    std::vector<std::vector<Logit>> listed_;
};

}  // namespace facet::cpu
