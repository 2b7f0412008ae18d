#include "cpu/head_answers.h"

#include <limits>

namespace facet::cpu {

HeadAnswers::HeadAnswers(int32_t vocabulary, int height, int32_t threads)
    : vocabulary_(vocabulary),
      height_(height),
      found_(static_cast<size_t>(threads)),
      candidates_(found_.size()),
      listed_(found_.size()) {}

void HeadAnswers::begin(std::span<const WantedRow> wanted) {
    wanted_ = wanted;
    for (std::vector<Found>& rows : found_) {
        // Rows that are not wanted this time keep their memory.
        if (rows.size() < wanted.size()) rows.resize(wanted.size());
        for (size_t i = 0; i < wanted.size(); ++i) {
            if (wanted[i].wish.all) continue;
            rows[i].largest.start(std::min(wanted[i].wish.largest, vocabulary_));
            rows[i].listed.clear();
        }
    }
}

void HeadAnswers::take(int32_t thread, size_t wanted, int64_t strip, const float* logits) {
    const WantedRow& row = wanted_[wanted];
    const auto first = static_cast<int32_t>(strip * height_);
    const int32_t count = std::min(height_, vocabulary_ - first);
    if (row.wish.all) {
        std::copy_n(logits, count, row.all + first);
        return;
    }
    Found& found = found_[static_cast<size_t>(thread)][wanted];
    const float bound = found.largest.bound();
    bool any = false;
    for (int32_t i = 0; i < count; ++i) any |= !(logits[i] < bound);
    for (int32_t i = 0; any && i < count; ++i) {
        if (!(logits[i] < found.largest.bound()) && !contains(row.wish.excluded, first + i))
            found.largest.offer({first + i, logits[i]});
    }
    const auto listed = row.wish.listed;
    for (auto id = std::lower_bound(listed.begin(), listed.end(), first);
         id != listed.end() && *id < first + count; ++id)
        found.listed.push_back({*id, logits[*id - first]});
}

float HeadAnswers::last_of_largest(size_t wanted) {
    std::vector<Logit>& all = candidates_[0];
    all.clear();
    for (const std::vector<Found>& rows : found_) {
        const std::vector<Logit>& part = rows[wanted].largest.logits();
        all.insert(all.end(), part.begin(), part.end());
    }
    const auto largest = static_cast<size_t>(wanted_[wanted].wish.largest);
    if (largest == 0 || all.size() < largest) return -std::numeric_limits<float>::infinity();
    const auto last = all.begin() + static_cast<std::ptrdiff_t>(largest) - 1;
    std::nth_element(all.begin(), last, all.end(), ranks_before);
    return last->value;
}

void HeadAnswers::finish(size_t wanted, int32_t thread) {
    const WantedRow& row = wanted_[wanted];
    if (row.wish.all) return;
    std::vector<Logit>& candidates = candidates_[static_cast<size_t>(thread)];
    std::vector<Logit>& listed = listed_[static_cast<size_t>(thread)];
    candidates.clear();
    listed.clear();
    for (const std::vector<Found>& rows : found_) {
        const Found& found = rows[wanted];
        candidates.insert(candidates.end(), found.largest.logits().begin(),
                          found.largest.logits().end());
        listed.insert(listed.end(), found.listed.begin(), found.listed.end());
    }
    merge_answer(row.wish.largest, candidates, listed, *row.best);
}

}  // namespace facet::cpu
