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

std::unique_ptr<Session> session_on(const std::string& path, int32_t context = 0) {
    return Session::create(LoadedModel::open(path, {}).take(), context).take();
}

std::vector<float> logits_of(Session& session) {
    return {session.logits().begin(), session.logits().end()};
}

TEST(Session, ComputesOnlyWhatIsNew) {
    auto session = session_on(kMoeModel);
    auto ids = random_ids(300, 1);
    EXPECT_EQ(session->set_ids(ids, {}).take(), 0);
    ids.push_back(5);
    ids.push_back(6);
    EXPECT_EQ(session->set_ids(ids, {}).take(), 300);
    EXPECT_EQ(session->set_ids(ids, {}).take(), 301)
        << "the last token is computed again for its logits";
}

TEST(Session, AChangedSuffixRollsBackToTheCommonPrefix) {
    auto session = session_on(kMoeModel), fresh = session_on(kMoeModel);
    auto ids = random_ids(400, 2);
    ASSERT_TRUE(session->set_ids(ids, {}).ok());
    for (size_t i = 250; i < ids.size(); ++i) ids[i] = int32_t((ids[i] + 1) % 1000);
    EXPECT_EQ(session->set_ids(ids, {}).take(), 250);
    ASSERT_TRUE(fresh->set_ids(ids, {}).ok());
    EXPECT_EQ(logits_of(*session), logits_of(*fresh));
}

TEST(Session, AnEditFarBackStartsOverAndStaysRight) {
    auto session = session_on(kMoeModel), fresh = session_on(kMoeModel);
    auto ids = random_ids(3000, 3);
    ASSERT_TRUE(session->set_ids(ids, {}).ok());
    ids[100] ^= 1;
    EXPECT_EQ(session->set_ids(ids, {}).take(), 0) << "the window before position 100 is gone";
    ASSERT_TRUE(fresh->set_ids(ids, {}).ok());
    EXPECT_EQ(logits_of(*session), logits_of(*fresh));
}

TEST(Session, AppendEqualsSetIds) {
    auto one = session_on(kMoeModel), other = session_on(kMoeModel);
    const auto ids = random_ids(40, 4);
    ASSERT_TRUE(one->set_ids(ids, {}).ok());
    ASSERT_TRUE(other->set_ids(std::span(ids).first(10), {}).ok());
    for (size_t i = 10; i < ids.size(); ++i) other->append(ids[i]);
    EXPECT_EQ(logits_of(*one), logits_of(*other));
    EXPECT_EQ(other->ids(), ids);
}

TEST(Session, ACancelledPrefillLeavesAValidPrefix) {
    auto session = session_on(kMoeModel), fresh = session_on(kMoeModel);
    const auto ids = random_ids(1000, 5);
    ASSERT_TRUE(session->set_ids(ids, [](int32_t done, int32_t) { return done < 300; }).ok());
    EXPECT_TRUE(session->cancelled());
    EXPECT_EQ(session->ids().size(), 512u);
    session->reset_cancel();
    EXPECT_EQ(session->set_ids(ids, {}).take(), 512);
    ASSERT_TRUE(fresh->set_ids(ids, {}).ok());
    EXPECT_EQ(logits_of(*session), logits_of(*fresh));
}

TEST(Session, RefusesWhatItCanNotHold) {
    auto session = session_on(kMoeModel, 16);
    EXPECT_FALSE(session->set_ids({}, {}).ok());
    EXPECT_NE(session->set_ids(random_ids(17, 1), {}).error().message.find("context of 16"),
              std::string::npos);
    const std::vector<int32_t> outside = {1, 2000};
    EXPECT_NE(session->set_ids(outside, {}).error().message.find("token id 2000 at position 1"),
              std::string::npos);
    const std::vector<int32_t> negative = {-1};
    EXPECT_FALSE(session->set_ids(negative, {}).ok());
    auto model = LoadedModel::open(kMoeModel, {}).take();
    EXPECT_FALSE(Session::create(model, 5000).ok()) << "the model was made for 4096";
    EXPECT_FALSE(Session::create(model, -1).ok());
}

TEST(Session, LogitsAtChosenPositionsEqualThoseOfPrefixes) {
    auto session = session_on(kMoeModel);
    const auto ids = random_ids(300, 6);
    const std::vector<int32_t> positions = {0, 31, 255, 256, 299};
    std::vector<float> logits(positions.size() * 1024);
    ASSERT_TRUE(session->logits_at(ids, positions, logits.data()).ok());
    auto fresh = session_on(kMoeModel);
    for (size_t i = 0; i < positions.size(); ++i) {
        ASSERT_TRUE(fresh->set_ids(std::span(ids).first(size_t(positions[i]) + 1), {}).ok());
        EXPECT_EQ(std::memcmp(&logits[i * 1024], fresh->logits().data(), 4096), 0) << positions[i];
    }
    const std::vector<int32_t> descending = {5, 3};
    EXPECT_FALSE(session->logits_at(ids, descending, logits.data()).ok());
}

}  // namespace
}  // namespace facet
