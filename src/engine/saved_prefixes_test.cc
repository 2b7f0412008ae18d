#include "engine/saved_prefixes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "engine/engine.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

class SavedPrefixesOnDisk : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::path(::testing::TempDir()) /
                  ("facet_saved_" + std::to_string(::getpid()) + "_" +
                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
        fs::remove_all(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::shared_ptr<Engine> open(KvType kv = KvType::kF16, uint64_t limit = 0,
                                 uint64_t kv_bytes = 0) const {
        EngineOptions options;
        options.cache = {folder_.string(), limit};
        options.model.device.kv = kv;
        options.memory.kv_bytes = kv_bytes;
        auto engine = Engine::open(kDemoModel, options);
        EXPECT_TRUE(engine.ok()) << engine.error().message;
        return engine.take();
    }

    static std::vector<int32_t> ask(Engine& engine, const std::vector<int32_t>& prompt,
                                    int32_t* cached = nullptr) {
        ReplyRequest request;
        request.prompt = prompt;
        request.format.chat = false;
        request.options.sampling.temperature = 0;
        request.options.max_tokens = 8;
        std::vector<int32_t> ids;
        const Status status = engine.scheduler().take()->reply(
            request,
            [&](const GenerationEvent& event) {
                if (event.kind == GenerationEvent::Kind::kEnd && cached != nullptr)
                    *cached = event.usage.cached_tokens;
                return true;
            },
            &ids);
        EXPECT_TRUE(status.ok()) << status.error().message;
        return ids;
    }

    static std::vector<int32_t> prompt(size_t count, uint32_t seed) {
        std::mt19937 random(seed);
        std::vector<int32_t> ids = {2};
        while (ids.size() < count) ids.push_back(int32_t(600 + random() % 1000));
        return ids;
    }

    std::vector<fs::path> files() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
            if (entry.is_regular_file() && entry.file_size() > 0) found.push_back(entry.path());
        }
        return found;
    }

    fs::path folder_;
};

TEST_F(SavedPrefixesOnDisk, AConversationIsKnownAfterARestart) {
    const auto ids = prompt(1300, 1);
    std::vector<int32_t> before;
    int32_t cached = 0;
    before = ask(*open(), ids, &cached);
    EXPECT_EQ(cached, 0);
    const auto again = open();
    EXPECT_EQ(ask(*again, ids, &cached), before);
    EXPECT_EQ(cached, 1299);
    // It goes on, is edited, and both are there after the next start.
    auto longer = ids, edited = ids;
    for (const int32_t id : before) longer.push_back(id);
    longer.push_back(700);
    edited[1200] = 701;
    const auto longer_reply = ask(*again, longer), edited_reply = ask(*again, edited, &cached);
    EXPECT_EQ(cached, 1200);
}

TEST_F(SavedPrefixesOnDisk, BranchesAndLaterTurnsAreKnownToo) {
    auto longer = prompt(900, 1), edited = longer;
    std::vector<int32_t> replies[2];
    {
        const auto engine = open();
        const auto reply = ask(*engine, longer);
        longer.insert(longer.end(), reply.begin(), reply.end());
        longer.push_back(700);
        edited[850] = 701;
        replies[0] = ask(*engine, longer);
        replies[1] = ask(*engine, edited);
    }
    const auto engine = open();
    int32_t cached = 0;
    EXPECT_EQ(ask(*engine, longer, &cached), replies[0]);
    EXPECT_EQ(cached, int32_t(longer.size()) - 1);
    EXPECT_EQ(ask(*engine, edited, &cached), replies[1]);
    EXPECT_EQ(cached, int32_t(edited.size()) - 1);
}

TEST_F(SavedPrefixesOnDisk, WhatMemoryHasNoRoomForIsReadBack) {
    const uint64_t one = Engine::plan(kDemoModel, EngineOptions()).take().conversation.bytes();
    const auto engine = open(KvType::kF16, 0, one);
    std::vector<std::vector<int32_t>> replies;
    for (uint32_t i = 0; i < 4; ++i) replies.push_back(ask(*engine, prompt(1500, i)));
    // Saving waits for a moment without work.
    std::this_thread::sleep_for(std::chrono::milliseconds(2800));
    for (uint32_t i = 4; i < 8; ++i) replies.push_back(ask(*engine, prompt(1500, i)));
    int32_t cached = 0;
    EXPECT_EQ(ask(*engine, prompt(1500, 3), &cached), replies[3]);
    EXPECT_EQ(cached, 1499);
}

TEST_F(SavedPrefixesOnDisk, ADamagedPageIsComputedAgain) {
    const auto ids = prompt(1300, 1);
    const auto before = ask(*open(), ids);
    for (const fs::path& path : files()) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(5000);
        file.put('\x5a');
        file.seekp(4200);
        file.put('\x11');
    }
    int32_t cached = -1;
    const auto engine = open();
    EXPECT_EQ(ask(*engine, ids, &cached), before);
    EXPECT_EQ(cached, 0);
    EXPECT_EQ(ask(*engine, ids, &cached), before);
    EXPECT_EQ(cached, 1299);
}

TEST_F(SavedPrefixesOnDisk, AnotherKvTypeFindsNothing) {
    const auto ids = prompt(600, 1);
    ask(*open(), ids);
    int32_t cached = -1;
    ask(*open(KvType::kQ8_0), ids, &cached);
    EXPECT_EQ(cached, 0);
    ask(*open(), ids, &cached);
    EXPECT_EQ(cached, 599) << "and leaves the others alone";
}

TEST_F(SavedPrefixesOnDisk, TheLimitHoldsAndTheNewestStays) {
    constexpr uint64_t kLimit = 24 << 20;
    {
        const auto engine = open(KvType::kF16, kLimit);
        for (uint32_t i = 0; i < 30; ++i) ask(*engine, prompt(700, i));
    }
    uint64_t bytes = 0;
    for (const fs::path& path : files()) bytes += fs::file_size(path);
    EXPECT_LE(bytes, kLimit);
    EXPECT_GT(bytes, kLimit / 4);
}

TEST_F(SavedPrefixesOnDisk, ASecondProgramIsToldThatTheFolderIsInUse) {
    const auto engine = open();
    EngineOptions options;
    options.cache.folder = folder_.string();
    const auto other = Engine::open(kDemoModel, options);
    ASSERT_FALSE(other.ok());
    EXPECT_NE(other.error().message.find(folder_.string()), std::string::npos);
}

}  // namespace
}  // namespace facet
