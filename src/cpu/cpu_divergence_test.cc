// How far the distributions of next tokens of the CPU device are from the reference's on the demo
// model: mean KL divergence, by type of weights and of keys and values, over the golden greedy
// conversations.
//
// What counts is where the model answers. It was not taught to foresee its prompts: there it is
// unsure, and with 8-bit activations any change, however small, rounds other codes and chooses
// other experts here and there. That is the floor under the numbers over all positions, which have
// a bound of their own; BF16 weights have no such floor.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "cpu/device_testing.h"
#include "tests/golden.h"
#include "tests/requantized.h"

namespace facet::cpu {
namespace {

constexpr double kAnswerMax = 0.002, kAllMax = 0.01;

// A prompt and its answer; the distributions behind ids [first, end) were asked for.
struct Conversation {
    std::vector<int32_t> ids;
    size_t first;
};

// Without those that have pictures.
std::vector<Conversation> conversations() {
    const Golden golden("demo");
    std::vector<Conversation> all;
    for (const Json& greedy : golden.cases("greedy")) {
        if (!greedy.find("images")->items.empty()) continue;
        Conversation conversation = {Golden::ids(*greedy.find("ids")), 0};
        conversation.first = conversation.ids.size() - 1;
        const auto output = Golden::ids(*greedy.find("output"));
        conversation.ids.insert(conversation.ids.end(), output.begin(), output.end() - 1);
        all.push_back(std::move(conversation));
    }
    return all;
}

// Logits of all positions of all conversations.
using Logits = std::vector<std::vector<float>>;
Logits logits_of(const Opened& model, Device& device) {
    Logits all;
    for (const Conversation& conversation : conversations())
        all.push_back(model.logits(device, conversation.ids, 256));
    return all;
}

struct Divergence {
    double answers = 0, all = 0, median = 0;
    Divergence(const Logits& p, const Logits& q, int32_t vocabulary) {
        std::vector<double> each;
        size_t answered = 0, text = 0;
        for (const Conversation& conversation : conversations()) {
            const auto found = divergences(p[text], q[text], vocabulary);
            ++text;
            for (size_t i = 0; i < found.size(); ++i) {
                each.push_back(found[i]);
                all += found[i];
                if (i < conversation.first) continue;
                answers += found[i];
                ++answered;
            }
        }
        all /= double(each.size());
        answers /= double(answered);
        std::nth_element(each.begin(), each.begin() + long(each.size() / 2), each.end());
        median = each[each.size() / 2];
    }
};

void expect_small(const std::string& what, const Divergence& kl) {
    std::printf("%-36s KL where it answers %.2e, everywhere %.2e, median %.2e\n", what.c_str(),
                kl.answers, kl.all, kl.median);
    EXPECT_LT(kl.answers, kAnswerMax) << what;
    EXPECT_LT(kl.all, kAllMax) << what;
}

class CpuDivergence : public ::testing::TestWithParam<TensorType> {};

TEST_P(CpuDivergence, FromTheReferenceOnTheSameWeightsIsSmall) {
    const RequantizedDemo file(GetParam());
    const Opened model(file.path());
    const auto expected = logits_of(model, *model.reference());
    for (const Kernels* kernels : kernels_of_each_kind()) {
        const auto device = model.cpu(cpu_options(2, kernels->name, 256, {}));
        expect_small(std::string(traits_of(GetParam()).name) + " " + kernels->name,
                     {expected, logits_of(model, *device), model.config.vocabulary});
    }
}
INSTANTIATE_TEST_SUITE_P(Types, CpuDivergence,
                         ::testing::Values(TensorType::kF32, TensorType::kBF16, TensorType::kF16,
                                           TensorType::kQ8_0, TensorType::kQ6_K, TensorType::kQ5_1,
                                           TensorType::kQ4_K, TensorType::kQ4_0,
                                           TensorType::kIQ4_XS),
                         [](const auto& test) { return std::string(traits_of(test.param).name); });

// From F32: what its own weights lose, and the device.
TEST(DemoDivergence, OfTheDemoFromItsOriginalIsSmall) {
    const RequantizedDemo bf16(TensorType::kBF16);
    const Opened original(bf16.path()), model(kDemoModel);
    const auto exact = logits_of(original, *original.reference());
    const int32_t vocabulary = model.config.vocabulary;
    expect_small("Q8_0 weights alone from F32",
                 {exact, logits_of(model, *model.reference()), vocabulary});
    for (const Kernels* kernels : kernels_of_each_kind()) {
        const auto device = model.cpu(cpu_options(2, kernels->name, 256, {}));
        expect_small(std::string("Q8_0 from F32 ") + kernels->name,
                     {exact, logits_of(model, *device), vocabulary});
    }
}

// Keys and values in every way against f16 in two copies.
void compare_kv(const std::string& path, const std::string& name) {
    const Opened model(path);
    for (const Kernels* kernels : kernels_of_each_kind()) {
        const auto logits = [&](const KvOptions& kv) {
            return logits_of(model, *model.cpu(cpu_options(2, kernels->name, 256, kv)));
        };
        const auto two_copies = logits({KvType::kF16, false});
        for (const KvOptions& kv : kKvOptions)
            expect_small(name + " " + kernels->name + " " + name_of(kv),
                         {two_copies, logits(kv), model.config.vocabulary});
    }
}

TEST(KvDivergence, OfSmallerKeysAndValuesIsSmallWithQ8_0Weights) { compare_kv(kDemoModel, "Q8_0"); }
TEST(KvDivergence, OfSmallerKeysAndValuesIsSmallWithBf16Weights) {
    compare_kv(RequantizedDemo(TensorType::kBF16).path(), "BF16");
}

}  // namespace
}  // namespace facet::cpu
