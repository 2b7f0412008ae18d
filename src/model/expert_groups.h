// Which rows of a batch go to which expert: the (row, choice) pairs, sorted by expert.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace facet {

class ExpertGroups {
  public:
    ExpertGroups() = default;
    // pair_max: the most pairs that group() may get.
    ExpertGroups(int32_t experts, size_t pair_max)
        : first_(static_cast<size_t>(experts) + 1), pairs_(pair_max) {}

    // Sorts pairs 0..pair_count by chosen[pair], the expert; pairs of an expert stay in order. A
    // counting sort.
    void group(const int32_t* chosen, int32_t pair_count) {
        std::fill(first_.begin(), first_.end(), 0);
        for (int32_t pair = 0; pair < pair_count; ++pair)
            ++first_[static_cast<size_t>(chosen[pair]) + 1];
        for (size_t e = 1; e < first_.size(); ++e) first_[e] += first_[e - 1];
        // Filling moves each start to its end; shifting back by one place restores the starts.
        for (int32_t pair = 0; pair < pair_count; ++pair) {
            pairs_[static_cast<size_t>(first_[static_cast<size_t>(chosen[pair])]++)] = pair;
        }
        for (size_t e = first_.size() - 1; e > 0; --e) first_[e] = first_[e - 1];
        first_[0] = 0;
    }

    // An expert's pairs are pair(first(e)) .. pair(first(e) + count(e) - 1).
    int64_t first(int32_t expert) const { return first_[static_cast<size_t>(expert)]; }
    int64_t count(int32_t expert) const {
        return first_[static_cast<size_t>(expert) + 1] - first_[static_cast<size_t>(expert)];
    }
    // The first expert from `expert` on that has pairs; the number of experts if none has.
    int32_t next_used(int32_t expert) const {
        const auto end = static_cast<int32_t>(first_.size()) - 1;
        while (expert < end && count(expert) == 0) ++expert;
        return expert;
    }
    int32_t pair(int64_t place) const { return pairs_[static_cast<size_t>(place)]; }

  private:
    std::vector<int32_t> first_;
    std::vector<int32_t> pairs_;
};

}  // namespace facet
