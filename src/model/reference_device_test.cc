// Behaviour of the reference device beside the golden numbers: masks, variants of files,
// independence of batch and threads.
#include "model/reference_device.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "model/forward.h"
#include "model/solo_kv.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

// A model file with a reference device over it.
struct Loaded {
    GgufFile file;
    ModelConfig config;
    Weights weights;
    std::unique_ptr<Device> device;

    Loaded(const std::string& path, int32_t threads, int32_t batch_rows)
        : file(GgufFile::open(path).take()),
          config(ModelConfig::from_gguf(file).take()),
          weights(bind_weights(file, config).take()) {
        ReferenceOptions options;
        options.threads = threads;
        options.batch_rows = batch_rows;
        device = make_reference_device(config, weights, options).take();
    }

    std::unique_ptr<SoloKv> make_kv(int32_t context) {
        return SoloKv::create(*device, config, context).take();
    }

    // Logits of the last of `ids`, computed in chunks on a fresh cache.
    std::vector<float> last_logits(const std::vector<int32_t>& ids, size_t chunk) {
        const auto kv = make_kv(config.context_length);
        std::vector<float> logits(static_cast<size_t>(config.vocabulary));
        for (size_t done = 0; done < ids.size();) {
            const size_t count = std::min(chunk, ids.size() - done);
            const BatchSequence sequence{&kv->cache, 0, int32_t(count), int32_t(done)};
            const int32_t row = int32_t(count) - 1;
            forward(config, *device,
                    {std::span(ids).subspan(done, count),
                     {&sequence, 1},
                     want_all({&row, 1}, config.vocabulary, logits.data())});
            done += count;
        }
        return logits;
    }
};

std::vector<int32_t> random_ids(size_t count, int32_t vocabulary) {
    std::mt19937 random(7);
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = int32_t(random() % uint32_t(vocabulary));
    return ids;
}

bool bit_equal(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(ReferenceDevice, ChunksAndThreadsDoNotChangeABit) {
    Loaded one(kMoeModel, 1, 128), two(kMoeModel, 2, 128);
    const auto ids = random_ids(100, one.config.vocabulary);
    const auto expected = one.last_logits(ids, 100);
    for (const size_t chunk : {1, 7, 64})
        EXPECT_TRUE(bit_equal(one.last_logits(ids, chunk), expected)) << chunk;
    EXPECT_TRUE(bit_equal(two.last_logits(ids, 100), expected));
}

TEST(ReferenceDevice, SequencesOfABatchDoNotSeeEachOther) {
    Loaded model(kMoeModel, 1, 128);
    const auto a = random_ids(20, model.config.vocabulary);
    auto b = a;
    std::reverse(b.begin(), b.end());
    const auto kv_a = model.make_kv(64), kv_b = model.make_kv(64);
    std::vector<int32_t> both = a;
    both.insert(both.end(), b.begin(), b.end());
    const BatchSequence sequences[] = {{&kv_a->cache, 0, 20, 0}, {&kv_b->cache, 20, 20, 0}};
    const int32_t rows[] = {19, 39};
    const auto vocabulary = size_t(model.config.vocabulary);
    std::vector<float> logits(2 * vocabulary);
    forward(model.config, *model.device,
            {both, sequences, want_all(rows, model.config.vocabulary, logits.data())});
    EXPECT_TRUE(
        bit_equal({logits.begin(), logits.begin() + long(vocabulary)}, model.last_logits(a, 20)));
    EXPECT_TRUE(
        bit_equal({logits.begin() + long(vocabulary), logits.end()}, model.last_logits(b, 20)));
}

// With sliding layers only, a token exactly a window back is not seen, one less is
// (gemma4-model 2.4 and 9.6).
TEST(ReferenceDevice, WindowHoldsExactlyItsWidthOfKeys) {
    EditedModel edited(kMoeModel);
    edited.set("gemma4.block_count", GgufType::kUint32, 1);
    edited.set("gemma4.attention.head_count_kv", GgufType::kUint32, 2);
    edited.set("gemma4.attention.sliding_window_pattern", GgufType::kUint32, 1);
    Loaded model(edited.write(), 1, 128);
    ASSERT_EQ(model.config.layers[0].window, 16);
    auto ids = random_ids(40, model.config.vocabulary);
    const auto expected = model.last_logits(ids, 40);
    auto changed = ids;
    changed[39 - 16] ^= 1;
    EXPECT_TRUE(bit_equal(model.last_logits(changed, 40), expected));
    changed = ids;
    changed[39 - 15] ^= 1;
    EXPECT_FALSE(bit_equal(model.last_logits(changed, 40), expected));
}

TEST(ReferenceDevice, AcceptsSplitExpertsOtherScaleNameAndMissingRopeFactors) {
    EditedModel edited(kMoeModel);
    edited.erase_tensor("rope_freqs.weight");
    Loaded whole(kMoeModel, 1, 64);
    for (int32_t i = 0; i < whole.config.layer_count(); ++i) {
        const std::string block = "blk." + std::to_string(i) + ".";
        const EditedTensor fused = edited.tensor(block + "ffn_gate_up_exps.weight");
        const uint64_t width = fused.shape[0], inner = fused.shape[1] / 2, experts = fused.shape[2];
        const size_t half = inner * width * 2;  // bytes of BF16
        EditedTensor gate{block + "ffn_gate_exps.weight", fused.type, {width, inner, experts}, {}};
        EditedTensor up{block + "ffn_up_exps.weight", fused.type, {width, inner, experts}, {}};
        for (size_t e = 0; e < experts; ++e) {
            const auto start = fused.bytes.begin() + long(2 * e * half);
            gate.bytes.insert(gate.bytes.end(), start, start + long(half));
            up.bytes.insert(up.bytes.end(), start + long(half), start + long(2 * half));
        }
        edited.erase_tensor(fused.name).add_tensor(gate).add_tensor(up);
        edited.tensor(block + "ffn_down_exps.scale").name = block + "ffn_gate_inp.per_expert_scale";
    }
    Loaded split(edited.write(), 1, 64);
    const auto ids = random_ids(50, whole.config.vocabulary);
    EXPECT_TRUE(bit_equal(split.last_logits(ids, 50), whole.last_logits(ids, 50)));
}

TEST(ReferenceDevice, PositionsFarOutStayFinite) {
    Loaded model(kDenseModel, 1, 128);
    const auto ids = random_ids(size_t(model.config.context_length), model.config.vocabulary);
    for (const float logit : model.last_logits(ids, 128)) ASSERT_TRUE(std::isfinite(logit));
}

}  // namespace
}  // namespace facet
