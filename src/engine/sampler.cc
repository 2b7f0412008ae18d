#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace facet {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

// splitmix64's output function: well-mixed bits of a counter. Source: Steele, Lea, Flood, OOPSLA
// 2014.
uint64_t mix(uint64_t value) {
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

// Uniform in [0, 1).
double uniform(uint64_t seed, uint64_t step) {
    return static_cast<double>(mix(mix(seed) ^ step) >> 11) * 0x1p-53;
}

bool by_id(const LogitBias& a, const LogitBias& b) { return a.id < b.id; }

void set_bit(std::vector<uint64_t>& bits, int32_t id) {
    bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
}

}  // namespace

Status check_sampling_options(const SamplingOptions& options, int32_t vocabulary) {
    const struct {
        const char* name;
        double value, minimum, maximum;
    } ranges[] = {
        {"temperature", options.temperature, 0, 100},
        {"top_k", double(options.top_k), 0, 1e9},
        {"top_p", options.top_p, 0, 1},
        {"min_p", options.min_p, 0, 1},
        {"repetition_penalty", options.repetition_penalty, 0.01, 100},
        {"presence_penalty", options.presence_penalty, -100, 100},
        {"frequency_penalty", options.frequency_penalty, -100, 100},
    };
    for (const auto& [name, value, minimum, maximum] : ranges) {
        if (!(value >= minimum && value <= maximum)) {
            return invalid_input(
                fmt::format("{}: expected {} to {}, found {}", name, minimum, maximum, value));
        }
    }
    for (const LogitBias& bias : options.logit_bias) {
        if (bias.id < 0 || bias.id >= vocabulary) {
            return invalid_input(
                fmt::format("logit_bias: token id {}: expected 0 to {}", bias.id, vocabulary - 1));
        }
        if (std::isnan(bias.bias)) {
            return invalid_input(
                fmt::format("logit_bias: bias of token id {} is not a number", bias.id));
        }
    }
    return {};
}

Sampler::Sampler(const SamplingOptions& options, int32_t vocabulary,
                 std::span<const int32_t> suppressed, std::span<const int32_t> prompt)
    : options_(options), suppressed_((static_cast<size_t>(vocabulary) + 63) / 64) {
    for (const int32_t id : suppressed) set_bit(suppressed_, id);
    // What the last word has room for beyond the vocabulary.
    for (int32_t id = vocabulary; id % 64 != 0; ++id) set_bit(suppressed_, id);
    not_plain_ = suppressed_;
    // For looking up; the order among those of one id stays.
    std::stable_sort(options_.logit_bias.begin(), options_.logit_bias.end(), by_id);
    for (const LogitBias& bias : options.logit_bias) touch(bias.id);
    std::sort(touched_.begin(), touched_.end());
    has_penalties_ = options.repetition_penalty != 1 || options.presence_penalty != 0 ||
                     options.frequency_penalty != 0;
    if (!has_penalties_) return;
    seen_.resize(static_cast<size_t>(vocabulary));
    generated_.resize(static_cast<size_t>(vocabulary));
    for (const int32_t id : prompt) {
        seen_[static_cast<size_t>(id)] = true;
        touch(id);
    }
    std::sort(touched_.begin(), touched_.end());
}

void Sampler::accept(int32_t id) {
    ++step_;
    is_limited_ = false;
    if (!has_penalties_) return;
    seen_[static_cast<size_t>(id)] = true;
    ++generated_[static_cast<size_t>(id)];
    if (!touch(id)) return;
    const auto place = std::lower_bound(touched_.begin(), touched_.end() - 1, id);
    std::rotate(place, touched_.end() - 1, touched_.end());
}

// Adds an id at the end of touched_; false if it is there already, or suppressed.
bool Sampler::touch(int32_t id) {
    if (contains(not_plain_, id)) return false;
    set_bit(not_plain_, id);
    touched_.push_back(id);
    return true;
}

void Sampler::allow(IdBits allowed) {
    is_limited_ = true;
    blocked_.resize(suppressed_.size());
    excluded_.resize(suppressed_.size());
    few_.clear();
    size_t count = 0;
    for (size_t i = 0; i < suppressed_.size(); ++i) {
        const uint64_t word = i < allowed.size() ? allowed[i] : 0;
        blocked_[i] = suppressed_[i] | ~word;
        excluded_[i] = not_plain_[i] | ~word;
        count += static_cast<size_t>(std::popcount(~blocked_[i]));
    }
    if (count > kFew) return;
    for (size_t i = 0; i < blocked_.size(); ++i) {
        for (uint64_t left = ~blocked_[i]; left != 0; left &= left - 1)
            few_.push_back(static_cast<int32_t>(i * 64) + std::countr_zero(left));
    }
}

LogitWish Sampler::wish() const {
    LogitWish wish;
    const bool are_few = is_limited_ && !few_.empty();
    wish.all = !are_few && (width() == 0 || width() > kListed);
    if (wish.all) return wish;
    wish.largest = are_few ? 0 : width();
    wish.listed = are_few ? few_ : touched_;
    wish.excluded = is_limited_ ? excluded_ : not_plain_;
    return wish;
}

// The logit after penalties and bias.
float Sampler::adjusted(int32_t id, float logit) const {
    const auto at = static_cast<size_t>(id);
    if (has_penalties_ && seen_[at]) {
        logit =
            logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
        if (generated_[at] != 0) {
            logit -= options_.presence_penalty +
                     options_.frequency_penalty * static_cast<float>(generated_[at]);
        }
    }
    const auto [first, last] = std::equal_range(options_.logit_bias.begin(),
                                                options_.logit_bias.end(), LogitBias{id, 0}, by_id);
    for (auto bias = first; bias != last; ++bias)
        logit = bias->bias <= -100 ? kForbidden : logit + bias->bias;
    return logit;
}

Result<int32_t> Sampler::sample(std::span<float> logits) {
    for (const int32_t id : touched_) {
        float& logit = logits[static_cast<size_t>(id)];
        logit = adjusted(id, logit);
    }
    // The best tokens: one for greedy, top_k, or all.
    LogitWish wish;
    wish.largest = width() == 0 ? static_cast<int32_t>(logits.size()) : width();
    wish.excluded = is_limited_ ? blocked_ : suppressed_;
    answer_wish(wish, logits, all_);
    return choose(all_);
}

Result<int32_t> Sampler::sample(std::span<const Logit> best) {
    all_.assign(best.begin(), best.end());
    if (is_limited_) {
        std::erase_if(all_, [&](const Logit& logit) { return contains(blocked_, logit.id); });
    }
    if (!touched_.empty()) {
        for (Logit& logit : all_) {
            if (std::binary_search(touched_.begin(), touched_.end(), logit.id))
                logit.value = adjusted(logit.id, logit.value);
        }
        std::sort(all_.begin(), all_.end(), ranks_before);
    }
    if (width() != 0) all_.resize(std::min(all_.size(), static_cast<size_t>(width())));
    return choose(all_);
}

// From the best logits, in order.
Result<int32_t> Sampler::choose(std::span<const Logit> best) {
    candidates_.clear();
    for (const Logit& logit : best) {
        if (std::isnan(logit.value)) {
            return invalid_input(
                fmt::format("the model gave token {} a logit that is not a number", logit.id));
        }
        if (logit.value != kForbidden) candidates_.push_back(logit);
    }
    if (candidates_.empty()) return invalid_input("no token is allowed here");
    return options_.temperature == 0 ? candidates_.front().id : draw();
}

int32_t Sampler::draw() {
    probabilities_.clear();
    double sum = 0;
    for (const Logit& candidate : candidates_) {
        const double scaled =
            (double(candidate.value) - double(candidates_.front().value)) / options_.temperature;
        probabilities_.push_back(std::exp(scaled));
        sum += probabilities_.back();
    }
    // top-p: the shortest prefix that holds that share. min-p: what is at least that share of the
    // best.
    size_t kept = 0;
    double kept_sum = 0;
    while (kept < probabilities_.size()) {
        if (kept > 0 && (kept_sum >= options_.top_p * sum || probabilities_[kept] < options_.min_p))
            break;
        kept_sum += probabilities_[kept++];
    }
    double remaining = uniform(options_.seed, step_) * kept_sum;
    for (size_t i = 0; i < kept; ++i) {
        remaining -= probabilities_[i];
        if (remaining < 0) return candidates_[i].id;
    }
    return candidates_[kept - 1].id;
}

}  // namespace facet
