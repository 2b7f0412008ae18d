#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
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
    : options_(options), suppressed_(suppressed.begin(), suppressed.end()) {
    has_penalties_ = options.repetition_penalty != 1 || options.presence_penalty != 0 ||
                     options.frequency_penalty != 0;
    if (!has_penalties_) return;
    seen_.resize(static_cast<size_t>(vocabulary));
    generated_.resize(static_cast<size_t>(vocabulary));
    for (const int32_t id : prompt) seen_[static_cast<size_t>(id)] = true;
}

void Sampler::accept(int32_t id) {
    ++step_;
    if (!has_penalties_) return;
    seen_[static_cast<size_t>(id)] = true;
    ++generated_[static_cast<size_t>(id)];
}

void Sampler::apply_penalties(std::span<float> logits) const {
    if (!has_penalties_) return;
    for (size_t id = 0; id < logits.size(); ++id) {
        if (!seen_[id]) continue;
        float& logit = logits[id];
        logit =
            logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
        if (generated_[id] == 0) continue;
        logit -= options_.presence_penalty +
                 options_.frequency_penalty * static_cast<float>(generated_[id]);
    }
}

Result<int32_t> Sampler::sample(std::span<float> logits) {
    apply_penalties(logits);
    for (const LogitBias& bias : options_.logit_bias) {
        float& logit = logits[static_cast<size_t>(bias.id)];
        logit = bias.bias <= -100 ? kForbidden : logit + bias.bias;
    }
    for (const int32_t id : suppressed_) logits[static_cast<size_t>(id)] = kForbidden;
    FACET_TRY(collect_candidates(logits));
    if (options_.temperature == 0) return candidates_.front().id;
    return draw();
}

// The best tokens, best first, the lower id first among equals: one for greedy, top_k, or all.
Status Sampler::collect_candidates(std::span<const float> logits) {
    const auto better = [](const Candidate& a, const Candidate& b) {
        return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
    };
    size_t limit = options_.top_k > 0 ? static_cast<size_t>(options_.top_k) : logits.size();
    if (options_.temperature == 0) limit = 1;
    candidates_.clear();
    for (size_t id = 0; id < logits.size(); ++id) {
        const Candidate candidate{logits[id], static_cast<int32_t>(id)};
        if (std::isnan(candidate.logit)) {
            return invalid_input(
                fmt::format("the model gave token {} a logit that is not a number", id));
        }
        if (candidate.logit == kForbidden) continue;
        if (candidates_.size() < limit) {
            candidates_.push_back(candidate);
            if (candidates_.size() == limit)
                std::make_heap(candidates_.begin(), candidates_.end(), better);
        } else if (better(candidate, candidates_.front())) {
            std::pop_heap(candidates_.begin(), candidates_.end(), better);
            candidates_.back() = candidate;
            std::push_heap(candidates_.begin(), candidates_.end(), better);
        }
    }
    if (candidates_.empty()) return invalid_input("no token is allowed here");
    std::sort(candidates_.begin(), candidates_.end(), better);
    return {};
}

int32_t Sampler::draw() {
    probabilities_.clear();
    double sum = 0;
    for (const Candidate& candidate : candidates_) {
        const double scaled =
            (double(candidate.logit) - double(candidates_.front().logit)) / options_.temperature;
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
