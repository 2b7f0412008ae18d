// From logits to one token: penalties and bias, then temperature, top-k, top-p, min-p, then a draw.
//
// The order is that of Hugging Face transformers. The draw depends on the seed and the number of
// the token only, so the same seed gives the same tokens whatever runs beside it. It asks for no
// more logits than it needs: the largest of those that it leaves as they are, and those that
// penalties and bias change, whose ids are known. Must not know: models, text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/logits.h"

namespace facet {

struct LogitBias {
    int32_t id = 0;
    float bias = 0;  // -100 or less forbids
};

// Defaults: Gemma 4's model card.
struct SamplingOptions {
    float temperature = 1.0f;  // 0 = greedy
    int32_t top_k = 64;        // 0 = all
    float top_p = 0.95f;
    float min_p = 0;
    float repetition_penalty = 1;
    float presence_penalty = 0;
    float frequency_penalty = 0;
    std::vector<LogitBias> logit_bias;
    uint64_t seed = 0;
};

// Errors: a value outside its range; names the option.
Status check_sampling_options(const SamplingOptions& options, int32_t vocabulary);

class Sampler {
  public:
    // suppressed: ids never chosen. prompt: counts for the repetition penalty.
    Sampler(const SamplingOptions& options, int32_t vocabulary, std::span<const int32_t> suppressed,
            std::span<const int32_t> prompt);

    // Until the next accept(), only these ids may be chosen; a set of V bits.
    void allow(IdBits allowed);
    // What the next sample() needs to know of the logits. Refers to the sampler's own memory, until
    // the next accept() or allow().
    LogitWish wish() const;
    // Chooses the next token from the answer to wish(); `logits` [V] are changed in place. The same
    // token from either. Errors: a logit that is not a number, no token allowed.
    Result<int32_t> sample(std::span<float> logits);
    Result<int32_t> sample(std::span<const Logit> best);
    // Counts a token that was generated (also one that was forced).
    void accept(int32_t id);

  private:
    // The largest top_k that is answered by a list.
    static constexpr int32_t kListed = 1024;
    // The most allowed ids that are asked for one by one.
    static constexpr size_t kFew = 256;

    // How many of the best tokens are drawn from; 0 = all.
    int32_t width() const { return options_.temperature == 0 ? 1 : options_.top_k; }
    bool touch(int32_t id);
    float adjusted(int32_t id, float logit) const;
    Result<int32_t> choose(std::span<const Logit> best);
    int32_t draw();

    SamplingOptions options_;
    std::vector<uint64_t> suppressed_;  // bits of ids
    bool has_penalties_ = false;
    std::vector<bool> seen_;          // in the prompt or generated
    std::vector<int32_t> generated_;  // times generated, by id; empty without penalties
    // Ids whose logits penalties or bias change, ascending, without the suppressed; and these
    // together with the suppressed ones: ids that do not count among the largest.
    std::vector<int32_t> touched_;
    std::vector<uint64_t> not_plain_;
    // After allow(): ids that may not be chosen, these and the touched ones, and, if they are few,
    // those that may.
    bool is_limited_ = false;
    std::vector<uint64_t> blocked_, excluded_;
    std::vector<int32_t> few_;
    std::vector<Logit> all_, candidates_;
    std::vector<double> probabilities_;
    uint64_t step_ = 0;
};

}  // namespace facet
