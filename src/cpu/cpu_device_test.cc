// The CPU device against the reference device, and against itself: chunks, threads and instruction
// sets change no bit.
#include "cpu/cpu_device.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "cpu/cpu_kernels.h"
#include "model/forward.h"
#include "model/reference_device.h"
#include "tests/edited_model.h"

namespace facet::cpu {
namespace {

struct Opened {
    GgufFile file;
    ModelConfig config;
    Weights weights;

    explicit Opened(const std::string& path)
        : file(GgufFile::open(path).take()),
          config(ModelConfig::from_gguf(file).take()),
          weights(bind_weights(file, config).take()) {}

    std::unique_ptr<Device> cpu(int32_t threads, const std::string& isa = "",
                                int32_t batch_rows = 128) const {
        CpuOptions options;
        options.threads = threads;
        options.isa = isa;
        options.batch_rows = batch_rows;
        return make_cpu_device(config, weights, options).take();
    }
    std::unique_ptr<Device> reference() const {
        ReferenceOptions options;
        options.threads = 1;
        options.batch_rows = 128;
        return make_reference_device(config, weights, options).take();
    }

    // Logits of all positions, computed in chunks.
    std::vector<float> logits(Device& device, const std::vector<int32_t>& ids, size_t chunk) const {
        KvCache cache(config, config.context_length, device.batch_rows_max());
        cache.set_storage(device.make_kv_storage(cache).take());
        std::vector<float> all(ids.size() * size_t(config.vocabulary));
        for (size_t done = 0; done < ids.size();) {
            const size_t count = std::min(chunk, ids.size() - done);
            std::vector<int32_t> rows(count);
            for (size_t i = 0; i < count; ++i) rows[i] = int32_t(i);
            const BatchSequence sequence{&cache, 0, int32_t(count), int32_t(done)};
            forward(config, device, {std::span(ids).subspan(done, count), {&sequence, 1}, rows},
                    all.data() + done * size_t(config.vocabulary));
            done += count;
        }
        return all;
    }
};

std::vector<int32_t> random_ids(size_t count, int32_t vocabulary) {
    std::mt19937 random(9);
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = int32_t(random() % uint32_t(vocabulary));
    return ids;
}

bool bit_equal(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Mean KL divergence of q from p over positions.
double divergence(const std::vector<float>& p, const std::vector<float>& q, size_t vocabulary) {
    double sum = 0;
    for (size_t at = 0; at < p.size(); at += vocabulary) {
        double p_total = 0, q_total = 0;
        for (size_t i = 0; i < vocabulary; ++i) {
            p_total += std::exp(double(p[at + i]));
            q_total += std::exp(double(q[at + i]));
        }
        for (size_t i = 0; i < vocabulary; ++i) {
            const double log_p = p[at + i] - std::log(p_total);
            sum += std::exp(log_p) * (log_p - (q[at + i] - std::log(q_total)));
        }
    }
    return sum / double(p.size() / vocabulary);
}

class CpuDevices : public ::testing::TestWithParam<const char*> {};

TEST_P(CpuDevices, ChunksThreadsAndInstructionSetsChangeNoBit) {
    const Opened model(GetParam());
    const auto ids = random_ids(150, model.config.vocabulary);
    const auto expected = model.logits(*model.cpu(1), ids, 128);
    for (const size_t chunk : {1, 7, 64})
        EXPECT_TRUE(bit_equal(model.logits(*model.cpu(2), ids, chunk), expected)) << chunk;
    EXPECT_TRUE(bit_equal(model.logits(*model.cpu(3), ids, 128), expected))
        << "more threads than cores";
    for (const Kernels* kernels : usable_kernels()) {
        EXPECT_TRUE(bit_equal(model.logits(*model.cpu(2, kernels->name), ids, 100), expected))
            << kernels->name;
    }
}

TEST_P(CpuDevices, WeightsLeftInTheFileGiveTheSameBits) {
    const Opened model(GetParam());
    const auto ids = random_ids(70, model.config.vocabulary);
    const auto expected = model.logits(*model.cpu(1), ids, 128);
    CpuOptions options;
    options.mapped = true;
    for (const Kernels* kernels : usable_kernels()) {
        options.isa = kernels->name;
        for (const int32_t threads : {1, 2}) {
            options.threads = threads;
            const auto device = make_cpu_device(model.config, model.weights, options).take();
            EXPECT_TRUE(bit_equal(model.logits(*device, ids, 64), expected)) << kernels->name;
            EXPECT_TRUE(bit_equal(model.logits(*device, ids, 1), expected)) << kernels->name;
        }
    }
}

TEST_P(CpuDevices, ComesCloseToTheReference) {
    const Opened model(GetParam());
    const auto ids = random_ids(200, model.config.vocabulary);
    const auto expected = model.logits(*model.reference(), ids, 128),
               found = model.logits(*model.cpu(2), ids, 128);
    const double kl = divergence(expected, found, size_t(model.config.vocabulary));
    std::printf("mean KL divergence from the reference: %.2g\n", kl);
    // Q8_0: 8-bit activations. BF16: only the f16 keys and values differ, but a random router's
    // choices flip.
    EXPECT_LT(kl, model.config.layers[0].experts == 8 ? 0.1 : 0.01);
}

INSTANTIATE_TEST_SUITE_P(Models, CpuDevices, ::testing::Values(kDemoModel, kMoeModel, kDenseModel),
                         [](const auto& test) { return "model" + std::to_string(test.index); });

TEST(CpuDevice, SequencesOfABatchDoNotSeeEachOther) {
    const Opened model(kMoeModel);
    const auto device = model.cpu(2);
    const auto a = random_ids(20, model.config.vocabulary);
    auto b = a;
    std::reverse(b.begin(), b.end());
    KvCache cache_a(model.config, 64, 128), cache_b(model.config, 64, 128);
    cache_a.set_storage(device->make_kv_storage(cache_a).take());
    cache_b.set_storage(device->make_kv_storage(cache_b).take());
    std::vector<int32_t> both = a;
    both.insert(both.end(), b.begin(), b.end());
    const BatchSequence sequences[] = {{&cache_a, 0, 20, 0}, {&cache_b, 20, 20, 0}};
    const int32_t rows[] = {19, 39};
    const auto vocabulary = size_t(model.config.vocabulary);
    std::vector<float> logits(2 * vocabulary);
    forward(model.config, *device, {both, sequences, rows}, logits.data());
    const auto alone_a = model.logits(*device, a, 20), alone_b = model.logits(*device, b, 20);
    EXPECT_EQ(std::memcmp(&logits[0], &alone_a[19 * vocabulary], vocabulary * 4), 0);
    EXPECT_EQ(std::memcmp(&logits[vocabulary], &alone_b[19 * vocabulary], vocabulary * 4), 0);
}

TEST(CpuDevice, LoadingTellsHowFarItIsFromNothingToAll) {
    const Opened model(kMoeModel);
    std::vector<uint64_t> seen;
    uint64_t all = 0;
    CpuOptions options;
    options.threads = 2;
    options.on_progress = [&](uint64_t done, uint64_t total) {
        seen.push_back(done);
        all = total;
        return true;
    };
    ASSERT_TRUE(make_cpu_device(model.config, model.weights, options).ok());
    ASSERT_GE(seen.size(), 2u);
    EXPECT_EQ(seen.front(), 0u);
    EXPECT_EQ(seen.back(), all);
    EXPECT_GT(all, model.weights.embedding.bytes());
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(CpuDevice, LoadingCanBeCancelledAtAnyMoment) {
    const Opened model(kMoeModel);
    // How often it is asked depends on how the threads share the work, but twice it is at least.
    for (const int allowed : {0, 1, 2, 3, 5, 8}) {
        int calls = 0;
        CpuOptions options;
        options.threads = 2;
        options.on_progress = [&](uint64_t, uint64_t) { return calls++ < allowed; };
        const auto device = make_cpu_device(model.config, model.weights, options);
        ASSERT_TRUE(!device.ok() || (calls <= allowed && calls >= 2));
        if (device.ok()) continue;
        EXPECT_EQ(device.error().kind, ErrorKind::kCancelled);
        EXPECT_EQ(calls, allowed + 1) << "called again after it said no";
    }
    CpuOptions options;
    options.on_progress = [](uint64_t done, uint64_t total) { return done < total; };
    EXPECT_FALSE(make_cpu_device(model.config, model.weights, options).ok());
}

TEST(CpuDevice, AFileThatIsCutShortOrChangedWhileItLoadsIsAnError) {
    const ScratchDirectory scratch;
    const std::string path = scratch.path() + "/model.gguf";
    const auto copy = [&] {
        std::filesystem::copy_file(kMoeModel, path,
                                   std::filesystem::copy_options::overwrite_existing);
    };
    copy();
    const Opened cut(path);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    const auto device = make_cpu_device(cut.config, cut.weights, {});
    ASSERT_FALSE(device.ok());
    EXPECT_EQ(device.error().kind, ErrorKind::kIo);
    EXPECT_NE(device.error().message.find("cut short"), std::string::npos);

    copy();
    const Opened changed(path);
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
    const auto other = make_cpu_device(changed.config, changed.weights, {});
    ASSERT_FALSE(other.ok());
    EXPECT_NE(other.error().message.find("changed"), std::string::npos);
}

TEST(CpuDevice, RefusesAnInstructionSetThatIsNotThere) {
    const Opened model(kMoeModel);
    CpuOptions options;
    options.isa = "amx";
    EXPECT_FALSE(make_cpu_device(model.config, model.weights, options).ok());
}

}  // namespace
}  // namespace facet::cpu
