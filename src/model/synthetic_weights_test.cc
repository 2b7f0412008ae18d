#include "model/synthetic_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

namespace facet {
namespace {

double deviation_of_row(const Matrix& matrix, int64_t row) {
    const TensorTypeTraits& traits = traits_of(matrix.type);
    std::vector<float> values(static_cast<size_t>(matrix.columns));
    traits.decode(matrix.row(row), values.size() / traits.block_elements, values.data());
    double sum = 0;
    for (const float value : values) sum += double{value} * value;
    return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(SyntheticWeights, EveryMixHasValuesOfTheRightMagnitude) {
    const ModelConfig config = ModelConfig::of_variant("26b-a4b-6l").take();
    const double wanted = 1 / std::sqrt(double(config.width));
    for (const char* name : {"F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S",
                             "Q4_0", "IQ4_XS", "Q3_K_M", "Q2_K"}) {
        const TypeMix mix = TypeMix::named(name).take();
        const auto made = make_synthetic_weights(config, mix);
        ASSERT_TRUE(made.ok()) << made.error().message;
        const Weights& weights = made.value().weights;
        for (const Matrix& matrix :
             {weights.embedding, weights.layers[0].value, weights.layers[5].query,
              weights.layers[3].down, weights.layers[3].expert_gate[127],
              weights.layers[3].expert_down[127]}) {
            // The last row too: nothing ends early.
            for (const int64_t row : {int64_t{0}, matrix.rows - 1})
                EXPECT_NEAR(deviation_of_row(matrix, row) / wanted, 1, 0.2) << name;
        }
        EXPECT_NEAR(deviation_of_row(weights.layers[0].router, 127), 1, 0.1) << name;
    }
}

TEST(SyntheticWeights, NoTwoExpertsAreTheSame) {
    const ModelConfig config = ModelConfig::of_variant("26b-a4b-6l").take();
    const TypeMix mix = TypeMix::named("Q4_K_M").take();
    const auto made = make_synthetic_weights(config, mix);
    ASSERT_TRUE(made.ok());
    std::set<std::string> starts;
    for (const LayerWeights& layer : made.value().weights.layers) {
        for (const ExpertMatrices& list : {layer.expert_gate, layer.expert_up, layer.expert_down}) {
            for (int32_t e = 0; e < 128; ++e)
                starts.insert(std::string(reinterpret_cast<const char*>(list[e].data), 64));
        }
    }
    EXPECT_EQ(starts.size(), 6u * 3 * 128);
}

}  // namespace
}  // namespace facet
