// Damaged model files, all the way to a token: what opens must run without a crash, what does not
// must say why.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "format/gguf.h"
#include "model/forward.h"
#include "model/reference_device.h"
#include "model/solo_kv.h"
#include "tests/edited_model.h"
#include "text/vocabulary.h"

namespace facet {
namespace {

std::vector<uint8_t> read_file(const char* path) {
    auto file = MappedFile::open(path);
    const auto bytes = file.value().bytes();
    return {bytes.begin(), bytes.end()};
}

// Nothing ran; there must be a sentence that says why.
bool refused(const Error& error) {
    EXPECT_FALSE(error.message.empty());
    return false;
}

// Opens the bytes as far as they go and computes one token. Returns whether that worked.
bool run_one_token(std::span<const uint8_t> bytes) {
    auto file = GgufFile::parse(bytes, "damaged");
    if (!file.ok()) return refused(file.error());
    const auto vocabulary = Vocabulary::from_gguf(file.value());
    if (!vocabulary.ok()) refused(vocabulary.error());
    const auto config = ModelConfig::from_gguf(file.value());
    if (!config.ok()) return refused(config.error());
    const auto weights = bind_weights(file.value(), config.value());
    if (!weights.ok()) return refused(weights.error());
    ReferenceOptions options;
    options.threads = 1;
    options.batch_rows = 2;
    auto device = make_reference_device(config.value(), weights.value(), options).take();
    const auto kv =
        SoloKv::create(*device, config.value(), std::min(config.value().context_length, 8));
    if (!kv.ok()) return false;
    const int32_t token = 0, row = 0;
    const BatchSequence sequence{&kv.value()->cache, 0, 1, 0};
    std::vector<float> logits(static_cast<size_t>(config.value().vocabulary));
    forward(config.value(), *device,
            {{&token, 1},
             {&sequence, 1},
             want_all({&row, 1}, config.value().vocabulary, logits.data())});
    return true;
}

// Where the tensor bytes begin, which end the file; damage to them only changes numbers.
size_t header_bytes(const char* path) {
    const GgufFile file = GgufFile::open(path).take();
    uint64_t tensor_bytes = 0;
    for (const TensorView& tensor : file.tensors())
        tensor_bytes += (tensor.bytes.size() + 31) / 32 * 32;
    return file.file_bytes() - tensor_bytes;
}

TEST(HostileModel, TheWholeFileRuns) { EXPECT_TRUE(run_one_token(read_file(kMoeModel))); }

TEST(HostileModel, EveryTruncationOfTheHeaderIsRefused) {
    const auto bytes = read_file(kMoeModel);
    const size_t header = header_bytes(kMoeModel);
    ASSERT_GT(header, 1000u);
    for (size_t size = 0; size < header; size += size < 4096 ? 1 : 61) {
        // An allocation of its own, so that a sanitizer sees one byte too many.
        const std::vector<uint8_t> cut(bytes.begin(),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(size));
        ASSERT_FALSE(run_one_token(cut)) << size;
    }
    for (size_t size = header; size < bytes.size(); size += 50021) {
        const std::vector<uint8_t> cut(bytes.begin(),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(size));
        ASSERT_FALSE(run_one_token(cut)) << size;
    }
}

TEST(HostileModel, RandomDamageToTheHeaderNeverCrashes) {
    auto bytes = read_file(kMoeModel);
    const size_t header = header_bytes(kMoeModel);
    std::mt19937 random(5);
    int opened = 0;
    constexpr int kRounds = 3000;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<std::pair<size_t, uint8_t>> saved;
        for (uint32_t i = 0; i < 1 + random() % 3; ++i) {
            // Half of the damage to the keys before the tokenizer and to the tensor table.
            const size_t at = random() % 2 == 0
                                  ? random() % 2000
                                  : header - 1 - random() % std::min<size_t>(header, 8000);
            saved.emplace_back(at, bytes[at]);
            bytes[at] = static_cast<uint8_t>(random());
        }
        opened += run_one_token(bytes);
        for (auto it = saved.rbegin(); it != saved.rend(); ++it) bytes[it->first] = it->second;
    }
    EXPECT_GT(opened, 0) << "some damage, to names for example, is harmless";
    EXPECT_LT(opened, kRounds);
    EXPECT_TRUE(run_one_token(bytes));
}

}  // namespace
}  // namespace facet
