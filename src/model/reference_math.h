// The primitives of Gemma 4 in plain f32 loops: the specification that every fast path is tested
// against.
//
// Each function handles one row. Sums run in a fixed order (16 interleaved partial sums, then those
// in order), so results do not depend on batch size or thread count. Source of the formulas: docs
// gemma4-model 2.1 to 2.6.
#pragma once

#include <cstdint>
#include <span>

namespace facet {

// Inner product of n values.
float dot(const float* a, const float* b, int64_t n);

// RMSNorm: out = weight * x / sqrt(mean(x^2) + epsilon); weight null: without weight. out may be x.
void rms_norm(const float* x, const float* weight, float epsilon, int64_t n, float* out);

// GELU, tanh approximation: u/2 (1 + tanh(sqrt(2/pi) (u + 0.044715 u^3))).
float gelu(float u);

// Rotates one head of size n at `position`: component i pairs with i + n/2, angle = position *
// frequencies[i].
//   frequencies [n/2]
void rope(float* head, const float* frequencies, int32_t position, int64_t n);

// In place: exp(x - max) / sum, over n values.
void softmax(float* x, int64_t n);

// The k largest of n values (1 <= k <= n), largest first, the lower index first among equals.
void top_k(const float* values, int32_t n, int32_t k, int32_t* indices);

// The experts of one row and their weights [used]: the most probable ones, their probabilities made
// to add up to one, then scaled for each expert (and not normalized again). Steps 17 and 18.
void choose_experts(const float* probabilities, int32_t experts, int32_t used,
                    const float* expert_scale, int32_t* chosen, float* weights);

}  // namespace facet
