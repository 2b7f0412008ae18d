#include "engine/session.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/edited_model.h"

namespace facet {
namespace {

std::vector<int32_t> random_ids(size_t count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = int32_t(random() % 1000);
    return ids;
}

std::unique_ptr<Session> session_on(const std::string& path, const MemoryWishes& wishes = {}) {
    EngineOptions options;
    options.memory = wishes;
    return Session::create(Engine::open(path, options).take()).take();
}

std::vector<float> logits_of(Session& session) {
    return {session.logits().begin(), session.logits().end()};
}

TEST(Session, ComputesOnlyWhatIsNew) {
    auto session = session_on(kMoeModel);
    auto ids = random_ids(300, 1);
    EXPECT_EQ(session->set_ids(ids).take(), 0);
    ids.push_back(5);
    ids.push_back(6);
    EXPECT_EQ(session->set_ids(ids).take(), 300);
    EXPECT_EQ(session->set_ids(ids).take(), 301)
        << "the last token is computed again for its logits";
}

TEST(Session, AChangedSuffixRollsBackToTheCommonPrefix) {
    auto session = session_on(kMoeModel), fresh = session_on(kMoeModel);
    auto ids = random_ids(400, 2);
    ASSERT_TRUE(session->set_ids(ids).ok());
    for (size_t i = 250; i < ids.size(); ++i) ids[i] = int32_t((ids[i] + 1) % 1000);
    EXPECT_EQ(session->set_ids(ids).take(), 250);
    ASSERT_TRUE(fresh->set_ids(ids).ok());
    EXPECT_EQ(logits_of(*session), logits_of(*fresh));
}

TEST(Session, AnEditFarBackKeepsWhatIsBeforeIt) {
    auto session = session_on(kMoeModel), fresh = session_on(kMoeModel);
    auto ids = random_ids(3000, 3);
    ASSERT_TRUE(session->set_ids(ids).ok());
    ids[100] ^= 1;
    EXPECT_EQ(session->set_ids(ids).take(), 100);
    ASSERT_TRUE(fresh->set_ids(ids).ok());
    EXPECT_EQ(logits_of(*session), logits_of(*fresh));
}

// The memory holds one conversation only, so that the windows of the middle are dropped.
TEST(Session, WithoutRoomForOldWindowsItStartsOverAndStaysRight) {
    EngineOptions options;
    options.memory.context = 3072;
    const uint64_t one = Engine::plan(kMoeModel, options).take().conversation.bytes();
    auto session = session_on(kMoeModel, {3072, one}), fresh = session_on(kMoeModel);
    auto ids = random_ids(3000, 3);
    ASSERT_TRUE(session->set_ids(ids).ok());
    ids[1000] ^= 1;
    EXPECT_LT(session->set_ids(ids).take(), 1000);
    ASSERT_TRUE(fresh->set_ids(ids).ok());
    EXPECT_EQ(logits_of(*session), logits_of(*fresh));
    EXPECT_EQ(session->set_ids(ids).take(), 2999);
}

TEST(Session, AppendEqualsSetIds) {
    auto one = session_on(kMoeModel), other = session_on(kMoeModel);
    const auto ids = random_ids(40, 4);
    ASSERT_TRUE(one->set_ids(ids).ok());
    ASSERT_TRUE(other->set_ids(std::span(ids).first(10)).ok());
    for (size_t i = 10; i < ids.size(); ++i) ASSERT_TRUE(other->append(ids[i]).ok());
    EXPECT_EQ(logits_of(*one), logits_of(*other));
}

TEST(Session, RefusesWhatItCanNotHold) {
    auto session = session_on(kMoeModel, {16, 0});
    EXPECT_FALSE(session->set_ids({}).ok());
    EXPECT_NE(session->set_ids(random_ids(17, 1)).error().message.find("context of 16"),
              std::string::npos);
    const std::vector<int32_t> outside = {1, 2000};
    EXPECT_NE(session->set_ids(outside).error().message.find("token id 2000 at position 1"),
              std::string::npos);
    const std::vector<int32_t> negative = {-1};
    EXPECT_FALSE(session->set_ids(negative).ok());
    ASSERT_TRUE(session->set_ids(random_ids(16, 1)).ok());
    EXPECT_FALSE(session->append(1).ok());
    EngineOptions options;
    options.memory.context = 5000;
    EXPECT_FALSE(Engine::open(kMoeModel, options).ok()) << "the model was made for 4096";
    options.memory.context = -1;
    EXPECT_FALSE(Engine::open(kMoeModel, options).ok());
}

TEST(Session, LogitsAtChosenPositionsEqualThoseOfPrefixes) {
    auto session = session_on(kMoeModel);
    const auto ids = random_ids(300, 6);
    const std::vector<int32_t> positions = {0, 31, 255, 256, 299};
    std::vector<float> logits(positions.size() * 1024);
    ASSERT_TRUE(session->logits_at(ids, positions, logits.data()).ok());
    auto fresh = session_on(kMoeModel);
    for (size_t i = 0; i < positions.size(); ++i) {
        ASSERT_TRUE(fresh->set_ids(std::span(ids).first(size_t(positions[i]) + 1)).ok());
        EXPECT_EQ(std::memcmp(&logits[i * 1024], fresh->logits().data(), 4096), 0) << positions[i];
    }
    const std::vector<int32_t> descending = {5, 3};
    EXPECT_FALSE(session->logits_at(ids, descending, logits.data()).ok());
}

}  // namespace
}  // namespace facet
