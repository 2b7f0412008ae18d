// The reference device against Hugging Face's numbers (tests/golden): logits, intermediate
// activations, greedy answers.
#include "tests/golden.h"

#include <cmath>
#include <map>
#include <memory>

#include "engine/engine.h"
#include "model/forward.h"
#include "model/reference_device.h"
#include "model/solo_kv.h"

namespace facet {
namespace {

// A float32 engine agrees to about 1e-4; the bound leaves room for another order of additions.
constexpr float kLogitBound = 2e-3f;

struct Case {
    const char* model;
    TensorType type;
    int32_t batch_rows;
};

void PrintTo(const Case& c, std::ostream* out) {
    *out << c.model << "_" << traits_of(c.type).name << "_chunks_of_" << c.batch_rows;
}

// A model with the reference device over it, and the activations of its last forward pass by golden
// name.
struct ReferenceModel {
    std::unique_ptr<GgufFile> file;
    ModelConfig config;
    Weights weights;
    std::unique_ptr<Device> device;
    std::map<std::string, std::vector<float>> seen;

    ReferenceModel(const std::string& path, int32_t batch_rows) {
        file = std::make_unique<GgufFile>(GgufFile::open(path).take());
        config = ModelConfig::from_gguf(*file).take();
        weights = bind_weights(*file, config).take();
        ReferenceOptions options;
        options.threads = 2;
        options.batch_rows = batch_rows;
        options.tap = [this](std::string_view name, int32_t layer, const float* values,
                             int64_t rows, int64_t width) {
            const std::string key =
                layer < 0 ? std::string(name) : std::to_string(layer) + "/" + std::string(name);
            std::vector<float>& all = seen[key];
            all.insert(all.end(), values, values + rows * width);
        };
        device = make_reference_device(config, weights, options).take();
    }

    // Logits of all positions, [n, V].
    std::vector<float> logits(const std::vector<int32_t>& ids) {
        seen.clear();
        const auto kv = SoloKv::create(*device, config, config.context_length).take();
        std::vector<float> all(ids.size() * static_cast<size_t>(config.vocabulary));
        for (size_t done = 0; done < ids.size();) {
            const size_t count =
                std::min(ids.size() - done, static_cast<size_t>(device->batch_rows_max()));
            std::vector<int32_t> rows(count);
            for (size_t i = 0; i < count; ++i) rows[i] = static_cast<int32_t>(i);
            const BatchSequence sequence{&kv->cache, 0, static_cast<int32_t>(count),
                                         static_cast<int32_t>(done)};
            const auto wanted =
                want_all(rows, config.vocabulary,
                         all.data() + done * static_cast<size_t>(config.vocabulary));
            forward(config, *device, {std::span(ids).subspan(done, count), {&sequence, 1}, wanted});
            done += count;
        }
        return all;
    }
};

int32_t best_of(const float* logits, int32_t vocabulary) {
    return static_cast<int32_t>(std::max_element(logits, logits + vocabulary) - logits);
}

class GoldenNumbers : public ::testing::TestWithParam<Case> {};

TEST_P(GoldenNumbers, LogitsOfEveryPositionAgree) {
    const Golden golden(GetParam().model);
    const GoldenModel file(GetParam().model, GetParam().type);
    ReferenceModel model(file.path(), GetParam().batch_rows);
    const auto vocabulary = static_cast<size_t>(model.config.vocabulary);
    float worst = 0;
    for (const Json& text : golden.cases("text")) {
        const std::string name = text.find("name")->text;
        const std::vector<int32_t> ids = Golden::ids(*text.find("ids"));
        const std::vector<float> logits = model.logits(ids);
        const GoldenArray top_ids = golden.array(name + "/top_ids"),
                          top = golden.array(name + "/top_values");
        for (size_t i = 0; i < top.floats.size(); ++i) {
            const size_t position = i / 10;
            const float found =
                logits[position * vocabulary + static_cast<size_t>(top_ids.ints[i])];
            worst = std::max(worst, std::abs(found - top.floats[i]));
        }
        for (size_t position = 0; position < ids.size(); ++position) {
            ASSERT_EQ(best_of(&logits[position * vocabulary], model.config.vocabulary),
                      top_ids.ints[position * 10])
                << name << " position " << position;
        }
        const GoldenArray rows = golden.array(name + "/full_rows"),
                          full = golden.array(name + "/full_logits");
        for (size_t i = 0; i < full.floats.size(); ++i) {
            const auto position = static_cast<size_t>(rows.ints[i / vocabulary]);
            worst = std::max(
                worst, std::abs(logits[position * vocabulary + i % vocabulary] - full.floats[i]));
        }
        EXPECT_LT(worst, kLogitBound) << name;
    }
    RecordProperty("worst_logit_difference", std::to_string(worst));
    std::printf("worst difference of a logit: %.2g\n", double(worst));
}

TEST_P(GoldenNumbers, IntermediateActivationsAgree) {
    const Golden golden(GetParam().model);
    const GoldenModel file(GetParam().model, GetParam().type);
    ReferenceModel model(file.path(), GetParam().batch_rows);
    int compared = 0;
    for (const Json& acts : golden.cases("acts")) {
        const std::string name = acts.find("name")->text;
        const std::vector<int32_t> ids = Golden::ids(*acts.find("ids"));
        model.logits(ids);
        const std::vector<int32_t> rows = golden.array(name + "/rows").ints;
        for (const auto& [key, found] : model.seen) {
            if (!golden.has_array(name + "/" + key)) continue;
            const GoldenArray expected = golden.array(name + "/" + key);
            const size_t width = found.size() / ids.size();
            // Keys and values are given for all tokens, the others for some rows.
            const bool all_rows = key.ends_with("/k") || key.ends_with("/v");
            const size_t count = all_rows ? ids.size() : rows.size();
            const size_t values = std::max(expected.floats.size(), expected.ints.size());
            ASSERT_EQ(values, count * width) << key;
            float worst = 0, largest = 1;
            for (size_t i = 0; i < values; ++i) {
                const size_t row = all_rows ? i / width : static_cast<size_t>(rows[i / width]);
                const float value =
                    expected.dtype == "i32" ? float(expected.ints[i]) : expected.floats[i];
                worst = std::max(worst, std::abs(found[row * width + i % width] - value));
                largest = std::max(largest, std::abs(value));
            }
            EXPECT_LE(worst, 2e-4f * largest) << name << "/" << key;
            ++compared;
        }
    }
    // embed, final_norm, and 8 values a dense layer or 14 a layer with experts, at least.
    EXPECT_GE(compared, 2 + 8 * model.config.layer_count());
}

INSTANTIATE_TEST_SUITE_P(
    All, GoldenNumbers,
    ::testing::Values(Case{"demo", TensorType::kF32, 256}, Case{"demo", TensorType::kBF16, 256},
                      Case{"demo", TensorType::kF32, 7}, Case{"moe26", TensorType::kF32, 256},
                      Case{"moe26", TensorType::kBF16, 5}, Case{"dense31", TensorType::kF32, 256},
                      Case{"dense31", TensorType::kBF16, 9}),
    ::testing::PrintToStringParamName());

class GoldenGreedy : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenGreedy, AnswersAreTheReferencesTokens) {
    const Golden golden("demo");
    EngineOptions engine_options;
    engine_options.model.device.name = GetParam();
    const GoldenModel file("demo", TensorType::kBF16);
    const auto engine = Engine::open(file.path(), engine_options).take();
    ReplyRequest request;
    request.options.sampling.temperature = 0;
    int compared = 0;
    for (const Json& greedy : golden.cases("greedy")) {
        if (!greedy.find("images")->items.empty()) continue;  // pictures come later
        request.options.max_tokens = static_cast<int32_t>(greedy.find("output")->items.size());
        request.prompt = Golden::ids(*greedy.find("ids"));
        std::vector<int32_t> output;
        const Status status = engine->scheduler().take()->reply(
            request, [](const GenerationEvent&) { return true; }, &output);
        ASSERT_TRUE(status.ok()) << status.error().message;
        EXPECT_EQ(output, Golden::ids(*greedy.find("output"))) << greedy.find("name")->text;
        ++compared;
    }
    EXPECT_GE(compared, 30);
}

INSTANTIATE_TEST_SUITE_P(Devices, GoldenGreedy, ::testing::Values("reference", "cpu"),
                         [](const auto& test) { return std::string(test.param); });

// Mean Kullback-Leibler divergence of the shipped Q8_0 file from F32, over the golden texts.
TEST(GoldenQuantized, Q8StaysCloseToF32) {
    const Golden golden("demo");
    ReferenceModel exact(GoldenModel("demo", TensorType::kBF16).path(), 256);
    ReferenceModel quantized(kDemoModel, 256);
    const auto vocabulary = static_cast<size_t>(exact.config.vocabulary);
    double divergence = 0;
    size_t positions = 0;
    for (const Json& text : golden.cases("text")) {
        const std::vector<int32_t> ids = Golden::ids(*text.find("ids"));
        const std::vector<float> p = exact.logits(ids), q = quantized.logits(ids);
        for (size_t position = 0; position < ids.size(); ++position) {
            const auto log_sum = [&](const std::vector<float>& logits) {
                double sum = 0;
                for (size_t i = 0; i < vocabulary; ++i)
                    sum += std::exp(double(logits[position * vocabulary + i]));
                return std::log(sum);
            };
            const double p_sum = log_sum(p), q_sum = log_sum(q);
            for (size_t i = 0; i < vocabulary; ++i) {
                const double log_p = p[position * vocabulary + i] - p_sum;
                divergence += std::exp(log_p) * (log_p - (q[position * vocabulary + i] - q_sum));
            }
            ++positions;
        }
    }
    std::printf("mean KL divergence over %zu positions: %.2g\n", positions,
                divergence / double(positions));
    EXPECT_LT(divergence / double(positions), 0.01);
    EXPECT_GT(divergence / double(positions), 0.0);
}

}  // namespace
}  // namespace facet
