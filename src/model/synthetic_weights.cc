#include "model/synthetic_weights.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <numeric>
#include <random>

#include "base/check.h"
#include "base/half.h"
#include "format/quant_blocks.h"

namespace facet {

namespace {

// Where a block of a type has its scales. A minimum is added or subtracted; as the scale times
// `ratio` it moves the middle of the codes to zero.
struct ScaleFields {
    TensorType type;
    size_t scale;
    size_t minimum = 0;  // none if the ratio is 0
    float ratio = 0;
};

constexpr ScaleFields kScaleFields[] = {
    {TensorType::kQ4_0, offsetof(BlockQ4_0, d)},
    {TensorType::kQ4_1, offsetof(BlockQ4_1, d), offsetof(BlockQ4_1, m), -7.5f},
    {TensorType::kQ5_0, offsetof(BlockQ5_0, d)},
    {TensorType::kQ5_1, offsetof(BlockQ5_1, d), offsetof(BlockQ5_1, m), -15.5f},
    {TensorType::kQ8_0, offsetof(BlockQ8_0, d)},
    {TensorType::kQ2_K, offsetof(BlockQ2_K, d), offsetof(BlockQ2_K, dmin), 1.5f},
    {TensorType::kQ3_K, offsetof(BlockQ3_K, d)},
    {TensorType::kQ4_K, offsetof(BlockQ4_K, d), offsetof(BlockQ4_K, dmin), 7.5f},
    {TensorType::kQ5_K, offsetof(BlockQ5_K, d), offsetof(BlockQ5_K, dmin), 15.5f},
    {TensorType::kQ6_K, offsetof(BlockQ6_K, d)},
    {TensorType::kIQ4_NL, offsetof(BlockIQ4_NL, d)},
    {TensorType::kIQ4_XS, offsetof(BlockIQ4_XS, d)},
};

void put_half(uint8_t* at, float value) {
    const uint16_t half = float_to_f16(value);
    std::memcpy(at, &half, sizeof half);
}

void set_scales(std::vector<uint8_t>& bytes, const TensorTypeTraits& traits,
                const ScaleFields& fields, float scale) {
    for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
        put_half(&bytes[at + fields.scale], scale);
        if (fields.ratio != 0) put_half(&bytes[at + fields.minimum], scale * fields.ratio);
    }
}

// Standard deviation of the first values, with the scales as they are.
double deviation_of(const std::vector<uint8_t>& bytes, const TensorTypeTraits& traits) {
    constexpr size_t kBlocks = 512;
    std::vector<float> values(kBlocks * traits.block_elements);
    traits.decode(bytes.data(), kBlocks, values.data());
    double sum = 0;
    for (const float value : values) sum += double{value} * value;
    return std::sqrt(sum / static_cast<double>(values.size()));
}

void fill_floats(std::vector<uint8_t>& bytes, TensorType type, double deviation,
                 std::mt19937_64& random) {
    std::normal_distribution<float> normal(0, static_cast<float>(deviation));
    const size_t size = traits_of(type).block_bytes;
    for (size_t at = 0; at < bytes.size(); at += size) {
        const float value = normal(random);
        uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        if (type == TensorType::kF16) bits = float_to_f16(value);
        if (type == TensorType::kBF16) bits >>= 16;
        std::memcpy(&bytes[at], &bits, size);
    }
}

// Some MB of valid blocks of that standard deviation.
std::vector<uint8_t> random_blocks(TensorType type, double deviation) {
    constexpr size_t kBytesMin = size_t{4} << 20;
    const TensorTypeTraits& traits = traits_of(type);
    const size_t unit =
        std::lcm(RepeatedMemory::kGranularity, static_cast<size_t>(traits.block_bytes));
    std::vector<uint8_t> bytes((kBytesMin + unit - 1) / unit * unit);
    std::mt19937_64 random(static_cast<uint64_t>(type) + 1);
    if (traits.block_elements == 1) {
        fill_floats(bytes, type, deviation, random);
        return bytes;
    }
    for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
        const uint64_t word = random();
        std::memcpy(&bytes[at], &word, sizeof word);
    }
    const auto* fields = std::find_if(std::begin(kScaleFields), std::end(kScaleFields),
                                      [&](const ScaleFields& row) { return row.type == type; });
    FACET_CHECK(fields != std::end(kScaleFields));  // every type of every mix has its row
    set_scales(bytes, traits, *fields, 1);
    set_scales(bytes, traits, *fields, static_cast<float>(deviation / deviation_of(bytes, traits)));
    return bytes;
}

// Makes the parts of Weights one by one.
class Maker {
  public:
    Maker(const ModelConfig& config, const TypeMix& mix) : config_(config), mix_(mix) {}

    Result<SyntheticWeights> make() {
        SyntheticWeights made;
        Weights& weights = made.weights;
        const int64_t width = config_.width;
        weights.embedding = matrix(MatrixRole::kEmbedding, 0, config_.vocabulary, width);
        weights.output_norm = vector(width, 1);
        int32_t pairs = 0;
        for (const LayerConfig& layer : config_.layers) {
            if (!layer.sliding) pairs = layer.head_size / 2;
        }
        weights.rope_factors = default_rope_factors(pairs);
        for (int32_t i = 0; i < config_.layer_count(); ++i) {
            weights.layers.push_back(attention(i));
            feed_forward(i, weights.layers.back());
            if (config_.layers[static_cast<size_t>(i)].experts > 0)
                experts(i, weights.layers.back());
        }
        FACET_TRY(place(made));
        return made;
    }

  private:
    LayerWeights attention(int32_t index) {
        const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
        const int64_t width = config_.width;
        LayerWeights weights;
        weights.attention_norm = vector(width, 1);
        weights.query = matrix(MatrixRole::kQuery, index, layer.query_width(), width);
        weights.key = matrix(MatrixRole::kKey, index, layer.kv_width(), width);
        if (!layer.value_is_key)
            weights.value = matrix(MatrixRole::kValue, index, layer.kv_width(), width);
        weights.output = matrix(MatrixRole::kOutput, index, width, layer.query_width());
        // Scores with a standard deviation of 2: attention neither flat nor on one position.
        const float head_norm = std::sqrt(2.0f / std::sqrt(static_cast<float>(layer.head_size)));
        weights.query_norm = vector(layer.head_size, head_norm);
        weights.key_norm = vector(layer.head_size, head_norm);
        weights.post_attention_norm = vector(width, post_norm());
        return weights;
    }

    void feed_forward(int32_t index, LayerWeights& weights) {
        const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
        const int64_t width = config_.width;
        weights.ffn_norm = vector(width, 1);
        weights.gate = matrix(MatrixRole::kGate, index, layer.ffn_width, width);
        weights.up = matrix(MatrixRole::kUp, index, layer.ffn_width, width);
        weights.down = matrix(MatrixRole::kDown, index, width, layer.ffn_width);
        weights.ffn_post_norm = vector(width, post_norm());
    }

    void experts(int32_t index, LayerWeights& weights) {
        const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
        const int64_t width = config_.width, inner = layer.expert_width;
        weights.router = claim(TensorType::kF32, layer.experts, width, 1);
        weights.router_scale = vector(width, 2.5f);  // router logits with that deviation
        weights.expert_norm = vector(width, 1);
        weights.expert_scale = vector(layer.experts, 1);
        weights.dense_post_norm = vector(width, 1);
        weights.expert_post_norm = vector(width, 1);
        const auto list = [&](MatrixRole role, int64_t rows, int64_t columns) {
            const Matrix first =
                claim(mix_.type(config_, role, index), rows, columns, layer.experts);
            return ExpertMatrices{first, first.bytes()};
        };
        weights.expert_gate = list(MatrixRole::kExpertGate, inner, width);
        weights.expert_up = list(MatrixRole::kExpertUp, inner, width);
        weights.expert_down = list(MatrixRole::kExpertDown, width, inner);
    }

    // What a block adds to the residual stream, whose embeddings have a mean square of 1; all
    // blocks together add a quarter of that. More would drown them in what all tokens have in
    // common, and the same experts would be chosen for all.
    float post_norm() const {
        return 0.5f / std::sqrt(2.0f * static_cast<float>(config_.layer_count()));
    }

    // Random values around the middle.
    std::vector<float> vector(int64_t size, float middle) {
        std::vector<float> values(static_cast<size_t>(size));
        std::uniform_real_distribution<float> uniform(0.75f * middle, 1.25f * middle);
        for (float& value : values) value = uniform(random_);
        return values;
    }

    Matrix matrix(MatrixRole role, int32_t layer, int64_t rows, int64_t columns) {
        return claim(mix_.type(config_, role, layer), rows, columns, 1);
    }

    // `count` matrices one after another; place() says where.
    Matrix claim(TensorType type, int64_t rows, int64_t columns, int32_t count) {
        Matrix matrix{type, rows, columns, nullptr};
        uint64_t& longest = longest_[type];
        longest = std::max(longest, matrix.bytes() * static_cast<uint64_t>(count));
        return matrix;
    }

    // Makes the blocks of every type in use, and points each matrix to a place of its own in them.
    Status place(SyntheticWeights& made) {
        struct Blocks {
            const uint8_t* data;
            uint64_t content;
        };
        std::map<TensorType, Blocks> blocks;
        for (const auto& [type, longest] : longest_) {
            // Inputs of a product have a mean square of about 1, and so have its outputs. Only
            // routers are F32: the device divides by the square root of the width itself.
            const double deviation =
                type == TensorType::kF32 ? 1 : 1 / std::sqrt(static_cast<double>(config_.width));
            const std::vector<uint8_t> content = random_blocks(type, deviation);
            made.blocks.push_back(
                FACET_TRY(RepeatedMemory::create(content, content.size() + longest)));
            blocks[type] = {made.blocks.back().data(), content.size()};
        }
        auto point = [&, n = uint64_t{0}](Matrix& matrix) mutable {
            if (matrix.rows == 0) return;
            const Blocks& from = blocks.at(matrix.type);
            const uint64_t block = traits_of(matrix.type).block_bytes;
            // A large prime: no two matrices start near each other.
            matrix.data = from.data + n++ * 1'000'003 % (from.content / block) * block;
        };
        point(made.weights.embedding);
        for (LayerWeights& layer : made.weights.layers) {
            for (Matrix* matrix :
                 {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate, &layer.up,
                  &layer.down, &layer.router, &layer.expert_gate.first, &layer.expert_up.first,
                  &layer.expert_down.first}) {
                point(*matrix);
            }
        }
        return {};
    }

    const ModelConfig& config_;
    const TypeMix& mix_;
    std::mt19937 random_{1};
    std::map<TensorType, uint64_t> longest_;  // bytes of the longest run of matrices
};

}  // namespace

Result<SyntheticWeights> make_synthetic_weights(const ModelConfig& config, const TypeMix& mix) {
    return Maker(config, mix).make();
}

}  // namespace facet
