// The CPU device against the reference device, block by block of the seam: both get the same
// residual stream x, and what each makes of it is compared row by row. The tolerance is computed
// from the numbers that the reference saw: how much a vector loses as 8-bit codes, a key as f16 or
// as 8-bit codes, a product of bf16.
//
// Errors are compared as Euclidean norms with what a block adds to x. An error that is small beside
// its vector stays about as small through a matrix (whose other output is not small by chance), a
// norm and a residual addition; the softmax multiplies it with the size of its scores. kSafety is
// for what that leaves out.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "cpu/device_testing.h"
#include "model/reference_math.h"
#include "tests/requantized.h"

namespace facet::cpu {
namespace {

constexpr double kSafety = 2;
constexpr double kFloat = 0x1p-24, kHalf = 0x1p-12, kBf16 = 0x1p-9;  // mean relative roundings

double norm_of(const float* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
    return std::sqrt(sum);
}

// Mean square of what n values lose as codes with a scale for `group`: a step's square over 12.
double code_loss(const float* x, int64_t n, int64_t group) {
    double sum = 0;
    for (int64_t i = 0; i < n; i += group) {
        double largest = 0;
        for (int64_t j = i; j < std::min(n, i + group); ++j)
            largest = std::max(largest, std::abs(double{x[j]}));
        sum += double(group) * (largest / 127) * (largest / 127) / 12;
    }
    return sum;
}

double add_squares(std::initializer_list<double> errors) {
    double sum = 0;
    for (const double error : errors) sum += error * error;
    return std::sqrt(sum);
}

// The largest share of its tolerance that an error had, by block.
struct Shares {
    std::map<std::string, double> worst;
    void add(const char* block, double error, double tolerance) {
        double& share = worst[block];
        share = std::max(share, error / tolerance);
        EXPECT_LE(error, tolerance) << block;
    }
};

struct Side {
    std::unique_ptr<Device> device;
    std::unique_ptr<SoloKv> kv;
    std::vector<float> x;
};

class BlockComparison {
  public:
    BlockComparison(const Opened& model, const CpuOptions& options, const Kernels& kernels)
        : model_(model), kv_(options.kv), bf16_(kernels.expanded_bytes == 2) {
        ReferenceOptions reference = {1, options.batch_rows, {}};
        reference.tap = [this](std::string_view name, int32_t, const float* values, int64_t rows,
                               int64_t width) {
            seen_[std::string(name)].assign(values, values + rows * width);
        };
        reference_.device = model.reference(reference);
        cpu_.device = model.cpu(options);
        for (Side* side : {&reference_, &cpu_}) side->kv = model.make_kv(*side->device);
        find_types();
    }

    // Computes the rows with both devices.
    void step(std::span<const int32_t> ids) {
        rows_ = int64_t(ids.size());
        const auto batch_of = [&](Side& side, BatchSequence& sequence) {
            sequence = {&side.kv->cache, 0, int32_t(rows_), side.kv->cache.length()};
            return Batch{ids, {&sequence, 1}, {}};
        };
        BatchSequence sequences[2];
        const Batch a = batch_of(reference_, sequences[0]), b = batch_of(cpu_, sequences[1]);
        reference_.device->embed(a);
        cpu_.device->embed(b);
        read();
        EXPECT_TRUE(bit_equal(reference_.x, cpu_.x)) << "embedding";
        for (int32_t layer = 0; layer < model_.config.layer_count(); ++layer) {
            const auto before = reference_.x;
            reference_.device->attention_block(layer, a);
            cpu_.device->attention_block(layer, b);
            compare_attention(layer, before);
            const auto between = reference_.x;
            reference_.device->ffn_block(layer, a);
            cpu_.device->ffn_block(layer, b);
            compare_ffn(layer, between);
        }
        compare_logits(a, b);
        for (Side* side : {&reference_, &cpu_}) side->kv->cache.advance(int32_t(rows_));
    }

    const std::map<std::string, double>& worst() const { return shares_.worst; }
    int64_t compared() const { return compared_; }
    int64_t unclear() const { return unclear_; }

  private:
    void find_types() {
        const auto see = [&](const Matrix& matrix) {
            const TensorTypeTraits& traits = traits_of(matrix.type);
            if (matrix.data == nullptr) return;
            codes_ |= traits.block_elements > 1;
            super_blocks_ |= traits.block_elements == kSuperBlock;
        };
        for (const LayerWeights& layer : model_.weights.layers) {
            for (const Matrix* m : {&layer.query, &layer.gate, &layer.down}) see(*m);
            if (layer.router.data != nullptr) {
                ASSERT_EQ(traits_of(layer.router.type).block_elements, 1u);
            }
        }
        see(model_.weights.embedding);
    }
    int64_t group(int64_t columns) const {
        return super_blocks_ && columns % kSuperBlock == 0 ? kSuperBlock : 32;
    }
    // Relative error of a product with row t of what the reference saw.
    double input_error(const std::vector<float>& values, int64_t t, int64_t width) const {
        const float* x = &values[size_t(t * width)];
        const double rounding = kFloat * std::sqrt(double(width));
        if (!codes_) return rounding;
        return add_squares(
            {rounding, std::sqrt(code_loss(x, width, group(width))) / norm_of(x, width)});
    }
    // The most that a vector of this width can lose.
    double most_input_error(int64_t width) const {
        if (!codes_) return kFloat * std::sqrt(double(width));
        return std::sqrt(double(group(width)) / 12) / 127;
    }
    // Of a key or value in the cache.
    double cache_error() const {
        const double stored = kv_.type == KvType::kF16 ? kHalf : std::sqrt(32.0 / 12) / 127;
        return add_squares({stored, bf16_ ? kBf16 : 0, bf16_ ? kBf16 : 0});
    }

    void read() {
        for (Side* side : {&reference_, &cpu_}) {
            side->x.resize(size_t(rows_ * model_.config.width));
            side->device->read_residual(int32_t(rows_), side->x.data());
        }
    }
    // How far the rows of x are apart, and the norm of what the reference added to x.
    struct Apart {
        double error, branch, x;
    };
    Apart apart(const std::vector<float>& before, int64_t t, double scale) const {
        const int64_t width = model_.config.width;
        std::vector<float> difference(static_cast<size_t>(width)), branch(difference.size());
        for (int64_t i = 0; i < width; ++i) {
            const auto at = size_t(t * width + i);
            difference[size_t(i)] = cpu_.x[at] - reference_.x[at];
            branch[size_t(i)] = reference_.x[at] - float(scale) * before[at];
        }
        return {norm_of(difference.data(), width), norm_of(branch.data(), width),
                norm_of(&reference_.x[size_t(t * width)], width)};
    }
    void add_row(const char* block, const Apart& row, double relative) {
        shares_.add(block, row.error, kSafety * (relative * row.branch + 2 * kFloat * row.x));
        ++compared_;
    }

    void compare_attention(int32_t index, const std::vector<float>& before) {
        read();
        const LayerConfig& layer = model_.config.layers[size_t(index)];
        const auto &q = seen_["q"], &k = seen_["k"];
        const int64_t size = layer.head_size;
        double& key_norm = key_norms_[index];
        for (int64_t at = 0; at < rows_ * layer.kv_width(); at += size)
            key_norm = std::max(key_norm, norm_of(&k[size_t(at)], size));
        for (int64_t t = 0; t < rows_; ++t) {
            double query_norm = 0;
            for (int64_t head = 0; head < layer.query_heads; ++head)
                query_norm = std::max(
                    query_norm, norm_of(&q[size_t(t * layer.query_width() + head * size)], size));
            const double in = input_error(seen_["attn_norm"], t, model_.config.width);
            // Of query and key against each other in a random direction of the head.
            const double score = query_norm * key_norm / std::sqrt(double(size)) *
                                 add_squares({in, in, cache_error()});
            const double out = input_error(seen_["attn_out"], t, layer.query_width());
            add_row("attention", apart(before, t, 1), add_squares({score, in, cache_error(), out}));
        }
        cpu_.device->write_residual(int32_t(rows_), reference_.x.data());
    }

    // Whether the reference's choice of experts could not turn out otherwise by rounding.
    bool is_clear(const LayerConfig& layer, int64_t t) const {
        if (layer.experts == 0) return true;
        const auto& all = seen_.at("router_logits");
        std::vector<float> logits(all.begin() + t * layer.experts,
                                  all.begin() + (t + 1) * layer.experts);
        std::sort(logits.rbegin(), logits.rend());
        const auto used = size_t(layer.experts_used);
        const double rounding = 8 * kFloat * std::sqrt(double(model_.config.width)) *
                                (std::abs(logits.front()) + std::abs(logits.back()));
        return logits[used - 1] - logits[used] > rounding;
    }

    void compare_ffn(int32_t index, const std::vector<float>& before) {
        read();
        const LayerConfig& layer = model_.config.layers[size_t(index)];
        const LayerWeights& weights = model_.weights.layers[size_t(index)];
        const int64_t width = model_.config.width;
        std::vector<float> normed(before.size());
        for (int64_t t = 0; t < rows_; ++t) {
            if (!is_clear(layer, t)) {
                ++unclear_;
                continue;
            }
            rms_norm(&before[size_t(t * width)], weights.ffn_norm.data(),
                     model_.config.norm_epsilon, width, &normed[size_t(t * width)]);
            double in = input_error(normed, t, width);
            double hidden = most_input_error(layer.ffn_width);
            if (layer.experts > 0) {
                rms_norm(&before[size_t(t * width)], weights.expert_norm.data(),
                         model_.config.norm_epsilon, width, &normed[size_t(t * width)]);
                in = std::max(in, input_error(normed, t, width));
                hidden = std::max(hidden, most_input_error(layer.expert_width));
            }
            // Gate and up each carry the input's error; where the gate is small, GELU's slope makes
            // up to twice as much of it.
            add_row("feed-forward", apart(before, t, double{weights.output_scale}),
                    add_squares({2 * in, in, hidden, 8 * kFloat}));
        }
        cpu_.device->write_residual(int32_t(rows_), reference_.x.data());
    }

    // One logit: its row of the embedding times the loss of every column.
    void compare_logits(Batch a, Batch b) {
        const int64_t width = model_.config.width, vocabulary = model_.config.vocabulary;
        std::vector<int32_t> rows;
        for (int32_t r = 0; r < int32_t(rows_); r += 16) rows.push_back(r);
        std::vector<float> expected(rows.size() * size_t(vocabulary)), found(expected.size()),
            normed(static_cast<size_t>(width)), row(normed.size());
        const auto wanted = want_all(rows, int32_t(vocabulary), expected.data());
        const auto wanted_too = want_all(rows, int32_t(vocabulary), found.data());
        a.wanted = wanted;
        b.wanted = wanted_too;
        reference_.device->logits(a);
        cpu_.device->logits(b);
        const TensorTypeTraits& traits = traits_of(model_.weights.embedding.type);
        for (int64_t v = 0; v < vocabulary; v += 7) {
            traits.decode(model_.weights.embedding.row(v), size_t(width) / traits.block_elements,
                          row.data());
            for (size_t i = 0; i < rows.size(); ++i) {
                rms_norm(&reference_.x[size_t(rows[i] * width)], model_.weights.output_norm.data(),
                         model_.config.norm_epsilon, width, normed.data());
                const size_t at = i * size_t(vocabulary) + size_t(v);
                shares_.add("logits", std::abs(double{found[at]} - expected[at]),
                            logit_tolerance(row, normed));
            }
        }
    }
    // Six standard deviations, and the roundings of the sum, the soft cap included.
    double logit_tolerance(const std::vector<float>& row, const std::vector<float>& normed) const {
        const auto width = int64_t(row.size());
        double variance = 0, magnitude = 0;
        for (int64_t c = 0; c < width; c += 32) {
            const int64_t group_first = c / group(width) * group(width);
            const double loss =
                code_loss(&normed[size_t(group_first)], group(width), group(width)) /
                double(group(width));
            for (int64_t i = c; i < std::min(width, c + 32); ++i) {
                variance += codes_ ? double{row[size_t(i)]} * row[size_t(i)] * loss : 0;
                magnitude += std::abs(double{row[size_t(i)]} * normed[size_t(i)]);
            }
        }
        return 6 * std::sqrt(variance) + double(width) * kFloat * magnitude +
               8e-7 * double{model_.config.logit_softcap};
    }

    const Opened& model_;
    const KvOptions kv_;
    const bool bf16_;
    bool codes_ = false, super_blocks_ = false;
    Side reference_, cpu_;
    std::map<std::string, std::vector<float>> seen_;
    std::map<int32_t, double> key_norms_;  // the largest so far, by layer
    int64_t rows_ = 0, compared_ = 0, unclear_ = 0;
    Shares shares_;
};

// Prefill over two spans of attention, a chunk behind it, and a decoded token.
void compare(const std::string& path, const char* name) {
    const Opened model(path);
    const auto ids = random_ids(341, model.config.vocabulary);
    for (const Kernels* kernels : kernels_of_each_kind()) {
        for (const KvOptions& kv : kKvOptions) {
            BlockComparison comparison(model, cpu_options(2, kernels->name, 512, kv), *kernels);
            comparison.step(std::span(ids).first(300));
            comparison.step(std::span(ids).subspan(300, 40));
            comparison.step(std::span(ids).last(1));
            std::printf("%-8s %-10s %-16s", name, kernels->name, name_of(kv).c_str());
            for (const auto& [block, share] : comparison.worst())
                std::printf(" %s %.2f", block.c_str(), share);
            std::printf(" of the tolerance, %lld rows, %lld with unclear experts\n",
                        static_cast<long long>(comparison.compared()),
                        static_cast<long long>(comparison.unclear()));
            EXPECT_LE(comparison.unclear(), comparison.compared() / 100);
        }
    }
}

TEST(CpuBlocks, OfTheDemoAreTheReferences) { compare(kDemoModel, "demo"); }
TEST(CpuBlocks, OfTheSmallMoeAreTheReferences) { compare(kMoeModel, "moe26"); }
TEST(CpuBlocks, OfTheSmallDenseModelAreTheReferences) { compare(kDenseModel, "dense31"); }

class CpuBlocksOfType : public ::testing::TestWithParam<TensorType> {};
TEST_P(CpuBlocksOfType, AreTheReferences) {
    compare(RequantizedDemo(GetParam()).path(), traits_of(GetParam()).name.data());
}
INSTANTIATE_TEST_SUITE_P(Types, CpuBlocksOfType,
                         ::testing::Values(TensorType::kQ4_0, TensorType::kQ5_1, TensorType::kQ4_K,
                                           TensorType::kQ6_K, TensorType::kIQ4_XS),
                         [](const auto& test) { return std::string(traits_of(test.param).name); });

}  // namespace
}  // namespace facet::cpu
