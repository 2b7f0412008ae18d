// A model made in memory runs like one from a file: finite logits, different ones for different
// ids, the same on every device up to rounding.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/session.h"

namespace facet {
namespace {

DeviceOptions device_options(const std::string& name) {
    DeviceOptions options;
    options.name = name;
    options.threads = 1;
    return options;
}

std::vector<float> logits_of(const std::string& mix, const std::string& device,
                             const std::vector<int32_t>& ids) {
    EngineOptions options;
    options.model.device = device_options(device);
    options.synthetic = "tiny";
    options.type_mix = mix;
    options.memory.context = 64;
    auto engine = Engine::open({}, options);
    EXPECT_TRUE(engine.ok()) << engine.error().message;
    auto session = Session::create(engine.take()).take();
    EXPECT_TRUE(session->set_ids(ids).ok());
    return {session->logits().begin(), session->logits().end()};
}

double deviation(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2);
    return std::sqrt(sum / double(a.size()));
}

TEST(SyntheticModel, RunsInEveryMix) {
    for (const char* mix :
         {"F16", "Q8_0", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_XS", "Q3_K_M", "Q2_K"}) {
        const std::vector<float> one = logits_of(mix, "cpu", {2, 17, 99, 500});
        const std::vector<float> other = logits_of(mix, "cpu", {2, 18, 98, 501});
        for (const float logit : one) ASSERT_TRUE(std::isfinite(logit)) << mix;
        EXPECT_GT(deviation(one, std::vector<float>(one.size())), 0.3) << mix;
        EXPECT_GT(deviation(one, other), 0.1) << mix;
    }
}

TEST(SyntheticModel, AgreesWithTheReference) {
    const std::vector<int32_t> ids = {2, 17, 99, 500};
    const std::vector<float> fast = logits_of("F16", "cpu", ids);
    EXPECT_LT(deviation(fast, logits_of("F16", "reference", ids)), 0.01);
}

TEST(SyntheticModel, UnknownNamesAreAnsweredWithTheKnownOnes) {
    const auto variant = LoadedModel::synthetic("27b", "Q4_K_M", {});
    ASSERT_FALSE(variant.ok());
    EXPECT_NE(variant.error().message.find("26b-a4b"), std::string::npos);
    EXPECT_FALSE(LoadedModel::synthetic("tiny", "Q9", {}).ok());
}

}  // namespace
}  // namespace facet
