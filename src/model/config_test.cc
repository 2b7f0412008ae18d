#include "model/config.h"

#include <gtest/gtest.h>

#include "model/weights.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

// The sentence with which an edited file is refused; empty if it is accepted.
std::string refusal(EditedModel& model) {
    const std::string path = model.write();
    auto file = GgufFile::open(path);
    if (!file.ok()) return file.error().message;
    auto config = ModelConfig::from_gguf(file.value());
    if (!config.ok()) return config.error().message;
    auto weights = bind_weights(file.value(), config.value());
    return weights.ok() ? "" : weights.error().message;
}

void expect_refused(EditedModel& model, const std::string& what) {
    const std::string message = refusal(model);
    EXPECT_NE(message.find(what), std::string::npos) << "found: " << message;
    EXPECT_NE(message.find("edited.gguf"), std::string::npos) << "no file name in: " << message;
}

TEST(Config, ReadsTheDemoLayerByLayer) {
    const GgufFile file = GgufFile::open(kDemoModel).take();
    const ModelConfig config = ModelConfig::from_gguf(file).take();
    EXPECT_EQ(config.variant, "custom");
    EXPECT_EQ(config.width, 256);
    EXPECT_EQ(config.vocabulary, 5120);
    ASSERT_EQ(config.layer_count(), 6);
    for (const int32_t i : {0, 1, 3, 4}) {
        const LayerConfig& layer = config.layers[static_cast<size_t>(i)];
        EXPECT_TRUE(layer.sliding && !layer.value_is_key);
        EXPECT_EQ(layer.window, 64);
        EXPECT_EQ(layer.head_size, 64);
        EXPECT_EQ(layer.kv_heads, 2);
    }
    for (const int32_t i : {2, 5}) {
        const LayerConfig& layer = config.layers[static_cast<size_t>(i)];
        EXPECT_TRUE(!layer.sliding && layer.value_is_key);
        EXPECT_EQ(layer.head_size, 128);
        EXPECT_EQ(layer.kv_heads, 1);
        EXPECT_EQ(layer.experts_used, 4);
    }
}

TEST(Config, RefusesAnotherArchitectureByName) {
    EditedModel model(kDemoModel);
    model.set("general.architecture", "llama");
    expect_refused(model, "the architecture is llama, Facet runs gemma4 only");
}

TEST(Config, RefusesE2BByName) {
    EditedModel model(kDemoModel);
    model.set("gemma4.embedding_length_per_layer_input", GgufType::kUint32, 256);
    expect_refused(model, "E2B or E4B");
}

TEST(Config, NamesAMissingKey) {
    for (const char* key :
         {"gemma4.block_count", "gemma4.embedding_length", "gemma4.attention.head_count",
          "gemma4.attention.sliding_window", "gemma4.attention.key_length_swa"}) {
        EditedModel model(kDemoModel);
        model.erase(key);
        expect_refused(model, std::string("key ") + key + ": missing");
    }
}

TEST(Config, RefusesValuesOutOfRange) {
    const struct {
        const char* key;
        int64_t value;
    } wrong[] = {{"gemma4.block_count", 0},
                 {"gemma4.block_count", 4000000000},
                 {"gemma4.embedding_length", 0},
                 {"gemma4.attention.sliding_window", 0},
                 {"gemma4.context_length", 0},
                 {"gemma4.expert_used_count", 17},
                 {"gemma4.attention.value_length", 64},
                 {"gemma4.rope.dimension_count", 64},
                 {"gemma4.attention.head_count", 5}};
    for (const auto& [key, value] : wrong) {
        EditedModel model(kDemoModel);
        model.set(key, GgufType::kUint32, value);
        EXPECT_NE(refusal(model), "") << key << " = " << value;
    }
}

TEST(Config, RefusesAnArrayOfTheWrongLength) {
    EditedModel model(kDemoModel);
    GgufArray heads{GgufType::kInt32, {2, 2, 1}, {}, {}};
    model.set("gemma4.attention.head_count_kv", GgufValue{GgufType::kArray, heads});
    expect_refused(model, "expected 6 values, one a layer, found 3");
}

TEST(Config, APublishedVariantMustMatchItsRow) {
    EditedModel model(kDemoModel);
    model.set("gemma4.block_count", GgufType::kUint32, 30)
        .set("gemma4.embedding_length", GgufType::kUint32, 2816);
    model.set("gemma4.attention.head_count_kv", GgufType::kUint32, 2);
    GgufArray pattern{GgufType::kBool, std::vector<int64_t>(30, 1), {}, {}};
    for (size_t i = 5; i < 30; i += 6) pattern.integers[i] = 0;
    model.set("gemma4.attention.sliding_window_pattern", GgufValue{GgufType::kArray, pattern});
    for (int i = 0; i < 30; ++i) {
        const std::string name = "blk." + std::to_string(i) + ".attn_v.weight";
        model.erase_tensor(name).add_tensor({name, TensorType::kF32, {1}, std::vector<uint8_t>(4)});
    }
    EditedTensor& embedding = model.tensor("token_embd.weight");
    embedding = {
        "token_embd.weight", TensorType::kF16, {2816, 16}, std::vector<uint8_t>(2816 * 16 * 2)};
    expect_refused(model, "make this a Gemma 4 26B-A4B, but vocabulary: expected 262144, found 16");
}

TEST(Config, NamesTensorAndBothShapesWhenTheyDiffer) {
    EditedModel model(kDemoModel);
    EditedTensor& tensor = model.tensor("blk.3.ffn_up.weight");
    tensor.shape = {192, 256};
    expect_refused(model,
                   "tensor blk.3.ffn_up.weight: expected shape [256, 192], found [192, 256]");
}

TEST(Config, NamesAMissingTensor) {
    EditedModel model(kDemoModel);
    model.erase_tensor("blk.5.ffn_down_exps.weight");
    expect_refused(model, "tensor blk.5.ffn_down_exps.weight: missing");
}

TEST(Config, RefusesASlidingLayerWithoutValues) {
    EditedModel model(kDemoModel);
    model.erase_tensor("blk.0.attn_v.weight");
    expect_refused(model, "tensor blk.0.attn_v.weight: missing");
}

TEST(Config, SaysWhichTensorsItDoesNotUse) {
    EditedModel model(kDemoModel);
    model.add_tensor({"v.patch_embd.weight", TensorType::kF32, {4}, std::vector<uint8_t>(16)});
    const GgufFile file = GgufFile::open(model.write()).take();
    const Weights weights = bind_weights(file, ModelConfig::from_gguf(file).take()).take();
    ASSERT_EQ(weights.warnings.size(), 1u);
    EXPECT_NE(weights.warnings[0].find("v.patch_embd.weight"), std::string::npos);
}

}  // namespace
}  // namespace facet
