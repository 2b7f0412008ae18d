#include "model/logits.h"

namespace facet {

std::vector<WantedRow> want_all(std::span<const int32_t> rows, int32_t vocabulary, float* out) {
    std::vector<WantedRow> wanted;
    for (const int32_t row : rows) {
        wanted.push_back({row, {}, out, nullptr});
        out += vocabulary;
    }
    return wanted;
}

void merge_answer(int32_t largest, std::vector<Logit>& candidates, std::span<const Logit> listed,
                  std::vector<Logit>& best) {
    std::sort(candidates.begin(), candidates.end(), ranks_before);
    candidates.resize(std::min(candidates.size(), static_cast<size_t>(largest)));
    best.assign(candidates.begin(), candidates.end());
    if (listed.empty()) return;
    best.insert(best.end(), listed.begin(), listed.end());
    std::sort(best.begin(), best.end(), ranks_before);
    const auto same = [](const Logit& a, const Logit& b) { return a.id == b.id; };
    best.erase(std::unique(best.begin(), best.end(), same), best.end());
}

void answer_wish(const LogitWish& wish, std::span<const float> logits, std::vector<Logit>& best) {
    LargestLogits largest;
    largest.start(std::min(wish.largest, static_cast<int32_t>(logits.size())));
    for (size_t i = 0; i < logits.size(); ++i) {
        const auto id = static_cast<int32_t>(i);
        if (!(logits[i] < largest.bound()) && !contains(wish.excluded, id))
            largest.offer({id, logits[i]});
    }
    std::vector<Logit> candidates = largest.logits(), listed;
    for (const int32_t id : wish.listed) listed.push_back({id, logits[static_cast<size_t>(id)]});
    merge_answer(wish.largest, candidates, listed, best);
}

}  // namespace facet
