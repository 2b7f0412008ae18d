// Against figures computed by hand for the 26B-A4B: 2,596 MB a token at Q4_K_M, 210 MB of window
// and 20.5 KB of KV a position, 6.32 GFLOP a token of a prompt of 512 tokens and 1.476 for the
// head.
#include "engine/prediction.h"

#include <gtest/gtest.h>

#include "engine/devices.h"
#include "model/synthetic_weights.h"

namespace facet {
namespace {

// F16 keys and values apart, as in the figures.
std::vector<uint64_t> two_copies() {
    std::vector<uint64_t> bytes;
    for (const LayerConfig& layer : ModelConfig::of_variant("26b-a4b").take().layers)
        bytes.push_back(4 * uint64_t(layer.kv_width()));
    return bytes;
}

class Predictions : public ::testing::Test {
  protected:
    const ModelConfig config_ = ModelConfig::of_variant("26b-a4b").take();
    const TypeMix mix_ = TypeMix::named("Q4_K_M").take();
    const SyntheticWeights made_ = make_synthetic_weights(config_, mix_).take();
    const TokenCost cost_{config_, made_.weights};
    const std::vector<uint64_t> f16_ = two_copies();
    const MachineLimits limits_{65e9, 946e9};
};

TEST_F(Predictions, DecodeIsBandwidthOverBytes) {
    const Prediction shallow = predict_decode(cost_, 1023, f16_, 1, limits_);
    EXPECT_NEAR(shallow.bytes * 1e-6, 2596 + 230.7, 1);
    EXPECT_NEAR(shallow.tokens_per_s, 23.0 * kReachedOfBandwidth, 0.05);
    EXPECT_TRUE(shallow.memory_bound);
    const Prediction deep = predict_decode(cost_, 32767, f16_, 1, limits_);
    EXPECT_NEAR(deep.tokens_per_s, 18.7 * kReachedOfBandwidth, 0.05);
}

TEST_F(Predictions, PrefillIsPeakOverOperationsUnlessMemoryIsSlower) {
    const Prediction prompt = predict_prefill(cost_, 512, 512, 16.2e9, limits_);
    EXPECT_NEAR(prompt.operations * 1e-9, 6.32, 0.02);
    EXPECT_NEAR(prompt.tokens_per_s, 150 * kReachedOfPeak, 1);
    EXPECT_FALSE(prompt.memory_bound);
    const Prediction starved = predict_prefill(cost_, 512, 512, 16.2e9, {2e9, 946e9});
    EXPECT_TRUE(starved.memory_bound);
    EXPECT_NEAR(starved.tokens_per_s, 512 / 16.2 * 2 * kReachedOfBandwidth, 0.1);
}

TEST_F(Predictions, KvMemoryHasTheWindowAndEveryPositionOfGlobalLayers) {
    // Sliding layers hold what a batch of 512 rows sees, in pages of 256 positions.
    const double ring = 25.0 * 4096 * 2 * 256 * 7;
    EXPECT_NEAR(double(plan_kv(config_, 131072, 512, f16_).bytes()), ring + 2684.4e6, 1e6);
    // One copy on global layers; 8-bit codes and a scale of two bytes for 32.
    const auto planned = [&](KvType type) {
        DeviceOptions options;
        options.kv = type;
        const DevicePlan plan = plan_device(options, config_).take();
        return double(plan_kv(config_, 131072, plan.batch_rows, plan.kv_row_bytes).bytes());
    };
    EXPECT_NEAR(planned(KvType::kF16), ring + 2684.4e6 / 2, 1e6);
    EXPECT_NEAR(planned(KvType::kQ8_0), (ring + 2684.4e6 / 2) * 34 / 64, 1e6);
}

}  // namespace
}  // namespace facet
