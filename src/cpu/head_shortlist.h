// The largest logits of one row in two stages: estimate all from the high bits of the weights, then
// compute exactly only the strips that can hold one of them.
//
// Why nothing is lost. A row of weights differs from what the high plane says of it by a residual
// whose norm is known (computed once, when the head is loaded). The error of an estimate is the
// inner product of residual and hidden row: low bits of codes know nothing of the hidden row, so it
// spreads like a normal distribution with deviation |residual| |hidden| / sqrt(columns). A strip is
// left out only where every estimate lies at least kDeviations of these below a logit that is known
// to be beaten by `largest` others. That is a statistical bound, so it is checked while running:
// strips that are computed give true errors, a thousand and more a token, of rows nobody selected
// for theirs. Where their spread is above what was expected the limit moves down with it, and where
// it is far above, or one error is near the limit, or anything is not a number, everything is
// computed. Source of the idea of planes: bit-plane retrieval of quantized vectors; the numbers are
// in docs/decisions.md.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/head_answers.h"
#include "cpu/packed_weights.h"
#include "cpu/spin_pool.h"
#include "model/device.h"

namespace facet::cpu {

class HeadShortlist {
  public:
    // What is left out is at least so many deviations below: one in 10^9 of those next to it
    // wrongly.
    static constexpr float kDeviations = 6.0f;
    // An error so large, of so few as are seen, would make the normal distribution doubtful.
    static constexpr float kLargestError = 5.5f;

    // The head is in planes. Everything must outlive it.
    HeadShortlist(const PackedHead& head, const Kernels& kernels, float softcap, int64_t vocabulary,
                  SpinPool& pool);

    // All threads, each with its number, after HeadAnswers::begin() with one row, which wants some
    // largest; `hidden` is that row [columns], `tile` the same as the kernels take it.
    void compute(const Tile& tile, const float* hidden, HeadAnswers& answers, int32_t thread);

    // Of the last row.
    int64_t strips_computed() const { return strips_computed_; }
    bool was_complete() const { return complete_; }

  private:
    // What one thread finds out.
    struct alignas(64) Thread {
        LargestLogits best;           // estimates
        std::vector<int64_t> strips;  // of the best
        std::vector<float> out;
        bool broken = false;  // an estimate is not a finite number
        double squares = 0;   // of errors, in deviations
        double largest = 0;
        int64_t errors = 0;
    };
    struct Errors {
        double spread = 1;  // root of their mean square, in deviations
        double largest = 0;
    };

    void make_norms();
    void estimate(const Tile& tile, const WantedRow& wanted, int32_t thread);
    void compute_best(const Tile& tile, HeadAnswers& answers, int32_t thread);
    void compute_strip(const Tile& tile, int64_t strip, int64_t next, HeadAnswers& answers,
                       int32_t thread);
    void compute_chosen(const Tile& tile, HeadAnswers& answers, int32_t thread);
    void choose(HeadAnswers& answers);
    void check();
    void choose_rest();
    Errors errors() const;
    float estimate_limit(float logit) const;

    const PackedHead& head_;
    const Kernels& kernels_;
    const float softcap_;
    const int64_t vocabulary_;
    SpinPool& pool_;
    std::vector<float> norms_;       // of residuals, [strips, height]
    std::vector<float> estimates_;   // the same, before the soft-cap
    std::vector<uint8_t> computed_;  // by strip
    std::vector<int64_t> chosen_;    // strips to compute next
    std::vector<Thread> threads_;
    float deviation_ = 0;  // of an estimate, for a residual of norm 1
    double spread_ = 1;    // of errors, when strips were chosen
    bool complete_ = false;
    int64_t strips_computed_ = 0;
};

}  // namespace facet::cpu
