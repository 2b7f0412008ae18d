#include "engine/token_logprobs.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace facet {

TokenLogprobs::TokenLogprobs(const Vocabulary& vocabulary, int32_t top)
    : vocabulary_(vocabulary), top_(top) {}

void TokenLogprobs::note(std::span<const float> logits) {
    logits_.assign(logits.begin(), logits.end());
    LogitWish wish;
    wish.all = false;
    wish.largest = std::max(top_, 1);
    answer_wish(wish, logits, likeliest_);
    const double largest = likeliest_.front().value;
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double(logit) - largest);
    log_sum_ = largest + std::log(sum);
    likeliest_.resize(static_cast<size_t>(top_));
}

Json TokenLogprobs::of(int32_t id) const {
    Json json = entry(id);
    Json top = Json::array();
    for (const Logit& logit : likeliest_) top.push(entry(logit.id));
    return json.set("top_logprobs", std::move(top));
}

Json TokenLogprobs::entry(int32_t id) const {
    std::string text;
    vocabulary_.append_bytes(id, text);
    if (text.empty()) vocabulary_.append_text(id, text);  // special and unused ones by their name
    Json bytes = Json::array();
    for (const char c : text) bytes.push(Json::integer(static_cast<uint8_t>(c)));
    Json json = Json::object();
    json.set("token", Json::of(text))
        .set("bytes", std::move(bytes))
        .set("logprob", Json::number(double(logits_[static_cast<size_t>(id)]) - log_sum_));
    return json;
}

}  // namespace facet
