// The CPU device against itself: chunks, threads, neighbours in a batch and (where attention
// multiplies the same type) instruction sets change no bit, however keys and values are kept.
#include "cpu/cpu_device.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <tuple>

#include "base/scratch_directory.h"
#include "cpu/device_testing.h"
#include "tests/edited_model.h"

namespace facet::cpu {
namespace {

using Case = std::tuple<const char*, KvOptions>;

class CpuDevices : public ::testing::TestWithParam<Case> {
  protected:
    CpuDevices() : model(std::get<0>(GetParam())), kv(std::get<1>(GetParam())) {}
    std::unique_ptr<Device> cpu(int32_t threads, const std::string& isa = "",
                                int32_t batch_rows = 512) const {
        return model.cpu(cpu_options(threads, isa, batch_rows, kv));
    }
    const Opened model;
    const KvOptions kv;
};

TEST_P(CpuDevices, ChunksThreadsAndInstructionSetsChangeNoBit) {
    const auto ids = random_ids(150, model.config.vocabulary);
    std::map<int, std::vector<float>> expected;  // by what attention multiplies
    for (const Kernels* kernels : usable_kernels()) {
        const auto whole = model.logits(*cpu(1, kernels->name), ids, 512);
        auto& first = expected[kernels->expanded_bytes];
        if (first.empty()) first = whole;
        EXPECT_TRUE(bit_equal(whole, first)) << kernels->name;
        const auto two = cpu(2, kernels->name), three = cpu(3, kernels->name);
        for (const size_t chunk : {7, 64})
            EXPECT_TRUE(bit_equal(model.logits(*two, ids, chunk), first))
                << kernels->name << " in chunks of " << chunk;
        EXPECT_TRUE(bit_equal(model.logits(*two, ids, 512, 30), first))
            << kernels->name << " decoding";
        EXPECT_TRUE(bit_equal(model.logits(*three, ids, 512), first))
            << kernels->name << " with more threads than cores";
    }
    EXPECT_TRUE(bit_equal(model.logits(*cpu(1), ids, 1), expected.begin()->second)) << "one by one";
}

// Beyond several spans of attention, which few rows share between threads, and beyond the windows
// of sliding layers.
TEST_P(CpuDevices, LongConversationsAreTheSameInAnyChunksAndThreads) {
    constexpr int32_t kRows = 64;
    const auto ids = random_ids(1400, model.config.vocabulary);
    const auto expected = model.logits(*cpu(1, "", kRows), ids, kRows);
    EXPECT_TRUE(bit_equal(model.logits(*cpu(2, "", kRows), ids, 50, 30), expected));
    EXPECT_TRUE(bit_equal(model.logits(*cpu(3, "", kRows), ids, 7), expected));
    EXPECT_TRUE(bit_equal(model.logits(*cpu(2), ids, 512, 5), expected)) << "larger batches";
}

// Sequences for one batch, each with its own past, and the last logits that each gives alone.
class Together {
  public:
    Together(const Opened& model, Device& device) : model_(model), device_(device) {}

    void add(size_t known, size_t added) {
        const auto ids =
            random_ids(known + added, model_.config.vocabulary, static_cast<uint32_t>(kv_.size()));
        const auto alone = model_.logits(device_, ids, 512, 1);
        alone_.insert(alone_.end(), alone.end() - model_.config.vocabulary, alone.end());
        kv_.push_back(model_.make_kv(device_));
        for (size_t done = 0; done < known; done += 100) {
            const size_t count = std::min<size_t>(100, known - done);
            const BatchSequence sequence{&kv_.back()->cache, 0, int32_t(count), int32_t(done)};
            forward(model_.config, device_,
                    {std::span(ids).subspan(done, count), {&sequence, 1}, {}});
        }
        sequences_.push_back(
            {&kv_.back()->cache, int32_t(tokens_.size()), int32_t(added), int32_t(known)});
        tokens_.insert(tokens_.end(), ids.begin() + long(known), ids.end());
        last_rows_.push_back(int32_t(tokens_.size()) - 1);
    }
    bool changes_no_bit() {
        std::vector<float> found(alone_.size());
        forward(
            model_.config, device_,
            {tokens_, sequences_, want_all(last_rows_, model_.config.vocabulary, found.data())});
        return bit_equal(found, alone_);
    }

  private:
    const Opened& model_;
    Device& device_;
    std::vector<std::unique_ptr<SoloKv>> kv_;
    std::vector<BatchSequence> sequences_;
    std::vector<int32_t> tokens_, last_rows_;
    std::vector<float> alone_;
};

TEST_P(CpuDevices, SequencesOfABatchDoNotSeeEachOther) {
    using Part = std::pair<size_t, size_t>;  // ids known, and added by the batch
    const std::vector<std::vector<Part>> batches = {{{0, 20}, {0, 20}},
                                                    {{700, 1}, {5, 3}, {0, 40}},
                                                    {{0, 1}, {300, 17}, {600, 1}},
                                                    {{600, 1}, {600, 1}}};
    for (const int32_t threads : {2, 3}) {
        const auto device = cpu(threads);
        for (const std::vector<Part>& parts : batches) {
            Together together(model, *device);
            for (const auto& [known, added] : parts) together.add(known, added);
            EXPECT_TRUE(together.changes_no_bit()) << threads << " threads";
        }
    }
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
    const std::string path = std::get<0>(info.param);
    const char* model = path == kDemoModel ? "demo_" : path == kMoeModel ? "moe26_" : "dense31_";
    return model + name_of(std::get<1>(info.param));
}

TEST_P(CpuDevices, WeightsLeftInTheFileGiveTheSameBits) {
    const auto ids = random_ids(70, model.config.vocabulary);
    for (const Kernels* kernels : usable_kernels()) {
        const auto expected = model.logits(*cpu(1, kernels->name), ids, 128);
        for (const int32_t threads : {1, 2}) {
            CpuOptions options = cpu_options(threads, kernels->name, 512, kv);
            options.mapped = true;
            const auto device = model.cpu(options);
            EXPECT_TRUE(bit_equal(model.logits(*device, ids, 64), expected)) << kernels->name;
            EXPECT_TRUE(bit_equal(model.logits(*device, ids, 64, 10), expected)) << kernels->name;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Models, CpuDevices,
                         ::testing::Combine(::testing::Values(kDemoModel, kMoeModel, kDenseModel),
                                            ::testing::ValuesIn(kKvOptions)),
                         name_of_case);

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
    EXPECT_FALSE(make_cpu_device(model.config, model.weights, cpu_options(1, "amx", 16, {})).ok());
}

}  // namespace
}  // namespace facet::cpu
