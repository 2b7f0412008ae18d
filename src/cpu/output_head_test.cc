// The output head: lists have the bits of all logits, in one stage and in two, whatever the rows
// are like.
#include "cpu/output_head.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "cpu/device_testing.h"
#include "cpu/kernels_testing.h"
#include "tests/requantized.h"

namespace facet::cpu {
namespace {

// A head alone.
class Head {
  public:
    Head(const Matrix& embedding, const Kernels& kernels, HeadPlanes planes, int32_t threads = 2,
         bool always = true, float softcap = 30)
        : kernels_(kernels), pool_(threads) {
        config_.vocabulary = static_cast<int32_t>(embedding.rows);
        config_.width = static_cast<int32_t>(embedding.columns);
        config_.logit_softcap = softcap;
        weights_.embedding = embedding;
        packed_ = PackedWeights::pack(config_, weights_, kernels, threads,
                                      uses_planes(planes, embedding, kernels), {})
                      .take();
        head_ = std::make_unique<OutputHead>(config_, packed_, kernels, pool_, always);
    }

    // hidden [wanted, D]
    void answer(const std::vector<float>& hidden, std::span<const WantedRow> wanted) {
        const auto count = static_cast<int64_t>(wanted.size());
        TileRows inputs(count, config_.width, packed_.forms());
        for (int64_t row = 0; row < count; ++row) {
            const TileCut::Place place = TileCut(0, count).place_of(row);
            const Tile tile = inputs.tile(place.first, place.count);
            const float* x = hidden.data() + row * config_.width;
            if (inputs.has_codes())
                kernels_.quantize(x, config_.width, inputs.scale_columns(config_.width), tile,
                                  place.slot);
            if (inputs.has_values()) store_values(x, config_.width, tile, place.slot);
        }
        head_->begin(wanted);
        pool_.run([&](int32_t thread) { head_->compute(inputs, hidden.data(), thread); });
        head_->end();
    }
    std::vector<Logit> best(const std::vector<float>& hidden, const LogitWish& wish) {
        std::vector<Logit> found;
        const WantedRow wanted{0, wish, nullptr, &found};
        answer(hidden, {&wanted, 1});
        return found;
    }
    std::vector<float> all(const std::vector<float>& hidden) {
        std::vector<float> logits(static_cast<size_t>(config_.vocabulary));
        const WantedRow wanted{0, {}, logits.data(), nullptr};
        answer(hidden, {&wanted, 1});
        return logits;
    }
    const HeadCounts& counts() const { return head_->counts(); }

  private:
    const Kernels& kernels_;
    SpinPool pool_;
    ModelConfig config_;
    Weights weights_;
    PackedWeights packed_;
    std::unique_ptr<OutputHead> head_;
};

LogitWish largest(int32_t count) {
    LogitWish wish;
    wish.all = false;
    wish.largest = count;
    return wish;
}

bool equal(const std::vector<Logit>& a, const std::vector<Logit>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Logit& x, const Logit& y) {
        return x.id == y.id && same(x.value, y.value);
    });
}

std::vector<float> normals(int64_t count, float scale) {
    std::vector<float> x(static_cast<size_t>(count));
    for (float& value : x) value = scale * random_normal();
    return x;
}

// Encoded rows of normal numbers.
std::vector<uint8_t> normal_rows(TensorType type, int64_t rows, int64_t columns) {
    return encoded(type, normals(rows * columns, 0.05f));
}

constexpr TensorType kTypes[] = {TensorType::kQ6_K, TensorType::kQ8_0};
constexpr int32_t kVocabulary = 3003, kColumns = 512;

// A list from all logits, the way that needs no thought.
std::vector<Logit> expected_list(const LogitWish& wish, const std::vector<float>& logits) {
    std::vector<Logit> list, answer;
    for (int32_t id = 0; id < int32_t(logits.size()); ++id) {
        if (!contains(wish.excluded, id)) list.push_back({id, logits[size_t(id)]});
    }
    std::stable_sort(list.begin(), list.end(), [](const Logit& a, const Logit& b) {
        return std::isnan(a.value) > std::isnan(b.value) || a.value > b.value;
    });
    list.resize(std::min(list.size(), size_t(wish.largest)));
    const std::set<int32_t> listed(wish.listed.begin(), wish.listed.end());
    for (const Logit& logit : list) {
        if (!listed.contains(logit.id)) answer.push_back(logit);
    }
    for (const int32_t id : listed) answer.push_back({id, logits[size_t(id)]});
    std::stable_sort(answer.begin(), answer.end(), ranks_before);
    return answer;
}

// What one hidden row gives in every way must be what all its logits say.
void expect_all_ways_equal(const Matrix& embedding, const std::vector<float>& hidden,
                           float softcap = 30, int64_t* complete = nullptr) {
    std::vector<uint64_t> excluded(size_t(embedding.rows + 63) / 64);
    for (uint64_t& word : excluded) word = uint64_t{random_source()} & random_source();
    const std::vector<int32_t> listed = {0, 7, 8, 500, int32_t(embedding.rows) - 1};
    for (const Kernels* kernels : usable_kernels()) {
        Head plain(embedding, *kernels, HeadPlanes::kNever, 1, true, softcap);
        Head planes(embedding, *kernels, HeadPlanes::kWherePossible, 3, true, softcap);
        const auto logits = plain.all(hidden);
        const auto again = planes.all(hidden);
        for (size_t i = 0; i < logits.size(); ++i) ASSERT_TRUE(same(logits[i], again[i]));
        for (const int32_t count : {0, 1, 64, 300}) {
            LogitWish wish = largest(count);
            for (const bool more : {false, true}) {
                if (more) wish.excluded = excluded;
                if (more) wish.listed = listed;
                const auto expected = expected_list(wish, logits);
                EXPECT_TRUE(equal(plain.best(hidden, wish), expected)) << kernels->name << count;
                EXPECT_TRUE(equal(planes.best(hidden, wish), expected)) << kernels->name << count;
            }
        }
        EXPECT_EQ(planes.counts().estimated_rows, 6);
        if (complete != nullptr) *complete = planes.counts().complete_rows;
    }
}

class OutputHeads : public ::testing::TestWithParam<TensorType> {};
std::string type_name(const ::testing::TestParamInfo<TensorType>& tested) {
    return std::string(traits_of(tested.param).name);
}
INSTANTIATE_TEST_SUITE_P(Types, OutputHeads, ::testing::ValuesIn(kTypes), type_name);

TEST_P(OutputHeads, GiveTheListsOfAllLogits) {
    random_source.seed(21);
    const auto bytes = normal_rows(GetParam(), kVocabulary, kColumns);
    const Matrix embedding{GetParam(), kVocabulary, kColumns, bytes.data()};
    for (int i = 0; i < 3; ++i) expect_all_ways_equal(embedding, normals(kColumns, 1));
    expect_all_ways_equal(embedding, normals(kColumns, 1), 0);
    // Many are the cap itself, and ids decide.
    expect_all_ways_equal(embedding, normals(kColumns, 1000));
    std::vector<float> outlier = normals(kColumns, 1);
    outlier[100] = 1000;
    expect_all_ways_equal(embedding, outlier);
    expect_all_ways_equal(embedding, std::vector<float>(kColumns));
}

TEST_P(OutputHeads, ComputeAllWhereEstimatesSayNothing) {
    random_source.seed(22);
    const auto row = normal_rows(GetParam(), 1, kColumns);
    std::vector<uint8_t> bytes;
    for (int32_t i = 0; i < kVocabulary; ++i) bytes.insert(bytes.end(), row.begin(), row.end());
    const Matrix embedding{GetParam(), kVocabulary, kColumns, bytes.data()};
    expect_all_ways_equal(embedding, normals(kColumns, 1));
}

TEST_P(OutputHeads, PutWhatIsNoNumberFirst) {
    random_source.seed(23);
    auto bytes = normal_rows(GetParam(), kVocabulary, kColumns);
    const Matrix embedding{GetParam(), kVocabulary, kColumns, bytes.data()};
    for (const int row : {1234, 17})
        put_half(NAN, &bytes[size_t(row) * embedding.row_bytes() + halves_of(GetParam())[0]]);
    const auto hidden = normals(kColumns, 1);
    int64_t complete = 0;
    expect_all_ways_equal(embedding, hidden, 30, &complete);
    EXPECT_EQ(complete, 6);
    Head planes(embedding, *usable_kernels()[0], HeadPlanes::kWherePossible);
    const auto best = planes.best(hidden, largest(3));
    EXPECT_EQ(best[0].id, 17);
    EXPECT_EQ(best[1].id, 1234);
    EXPECT_TRUE(std::isnan(best[1].value) && !std::isnan(best[2].value));
    auto broken = hidden;
    broken[5] = NAN;
    EXPECT_EQ(planes.best(broken, largest(2))[1].id, 1);
}

// A hidden row along what the estimate of one row of weights leaves out: the error there is as many
// deviations as a row has columns, rooted. It is seen, and all logits are computed.
TEST_P(OutputHeads, ComputeAllWhereAnErrorIsTooLargeToBeChance) {
    random_source.seed(24);
    const auto bytes = normal_rows(GetParam(), kVocabulary, kColumns);
    const Matrix embedding{GetParam(), kVocabulary, kColumns, bytes.data()};
    const int64_t row = 700;
    std::vector<float> weights(kColumns);
    const TensorTypeTraits& traits = traits_of(embedding.type);
    traits.decode(embedding.row(row), weights.size() / traits.block_elements, weights.data());
    std::vector<float> hidden(kColumns);
    const bool q6_k = GetParam() == TensorType::kQ6_K;
    for (int64_t c = 0; c < kColumns; ++c) {
        const uint8_t* block =
            embedding.row(row) + c / int64_t(traits.block_elements) * int64_t(traits.block_bytes);
        const float d = [&] {
            uint16_t half;
            std::memcpy(&half, block + halves_of(GetParam())[0], 2);
            return f16_to_float(half) * (q6_k ? float(int8_t(block[192 + c % 256 / 16])) : 1.0f);
        }();
        const int code = int(std::lround(over(weights[size_t(c)], d))) + (q6_k ? 32 : 128);
        const float rest = q6_k ? float(code & 7) - 3.5f : float(code & 15) - 7.5f;
        hidden[size_t(c)] = 10 * weights[size_t(c)] + 2000 * d * rest;
    }
    int64_t complete = 0;
    expect_all_ways_equal(embedding, hidden, 0, &complete);
    EXPECT_GT(complete, 0);
}

TEST_P(OutputHeads, RowsOfABatchDoNotKnowOfEachOther) {
    random_source.seed(25);
    const auto bytes = normal_rows(GetParam(), kVocabulary, kColumns);
    const Matrix embedding{GetParam(), kVocabulary, kColumns, bytes.data()};
    constexpr size_t kRows = 11;
    const auto hidden = normals(kRows * kColumns, 1);
    for (const HeadPlanes planes : {HeadPlanes::kNever, HeadPlanes::kWherePossible}) {
        Head head(embedding, *usable_kernels()[0], planes);
        const std::vector<int32_t> listed = {3, 1000, 3002};
        std::vector<std::vector<Logit>> found(kRows);
        std::vector<std::vector<float>> all(kRows, std::vector<float>(kVocabulary));
        std::vector<WantedRow> wanted;
        for (size_t i = 0; i < kRows; ++i) {
            LogitWish wish = largest(int32_t(i) * 10);
            wish.all = i % 4 == 1;
            if (i % 2 == 0) wish.listed = listed;
            wanted.push_back({int32_t(i), wish, all[i].data(), &found[i]});
        }
        head.answer(hidden, wanted);
        for (size_t i = 0; i < kRows; ++i) {
            const std::vector<float> row(hidden.begin() + long(i * kColumns),
                                         hidden.begin() + long((i + 1) * kColumns));
            const auto logits = head.all(row);
            if (wanted[i].wish.all) {
                EXPECT_TRUE(bit_equal(all[i], logits));
            } else {
                EXPECT_TRUE(equal(found[i], expected_list(wanted[i].wish, logits))) << i;
            }
        }
    }
}

// Where a grammar allows few tokens only their strips are read.
TEST(OutputHead, ReadsOnlyTheStripsOfListedIds) {
    random_source.seed(26);
    for (const TensorType type : {TensorType::kQ6_K, TensorType::kQ4_K, TensorType::kF16}) {
        const auto bytes = normal_rows(type, kVocabulary, kColumns);
        const Matrix embedding{type, kVocabulary, kColumns, bytes.data()};
        const auto hidden = normals(kColumns, 1);
        for (const Kernels* kernels : usable_kernels()) {
            Head head(embedding, *kernels, HeadPlanes::kWherePossible);
            const auto logits = head.all(hidden);
            const int64_t before = head.counts().logits;
            LogitWish wish = largest(0);
            const std::vector<int32_t> listed = {5, 6, 160, 3002};
            wish.listed = listed;
            EXPECT_TRUE(equal(head.best(hidden, wish), expected_list(wish, logits)));
            EXPECT_EQ(head.counts().logits - before, 3 * kernels->rows);
        }
    }
}

// Two stages that read more than one are given up for a while.
TEST(OutputHead, TakesOneStageWhereTwoDidNotPay) {
    random_source.seed(27);
    const auto row = normal_rows(TensorType::kQ6_K, 1, kColumns);
    std::vector<uint8_t> bytes;
    for (int32_t i = 0; i < kVocabulary; ++i) bytes.insert(bytes.end(), row.begin(), row.end());
    const Matrix embedding{TensorType::kQ6_K, kVocabulary, kColumns, bytes.data()};
    Head head(embedding, *usable_kernels()[0], HeadPlanes::kWherePossible, 2, false);
    const auto hidden = normals(kColumns, 1);
    for (int i = 0; i < 64; ++i) head.best(hidden, largest(10));
    EXPECT_EQ(head.counts().estimated_rows, 1);
    head.best(hidden, largest(10));
    EXPECT_EQ(head.counts().estimated_rows, 2);
}

TEST(OutputHead, UsesPlanesForLargeVocabulariesOfKnownTypes) {
    const Kernels& best = *usable_kernels()[0];
    const Matrix large{TensorType::kQ6_K, 262144, 2816, nullptr};
    Matrix small = large, other = large;
    small.rows = 1024;
    other.type = TensorType::kQ4_K;
    using enum HeadPlanes;
    EXPECT_EQ(uses_planes(kWhereFaster, large, best), best.planes[0].estimates_fast);
    EXPECT_FALSE(uses_planes(kWhereFaster, large, *kernels_scalar()));
    EXPECT_FALSE(uses_planes(kWhereFaster, small, best));
    EXPECT_FALSE(uses_planes(kNever, large, best));
    EXPECT_TRUE(uses_planes(kWherePossible, small, *kernels_scalar()));
    EXPECT_FALSE(uses_planes(kWherePossible, other, best));
}

// FACET_HEAD_STEPS steps (`make head-steps`: 100,000 at the model's width), a few hundred without.
TEST(OutputHead, GivesTheSameTokensStepAfterStep) {
    random_source.seed(28);
    const char* asked = std::getenv("FACET_HEAD_STEPS");
    const int steps = asked != nullptr ? std::atoi(asked) : 300;
    const int64_t rows = asked != nullptr ? 32768 : 16384;
    const int64_t columns = asked != nullptr ? 2816 : 256;
    for (const TensorType type : kTypes) {
        const auto bytes = normal_rows(type, rows, columns);
        const Matrix embedding{type, rows, columns, bytes.data()};
        Head plain(embedding, *usable_kernels()[0], HeadPlanes::kNever);
        Head planes(embedding, *usable_kernels()[0], HeadPlanes::kWherePossible);
        for (int step = 0; step < steps; ++step) {
            const auto hidden = normals(columns, 1);
            const auto wish = largest(step % 4 == 0 ? 1 : 64);
            ASSERT_TRUE(equal(plain.best(hidden, wish), planes.best(hidden, wish))) << step;
        }
        const HeadCounts& counts = planes.counts();
        EXPECT_EQ(counts.estimated_rows, steps);
        EXPECT_LE(double(counts.complete_rows), 0.01 * steps);
        RecordProperty(std::string(traits_of(type).name) + "_complete",
                       std::to_string(counts.complete_rows));
        std::printf("%s: %d steps, %lld complete, %.2f %% of logits computed\n",
                    traits_of(type).name.data(), steps,
                    static_cast<long long>(counts.complete_rows),
                    100.0 * double(counts.logits) / double(steps) / double(rows));
    }
}

// Hidden rows of a real model, token after token of its own greedy answer.
TEST(OutputHead, GivesTheSameListsForTheDemosHiddenRows) {
    for (const TensorType type : kTypes) {
        const RequantizedDemo demo(type);
        const Opened model(demo.path());
        CpuOptions never, possible;
        never.head_planes = HeadPlanes::kNever;
        possible.head_planes = HeadPlanes::kWherePossible;
        const auto one = model.cpu(never), two = model.cpu(possible);
        const auto one_kv = model.make_kv(*one), two_kv = model.make_kv(*two);
        int32_t id = 2;
        std::mt19937 random(5);
        for (int32_t position = 0; position < 200; ++position) {
            std::vector<Logit> found[2];
            const auto step = [&](Device& device, KvCache& cache, std::vector<Logit>& best) {
                const BatchSequence sequence{&cache, 0, 1, position};
                const WantedRow wanted{0, largest(64), nullptr, &best};
                forward(model.config, device, {{&id, 1}, {&sequence, 1}, {&wanted, 1}});
            };
            step(*one, one_kv->cache, found[0]);
            step(*two, two_kv->cache, found[1]);
            ASSERT_TRUE(equal(found[0], found[1])) << position;
            id = found[0][random() % 4].id;
        }
        const HeadCounts& counts = *two->head_counts();
        EXPECT_GT(counts.estimated_rows, 0);
        std::printf("%s: %lld of %lld rows complete, %.1f %% of logits computed\n",
                    traits_of(type).name.data(), static_cast<long long>(counts.complete_rows),
                    static_cast<long long>(counts.estimated_rows),
                    100.0 * double(counts.logits) / 200 / double(model.config.vocabulary));
    }
}

}  // namespace
}  // namespace facet::cpu
