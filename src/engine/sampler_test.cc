#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace facet {
namespace {

SamplingOptions plain() {
    SamplingOptions options;
    options.top_k = 0;
    options.top_p = 1;
    return options;
}

// How often each token is drawn from these logits.
std::map<int32_t, int> draws(const SamplingOptions& options, const std::vector<float>& logits,
                             int count) {
    Sampler sampler(options, int32_t(logits.size()), {}, {});
    std::map<int32_t, int> counts;
    for (int i = 0; i < count; ++i) {
        std::vector<float> copy = logits;
        const int32_t id = sampler.sample(copy).take();
        ++counts[id];
        sampler.accept(id);
    }
    return counts;
}

TEST(Sampler, GreedyTakesTheBestAndTheLowerIdAmongEquals) {
    SamplingOptions options;
    options.temperature = 0;
    EXPECT_EQ(draws(options, {1, 3, 3, 2}, 5), (std::map<int32_t, int>{{1, 5}}));
}

TEST(Sampler, DrawsInProportionToProbability) {
    const auto counts = draws(plain(), {std::log(1.0f), std::log(2.0f), std::log(5.0f)}, 80000);
    EXPECT_NEAR(counts.at(0), 10000, 500);
    EXPECT_NEAR(counts.at(1), 20000, 700);
    EXPECT_NEAR(counts.at(2), 50000, 900);
}

TEST(Sampler, TemperatureSharpens) {
    SamplingOptions options = plain();
    options.temperature = 0.5f;  // squares the odds
    const auto counts = draws(options, {std::log(1.0f), std::log(3.0f)}, 50000);
    EXPECT_NEAR(counts.at(0), 5000, 400);
}

TEST(Sampler, TopKKeepsTheKBest) {
    SamplingOptions options = plain();
    options.top_k = 2;
    const auto counts = draws(options, {1, 1.1f, 0.9f, 1.2f}, 3000);
    EXPECT_EQ(counts.size(), 2u);
    EXPECT_TRUE(counts.contains(1) && counts.contains(3));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
    SamplingOptions options = plain();
    const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f),
                                       std::log(0.05f)};
    options.top_p = 0.79f;
    EXPECT_EQ(draws(options, logits, 3000).size(), 2u);
    options.top_p = 0.85f;
    EXPECT_EQ(draws(options, logits, 3000).size(), 3u);
    options.top_p = 0;
    EXPECT_EQ(draws(options, logits, 3000).size(), 1u);
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
    SamplingOptions options = plain();
    options.min_p = 0.25f;
    const auto counts = draws(options, {std::log(0.6f), std::log(0.2f), std::log(0.1f)}, 3000);
    EXPECT_EQ(counts.size(), 2u);
}

TEST(Sampler, SameSeedSameTokensOtherSeedOthers) {
    SamplingOptions options = plain();
    const std::vector<float> logits(100, 0.0f);
    const auto sequence = [&](uint64_t seed) {
        options.seed = seed;
        Sampler sampler(options, 100, {}, {});
        std::vector<int32_t> ids;
        for (int i = 0; i < 50; ++i) {
            std::vector<float> copy = logits;
            ids.push_back(sampler.sample(copy).take());
            sampler.accept(ids.back());
        }
        return ids;
    };
    EXPECT_EQ(sequence(1), sequence(1));
    EXPECT_NE(sequence(1), sequence(2));
}

TEST(Sampler, PenaltiesLowerWhatWasSeen) {
    SamplingOptions options = plain();
    options.temperature = 0;
    options.repetition_penalty = 2;
    const std::vector<int32_t> prompt = {0};
    Sampler repetition(options, 3, {}, prompt);
    std::vector<float> logits = {1.9f, 1, -5};
    EXPECT_EQ(repetition.sample(logits).take(), 1);

    options.repetition_penalty = 1;
    options.presence_penalty = 0.5f;
    Sampler presence(options, 3, {}, prompt);
    logits = {1.2f, 1, -5};
    EXPECT_EQ(presence.sample(logits).take(), 0) << "the prompt does not count";
    presence.accept(0);
    logits = {1.2f, 1, -5};
    EXPECT_EQ(presence.sample(logits).take(), 1);

    options.presence_penalty = 0;
    options.frequency_penalty = 0.15f;
    Sampler frequency(options, 3, {}, {});
    frequency.accept(0);
    logits = {1.2f, 1, -5};
    EXPECT_EQ(frequency.sample(logits).take(), 0);
    frequency.accept(0);
    logits = {1.2f, 1, -5};
    EXPECT_EQ(frequency.sample(logits).take(), 1);
}

TEST(Sampler, BiasMovesAndForbids) {
    SamplingOptions options = plain();
    options.temperature = 0;
    options.logit_bias = {{0, -100}, {2, 3}};
    std::vector<float> logits = {9, 2, 0};
    EXPECT_EQ(Sampler(options, 3, {}, {}).sample(logits).take(), 2);
}

TEST(Sampler, NeverDrawsASuppressedToken) {
    const std::vector<int32_t> suppressed = {0};
    Sampler sampler(plain(), 3, suppressed, {});
    for (int i = 0; i < 1000; ++i) {
        std::vector<float> logits = {30, 0, 0};
        EXPECT_NE(sampler.sample(logits).take(), 0);
        sampler.accept(1);
    }
}

TEST(Sampler, BrokenLogitsAreAnErrorOfTheRequest) {
    Sampler sampler(plain(), 2, {}, {});
    std::vector<float> logits = {0, std::numeric_limits<float>::quiet_NaN()};
    EXPECT_FALSE(sampler.sample(logits).ok());
    const float forbidden = -std::numeric_limits<float>::infinity();
    logits = {forbidden, forbidden};
    EXPECT_FALSE(sampler.sample(logits).ok());
}

TEST(Sampler, OptionsOutOfRangeAreNamed) {
    SamplingOptions options;
    options.top_p = 1.5f;
    const Status status = check_sampling_options(options, 10);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("top_p: expected 0 to 1"), std::string::npos);
    options = {};
    options.temperature = std::numeric_limits<float>::quiet_NaN();
    EXPECT_FALSE(check_sampling_options(options, 10).ok());
    options = {};
    options.logit_bias = {{10, 1}};
    EXPECT_FALSE(check_sampling_options(options, 10).ok());
    EXPECT_TRUE(check_sampling_options({}, 10).ok());
}

// A sampler's choices from the answers to its wishes, and another's from all logits.
void expect_same_choices(const SamplingOptions& options, std::mt19937& random) {
    constexpr int32_t kVocabulary = 300;
    const auto id = [&] { return int32_t(random() % uint32_t{kVocabulary}); };
    const std::vector<int32_t> suppressed = {id(), id(), id(), 17}, prompt = {id(), id(), 17, id()};
    Sampler by_wish(options, kVocabulary, suppressed, prompt);
    Sampler by_all(options, kVocabulary, suppressed, prompt);
    for (int step = 0; step < 30; ++step) {
        std::vector<float> logits(kVocabulary);
        // Coarse, so that many are equal.
        for (float& logit : logits) logit = float(int(random() % 64) - 32) / 4;
        if (random() % 8 == 0) logits[random() % logits.size()] = NAN;
        if (random() % 8 == 0) logits[random() % logits.size()] = -INFINITY;
        std::vector<uint64_t> allowed;
        if (const uint32_t kind = random() % 4; kind < 2) {  // few, or about every second
            allowed.assign((kVocabulary + 63) / 64, 0);
            for (uint64_t& word : allowed)
                word = kind == 0 ? uint64_t{1} << random() % 64 : random();
            by_wish.allow(allowed);
            by_all.allow(allowed);
        }
        const LogitWish wish = by_wish.wish();
        if (wish.all) {
            ASSERT_TRUE(options.top_k == 0 && options.temperature != 0);
        }
        std::vector<Logit> best;
        if (!wish.all) answer_wish(wish, logits, best);
        std::vector<float> copy = logits;
        const Result<int32_t> found =
            wish.all ? by_wish.sample(copy) : by_wish.sample(std::span<const Logit>(best));
        const Result<int32_t> expected = by_all.sample(logits);
        ASSERT_EQ(found.ok(), expected.ok());
        if (!found.ok()) {
            EXPECT_EQ(found.error().message, expected.error().message);
            continue;
        }
        ASSERT_EQ(found.value(), expected.value());
        if (!allowed.empty()) {
            EXPECT_TRUE(contains(allowed, found.value()));
        }
        by_wish.accept(found.value());
        by_all.accept(found.value());
    }
}

TEST(Sampler, ChoosesTheSameFromWhatItWishesForAsFromAllLogits) {
    std::mt19937 random(3);
    const auto one_of = [&](std::initializer_list<float> values) {
        return values.begin()[random() % values.size()];
    };
    for (int trial = 0; trial < 500; ++trial) {
        SamplingOptions options;
        options.temperature = one_of({0, 0.5f, 1, 2});
        options.top_k = int32_t(one_of({0, 1, 5, 64, 299, 1000}));
        options.top_p = one_of({0.5f, 0.95f, 1});
        options.min_p = one_of({0, 0.1f});
        options.repetition_penalty = one_of({1, 1, 1.3f, 0.7f});
        options.presence_penalty = one_of({0, 0, 1.5f, -1});
        options.frequency_penalty = one_of({0, 0, 0.5f, -0.5f});
        options.seed = random();
        for (uint32_t i = random() % 4; i > 0; --i)
            options.logit_bias.push_back({int32_t(random() % 300), one_of({-100, -3, 2, 8})});
        if (random() % 3 == 0) options.logit_bias.push_back({7, 5});
        if (random() % 3 == 0) options.logit_bias.push_back({7, 1});
        expect_same_choices(options, random);
    }
}

}  // namespace
}  // namespace facet
