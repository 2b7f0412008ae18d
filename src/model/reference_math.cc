#include "model/reference_math.h"

#include <algorithm>
#include <cmath>

namespace facet {

float dot(const float* a, const float* b, int64_t n) {
    constexpr int64_t kLanes = 16;
    float lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
    }
    float sum = 0;
    for (const float lane : lanes) sum += lane;
    for (; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

void rms_norm(const float* x, const float* weight, float epsilon, int64_t n, float* out) {
    const float mean_square = dot(x, x, n) / static_cast<float>(n);
    const float scale = 1.0f / std::sqrt(mean_square + epsilon);
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * (weight != nullptr ? weight[i] : 1.0f);
}

float gelu(float u) {
    constexpr float kRootTwoOverPi = 0.7978845608f;
    return 0.5f * u * (1.0f + std::tanh(kRootTwoOverPi * (u + 0.044715f * u * u * u)));
}

void rope(float* head, const float* frequencies, int32_t position, int64_t n) {
    const int64_t half = n / 2;
    for (int64_t i = 0; i < half; ++i) {
        // The angle is rounded to f32 as in the reference implementation; far positions depend on
        // it.
        const float angle = static_cast<float>(position) * frequencies[i];
        const float cosine = std::cos(angle);
        const float sine = std::sin(angle);
        const float a = head[i];
        const float b = head[i + half];
        head[i] = a * cosine - b * sine;
        head[i + half] = b * cosine + a * sine;
    }
}

void softmax(float* x, int64_t n) {
    const float largest = *std::max_element(x, x + n);
    float sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        x[i] = std::exp(x[i] - largest);
        sum += x[i];
    }
    for (int64_t i = 0; i < n; ++i) x[i] /= sum;
}

void top_k(const float* values, int32_t n, int32_t k, int32_t* indices) {
    int32_t count = 0;
    for (int32_t i = 0; i < n; ++i) {
        if (count == k && !(values[i] > values[indices[k - 1]])) continue;
        int32_t rank = count < k ? count++ : k - 1;
        for (; rank > 0 && values[i] > values[indices[rank - 1]]; --rank)
            indices[rank] = indices[rank - 1];
        indices[rank] = i;
    }
}

void choose_experts(const float* probabilities, int32_t experts, int32_t used,
                    const float* expert_scale, int32_t* chosen, float* weights) {
    top_k(probabilities, experts, used, chosen);
    float sum = 0;
    for (int32_t i = 0; i < used; ++i) sum += probabilities[chosen[i]];
    for (int32_t i = 0; i < used; ++i) {
        weights[i] = probabilities[chosen[i]] / sum * expert_scale[chosen[i]];
    }
}

}  // namespace facet
