// The bytes of a decoded token, group by group, as they follow from published files of the 26B-A4B.
#include "model/type_mix.h"

#include <gtest/gtest.h>

#include <map>

#include "model/synthetic_weights.h"

namespace facet {
namespace {

struct Expected {
    const char* mix;
    double attention, dense_ffn, experts, head, total;  // MB
};

TEST(TypeMix, GivesTheBytesOfPublishedFiles) {
    const ModelConfig config = ModelConfig::of_variant("26b-a4b").take();
    for (const Expected& row : {
             Expected{"F16", 2220.4, 1070.5, 2854.7, 1476.4, 7668},
             Expected{"Q8_0", 1179.6, 568.7, 1516.6, 784.3, 4095},
             Expected{"Q6_K", 910.7, 482.3, 1286.1, 605.6, 3331},
             Expected{"Q5_K_M", 773.2, 405.2, 1080.4, 605.6, 2910},
             Expected{"q4_k_m", 643.8, 354.6, 945.6, 605.6, 2596},
             Expected{"Q4_0", 624.5, 301.1, 802.9, 605.6, 2380},
             Expected{"IQ4_XS", 589.8, 293.3, 782.1, 605.6, 2317},
             Expected{"Q3_K_M", 551.2, 276.4, 737.0, 605.6, 2216},
             Expected{"Q2_K", 419.9, 217.5, 579.9, 605.6, 1869},
         }) {
        const TypeMix mix = TypeMix::named(row.mix).take();
        const auto made = make_synthetic_weights(config, mix);
        ASSERT_TRUE(made.ok()) << made.error().message;
        const TokenBytes bytes = token_bytes(config, made.value().weights);
        EXPECT_NEAR(double(bytes.attention) * 1e-6, row.attention, 0.06) << row.mix;
        EXPECT_NEAR(double(bytes.dense_ffn) * 1e-6, row.dense_ffn, 0.06) << row.mix;
        EXPECT_NEAR(double(bytes.experts) * 1e-6, row.experts, 0.06) << row.mix;
        EXPECT_NEAR(double(bytes.head) * 1e-6, row.head, 0.06) << row.mix;
        EXPECT_NEAR(double(bytes.total()) * 1e-6, row.total, 0.6) << row.mix;
    }
}

// 392 F32, 32 Q5_0, 28 Q8_0, 192 Q4_K, 14 Q6_K in a published Q4_K_M file, whose experts have gate
// and up in one tensor.
TEST(TypeMix, CountsTheTensorsOfAPublishedFile) {
    const ModelConfig config = ModelConfig::of_variant("26b-a4b").take();
    const TypeMix mix = TypeMix::named("Q4_K_M").take();
    std::map<TensorType, int> counts;
    ++counts[mix.type(config, MatrixRole::kEmbedding, 0)];
    for (int32_t i = 0; i < config.layer_count(); ++i) {
        for (const MatrixRole role :
             {MatrixRole::kQuery, MatrixRole::kKey, MatrixRole::kValue, MatrixRole::kOutput,
              MatrixRole::kGate, MatrixRole::kUp, MatrixRole::kDown, MatrixRole::kExpertGate,
              MatrixRole::kExpertDown}) {
            const bool missing =
                role == MatrixRole::kValue && config.layers[static_cast<size_t>(i)].value_is_key;
            if (!missing) ++counts[mix.type(config, role, i)];
        }
    }
    EXPECT_EQ(counts[TensorType::kQ5_0], 32);
    EXPECT_EQ(counts[TensorType::kQ8_0], 28);
    EXPECT_EQ(counts[TensorType::kQ4_K], 192);
    EXPECT_EQ(counts[TensorType::kQ6_K], 14);
}

TEST(TypeMix, AnUnknownNameIsAnsweredWithTheKnownOnes) {
    const auto mix = TypeMix::named("Q4_K_XXL");
    ASSERT_FALSE(mix.ok());
    EXPECT_NE(mix.error().message.find("Q4_K_M"), std::string::npos);
}

}  // namespace
}  // namespace facet
