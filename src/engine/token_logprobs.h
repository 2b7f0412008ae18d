// Log probabilities of the tokens of a reply: what the model itself gave them, before penalties,
// bias, grammar and temperature.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"
#include "model/logits.h"
#include "text/vocabulary.h"

namespace facet {

// The most likely tokens that may be asked for beside each one.
inline constexpr int32_t kTopLogprobsMax = 20;

class TokenLogprobs {
  public:
    // top: how many of the likeliest are listed. The vocabulary must outlive it.
    TokenLogprobs(const Vocabulary& vocabulary, int32_t top);

    // The logits [V] from which the next token is chosen; a copy is kept.
    void note(std::span<const float> logits);
    // {"token", "bytes", "logprob", "top_logprobs": [the same without it]} of the token that was
    // chosen, in OpenAI's form.
    Json of(int32_t id) const;

  private:
    Json entry(int32_t id) const;

    const Vocabulary& vocabulary_;
    int32_t top_;
    std::vector<float> logits_;
    std::vector<Logit> likeliest_;
    double log_sum_ = 0;  // of the exponentials
};

}  // namespace facet
