#include "model/reference_device.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/memory.h"
#include "model/expert_groups.h"
#include "model/reference_math.h"

namespace facet {

namespace {

// The two runs of a layer in a page: a row of [K, h] f32 for each position.
constexpr int64_t kKeys = 0, kValues = 1;

float* kv_row(const KvCache& cache, int32_t layer, int64_t run, int32_t position) {
    return reinterpret_cast<float*>(cache.row(layer, run, position));
}

// Rows whose logits are computed together, out of which the answers are made.
constexpr int64_t kLogitRows = 16;

class ReferenceDevice : public Device {
  public:
    ReferenceDevice(const ModelConfig& config, const Weights& weights, ReferenceOptions options)
        : config_(config),
          weights_(weights),
          options_(std::move(options)),
          pool_(options_.threads) {
        make_frequencies();
        make_buffers();
    }

    std::string_view name() const override { return "reference"; }
    int32_t batch_rows_max() const override { return options_.batch_rows; }

    Result<std::unique_ptr<KvPool>> make_kv_pool(int32_t context,
                                                 const PerPart<int32_t>& pages) override;
    void embed(const Batch& batch) override;
    void attention_block(int32_t layer, const Batch& batch) override;
    void ffn_block(int32_t layer, const Batch& batch) override;
    void logits(const Batch& batch) override;
    void read_residual(int32_t rows, float* x) const override {
        std::copy_n(x_.data(), int64_t{rows} * config_.width, x);
    }
    void write_residual(int32_t rows, const float* x) override {
        std::copy_n(x, int64_t{rows} * config_.width, x_.data());
    }

  private:
    // The steps of the blocks.
    void make_heads(int32_t layer, const Batch& batch);
    void store_kv(int32_t layer, const Batch& batch);
    void attend(int32_t layer, const Batch& batch);
    void attend_row(const LayerConfig& layer, const KvCache& cache, int32_t index, int32_t position,
                    const float* query, float* scores, float* out) const;
    void dense_branch(int32_t layer, int64_t rows);
    void route(int32_t layer, int64_t rows);
    void expert_branch(int32_t layer, int64_t rows);
    void logits(std::span<const WantedRow> wanted, const float* normed);

    // out [T, W.rows] = x [T, W.columns] W^T
    void multiply(const Matrix& matrix, const float* x, int64_t rows, float* out);
    void normalize(const float* x, const std::vector<float>& weight, int64_t rows, float* out);
    void decode_row(const Matrix& matrix, int64_t row, float* out) const;
    void make_frequencies();
    void make_buffers();
    std::vector<float> buffer(int64_t width);
    void show(const char* name, int32_t layer, const std::vector<float>& values, int64_t rows,
              int64_t width) const {
        if (options_.tap) options_.tap(name, layer, values.data(), rows, width);
    }

    const ModelConfig& config_;
    const Weights& weights_;
    ReferenceOptions options_;
    ThreadPool pool_;

    std::vector<float> sliding_frequencies_, global_frequencies_;  // [h/2]

    // Activations of the batch in work; T is options_.batch_rows.
    std::vector<float> x_;                        // [T, D] the residual stream
    std::vector<float> normed_;                   // [T, D]
    std::vector<float> query_;                    // [T, H*h]
    std::vector<float> key_, value_;              // [T, K*h]
    std::vector<float> attention_;                // [T, H*h]
    std::vector<float> branch_;                   // [T, D] a branch's output before it is added
    std::vector<float> dense_;                    // [T, D]
    std::vector<float> hidden_gate_, hidden_up_;  // [T, F]
    std::vector<float> router_logits_, router_probabilities_;  // [T, E]
    std::vector<int32_t> chosen_;                              // [T, experts used]
    std::vector<float> chosen_weights_;                        // [T, experts used]
    std::vector<float> experts_;                               // [T, D] weighted sum
    std::vector<float> expert_hidden_;                         // [T * used, F of an expert]
    std::vector<float> logits_;                                // [kLogitRows, V]
    ExpertGroups groups_;                                      // pairs of row and choice, by expert
    std::vector<std::vector<float>> row_scratch_;              // per thread: one decoded row
    std::vector<std::vector<float>>
        score_scratch_;  // per thread: scores of one query over all positions
};

// ---- set-up

void ReferenceDevice::make_frequencies() {
    for (const LayerConfig& layer : config_.layers) {
        std::vector<float>& frequencies =
            layer.sliding ? sliding_frequencies_ : global_frequencies_;
        if (frequencies.empty()) frequencies = rope_frequencies(layer, weights_);
    }
}

std::vector<float> ReferenceDevice::buffer(int64_t width) {
    const auto elements = static_cast<size_t>(width * options_.batch_rows);
    return std::vector<float>(elements);
}

void ReferenceDevice::make_buffers() {
    const LayerSizes largest = largest_sizes(config_);
    for (std::vector<float>* rows : {&x_, &normed_, &branch_, &dense_, &experts_})
        *rows = buffer(config_.width);
    query_ = buffer(largest.query_width);
    attention_ = buffer(largest.query_width);
    key_ = buffer(largest.kv_width);
    value_ = buffer(largest.kv_width);
    hidden_gate_ = buffer(largest.ffn_width);
    hidden_up_ = buffer(largest.ffn_width);
    router_logits_ = buffer(largest.experts);
    router_probabilities_ = buffer(largest.experts);
    chosen_weights_ = buffer(largest.experts_used);
    chosen_.resize(chosen_weights_.size());
    groups_ = ExpertGroups(largest.experts, chosen_.size());
    expert_hidden_ = buffer(int64_t{largest.experts_used} * largest.expert_width);
    const int32_t row =
        std::max({config_.width, largest.query_width, largest.ffn_width, largest.expert_width});
    row_scratch_.assign(static_cast<size_t>(pool_.thread_count()),
                        std::vector<float>(static_cast<size_t>(row)));
    score_scratch_.resize(static_cast<size_t>(pool_.thread_count()));
}

Result<std::unique_ptr<KvPool>> ReferenceDevice::make_kv_pool(int32_t context,
                                                              const PerPart<int32_t>& pages) {
    std::vector<KvPool::Layer> layers;
    for (const LayerConfig& layer : config_.layers)
        layers.push_back({part_of(layer), 2, int64_t{layer.kv_width()} * int64_t{sizeof(float)}});
    auto pool = std::make_unique<KvPool>();
    FACET_TRY(pool->allocate(layers, pages));
    for (std::vector<float>& scores : score_scratch_)
        scores.resize(std::max(scores.size(), static_cast<size_t>(context)));
    return pool;
}

// ---- plain helpers

void ReferenceDevice::decode_row(const Matrix& matrix, int64_t row, float* out) const {
    const TensorTypeTraits& traits = traits_of(matrix.type);
    traits.decode(matrix.row(row), static_cast<size_t>(matrix.columns) / traits.block_elements,
                  out);
}

void ReferenceDevice::multiply(const Matrix& matrix, const float* x, int64_t rows, float* out) {
    pool_.parallel_for(matrix.rows, matrix.columns * (1 + rows) / 2,
                       [&](int64_t begin, int64_t end, int32_t thread) {
                           float* weights = row_scratch_[static_cast<size_t>(thread)].data();
                           for (int64_t r = begin; r < end; ++r) {
                               decode_row(matrix, r, weights);
                               for (int64_t t = 0; t < rows; ++t) {
                                   out[t * matrix.rows + r] =
                                       dot(weights, x + t * matrix.columns, matrix.columns);
                               }
                           }
                       });
}

void ReferenceDevice::normalize(const float* x, const std::vector<float>& weight, int64_t rows,
                                float* out) {
    for (int64_t t = 0; t < rows; ++t) {
        rms_norm(x + t * config_.width, weight.data(), config_.norm_epsilon, config_.width,
                 out + t * config_.width);
    }
}

// ---- embedding: x = sqrt(D) E[token]   [4]

void ReferenceDevice::embed(const Batch& batch) {
    FACET_CHECK(batch.row_count() <= options_.batch_rows);
    const float scale = std::sqrt(static_cast<float>(config_.width));
    for (int32_t t = 0; t < batch.row_count(); ++t) {
        float* x = x_.data() + int64_t{t} * config_.width;
        decode_row(weights_.embedding, batch.tokens[static_cast<size_t>(t)], x);
        for (int32_t i = 0; i < config_.width; ++i) x[i] *= scale;
    }
    show("embed", -1, x_, batch.row_count(), config_.width);
}

// ---- attention   [6 to 13]

void ReferenceDevice::attention_block(int32_t index, const Batch& batch) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    const int64_t rows = batch.row_count();

    normalize(x_.data(), weights.attention_norm, rows, normed_.data());  // [6]
    show("attn_norm", index, normed_, rows, config_.width);
    multiply(weights.query, normed_.data(), rows, query_.data());  // [7]
    multiply(weights.key, normed_.data(), rows, key_.data());
    if (layer.value_is_key) {  // [8] the raw projection, before norm and rotation
        std::memcpy(value_.data(), key_.data(),
                    static_cast<size_t>(rows * layer.kv_width()) * sizeof(float));
    } else {
        multiply(weights.value, normed_.data(), rows, value_.data());
    }
    make_heads(index, batch);  // [9]
    store_kv(index, batch);
    attend(index, batch);  // [10, 12, 13]
    show("attn_out", index, attention_, rows, layer.query_width());

    multiply(weights.output, attention_.data(), rows, branch_.data());  // [11]
    normalize(branch_.data(), weights.post_attention_norm, rows, branch_.data());
    for (int64_t i = 0; i < rows * config_.width; ++i)
        x_[static_cast<size_t>(i)] += branch_[static_cast<size_t>(i)];
    show("post_attn", index, x_, rows, config_.width);
}

// q = rope(norm(q)), k = rope(norm(k)), v = norm without weight(v), head by head.   [9]
void ReferenceDevice::make_heads(int32_t index, const Batch& batch) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    const float* frequencies = (layer.sliding ? sliding_frequencies_ : global_frequencies_).data();
    const int64_t size = layer.head_size;
    for (const BatchSequence& sequence : batch.sequences) {
        for (int32_t r = 0; r < sequence.row_count; ++r) {
            const int64_t t = sequence.first_row + r;
            const int32_t position = sequence.first_position + r;
            for (int32_t head = 0; head < layer.query_heads; ++head) {
                float* q = query_.data() + t * layer.query_width() + head * size;
                rms_norm(q, weights.query_norm.data(), config_.norm_epsilon, size, q);
                rope(q, frequencies, position, size);
            }
            for (int32_t head = 0; head < layer.kv_heads; ++head) {
                float* k = key_.data() + t * layer.kv_width() + head * size;
                float* v = value_.data() + t * layer.kv_width() + head * size;
                rms_norm(k, weights.key_norm.data(), config_.norm_epsilon, size, k);
                rope(k, frequencies, position, size);
                rms_norm(v, nullptr, config_.norm_epsilon, size, v);
            }
        }
    }
    show("q", index, query_, batch.row_count(), layer.query_width());
    show("k", index, key_, batch.row_count(), layer.kv_width());
    show("v", index, value_, batch.row_count(), layer.kv_width());
}

void ReferenceDevice::store_kv(int32_t index, const Batch& batch) {
    const int64_t width = config_.layers[static_cast<size_t>(index)].kv_width();
    for (const BatchSequence& sequence : batch.sequences) {
        for (int32_t r = 0; r < sequence.row_count; ++r) {
            const int64_t from = (sequence.first_row + r) * width;
            const int32_t position = sequence.first_position + r;
            std::copy_n(key_.data() + from, width, kv_row(*sequence.cache, index, kKeys, position));
            std::copy_n(value_.data() + from, width,
                        kv_row(*sequence.cache, index, kValues, position));
        }
    }
}

void ReferenceDevice::attend(int32_t index, const Batch& batch) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    for (const BatchSequence& sequence : batch.sequences) {
        const int64_t seen = sequence.first_position + sequence.row_count;
        const int64_t cost =
            (layer.sliding ? std::min<int64_t>(seen, layer.window) : seen) * layer.query_width();
        pool_.parallel_for(
            sequence.row_count, cost, [&](int64_t begin, int64_t end, int32_t thread) {
                for (int64_t r = begin; r < end; ++r) {
                    const int64_t t = (sequence.first_row + r) * layer.query_width();
                    attend_row(layer, *sequence.cache, index,
                               sequence.first_position + static_cast<int32_t>(r), query_.data() + t,
                               score_scratch_[static_cast<size_t>(thread)].data(),
                               attention_.data() + t);
                }
            });
    }
}

// One query position, all heads: softmax over the visible keys, then the weighted sum of their
// values. The scale is 1.   [10]
void ReferenceDevice::attend_row(const LayerConfig& layer, const KvCache& cache, int32_t index,
                                 int32_t position, const float* query, float* scores,
                                 float* out) const {
    const int32_t first = layer.sliding ? std::max(0, position - layer.window + 1) : 0;  // [12, 13]
    const int64_t size = layer.head_size;
    const int32_t queries_per_key = layer.query_heads / layer.kv_heads;
    for (int32_t head = 0; head < layer.query_heads; ++head) {
        const int64_t kv_head = (head / queries_per_key) * size;
        for (int32_t p = first; p <= position; ++p) {
            scores[p - first] =
                dot(query + head * size, kv_row(cache, index, kKeys, p) + kv_head, size);
        }
        softmax(scores, position - first + 1);
        float* o = out + head * size;
        std::fill(o, o + size, 0.0f);
        for (int32_t p = first; p <= position; ++p) {
            const float* v = kv_row(cache, index, kValues, p) + kv_head;
            for (int64_t i = 0; i < size; ++i) o[i] += scores[p - first] * v[i];
        }
    }
}

// ---- feed-forward   [16 to 22]

void ReferenceDevice::ffn_block(int32_t index, const Batch& batch) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    const int64_t rows = batch.row_count();

    dense_branch(index, rows);  // [16]
    if (layer.experts > 0) {
        route(index, rows);          // [17, 18]
        expert_branch(index, rows);  // [19, 20]
        for (int64_t i = 0; i < rows * config_.width; ++i) {
            dense_[static_cast<size_t>(i)] += experts_[static_cast<size_t>(i)];
        }
    }
    normalize(dense_.data(), weights.ffn_post_norm, rows, branch_.data());  // [21]
    for (int64_t i = 0; i < rows * config_.width; ++i) {
        float& x = x_[static_cast<size_t>(i)];
        x = weights.output_scale * (x + branch_[static_cast<size_t>(i)]);  // [22]
    }
    show("out", index, x_, rows, config_.width);
}

// dense = norm(Wdown (gelu(Wgate u) * Wup u)), u = norm(x); without experts the norm comes later.
// [16]
void ReferenceDevice::dense_branch(int32_t index, int64_t rows) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    normalize(x_.data(), weights.ffn_norm, rows, normed_.data());
    multiply(weights.gate, normed_.data(), rows, hidden_gate_.data());
    multiply(weights.up, normed_.data(), rows, hidden_up_.data());
    for (int64_t i = 0; i < rows * layer.ffn_width; ++i) {
        const auto at = static_cast<size_t>(i);
        hidden_gate_[at] = gelu(hidden_gate_[at]) * hidden_up_[at];
    }
    multiply(weights.down, hidden_gate_.data(), rows, dense_.data());
    if (layer.experts > 0) normalize(dense_.data(), weights.dense_post_norm, rows, dense_.data());
    show("dense", index, dense_, rows, config_.width);
}

// Which experts each row uses, and their weights. Reads the raw residual stream, not a branch's
// norm of it.   [17, 18]
void ReferenceDevice::route(int32_t index, int64_t rows) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    const int64_t width = config_.width;
    const float scale = 1.0f / std::sqrt(static_cast<float>(width));
    for (int64_t t = 0; t < rows; ++t) {
        float* z = normed_.data() + t * width;
        rms_norm(x_.data() + t * width, nullptr, config_.norm_epsilon, width, z);
        for (int64_t i = 0; i < width; ++i)
            z[i] *= weights.router_scale[static_cast<size_t>(i)] * scale;
    }
    multiply(weights.router, normed_.data(), rows, router_logits_.data());
    show("router_logits", index, router_logits_, rows, layer.experts);

    const int32_t used = layer.experts_used;
    for (int64_t t = 0; t < rows; ++t) {
        float* p = router_probabilities_.data() + t * layer.experts;
        std::memcpy(p, router_logits_.data() + t * layer.experts,
                    static_cast<size_t>(layer.experts) * sizeof(float));
        softmax(p, layer.experts);
        choose_experts(p, layer.experts, used, weights.expert_scale.data(),
                       chosen_.data() + t * used, chosen_weights_.data() + t * used);
    }
    show("router_probs", index, router_probabilities_, rows, layer.experts);
    show("weights", index, chosen_weights_, rows, used);
    if (options_.tap) {
        const std::vector<float> chosen(chosen_.begin(), chosen_.begin() + rows * used);
        show("chosen", index, chosen, rows, used);
    }
}

// experts = norm(sum of w_e Wdown_e (gelu(Wgate_e u) * Wup_e u)) over the chosen experts, u =
// norm(x).   [19, 20] Rows are grouped by expert, so that each expert's weights are decoded once a
// batch.
void ReferenceDevice::expert_branch(int32_t index, int64_t rows) {
    const LayerConfig& layer = config_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    const int64_t width = config_.width;
    const int64_t inner = layer.expert_width;
    const int32_t used = layer.experts_used;
    normalize(x_.data(), weights.expert_norm, rows, normed_.data());

    groups_.group(chosen_.data(), static_cast<int32_t>(rows) * used);

    std::fill(experts_.begin(), experts_.begin() + rows * width, 0.0f);
    for (int32_t e = 0; e < layer.experts; ++e) {
        const int64_t first = groups_.first(e), count = groups_.count(e);
        if (count == 0) continue;
        const Matrix gate = weights.expert_gate[e], up = weights.expert_up[e],
                     down = weights.expert_down[e];
        pool_.parallel_for(
            inner, width * (2 + count), [&](int64_t begin, int64_t end, int32_t thread) {
                float* row = row_scratch_[static_cast<size_t>(thread)].data();
                for (int64_t i = begin; i < end; ++i) {
                    decode_row(gate, i, row);
                    for (int64_t p = 0; p < count; ++p) {
                        expert_hidden_[static_cast<size_t>(groups_.pair(first + p) * inner + i)] =
                            gelu(dot(row, normed_.data() + (groups_.pair(first + p) / used) * width,
                                     width));
                    }
                    decode_row(up, i, row);
                    for (int64_t p = 0; p < count; ++p) {
                        expert_hidden_[static_cast<size_t>(groups_.pair(first + p) * inner + i)] *=
                            dot(row, normed_.data() + (groups_.pair(first + p) / used) * width,
                                width);
                    }
                }
            });
        pool_.parallel_for(
            width, inner * (1 + count), [&](int64_t begin, int64_t end, int32_t thread) {
                float* row = row_scratch_[static_cast<size_t>(thread)].data();
                for (int64_t i = begin; i < end; ++i) {
                    decode_row(down, i, row);
                    for (int64_t p = 0; p < count; ++p) {
                        experts_[static_cast<size_t>((groups_.pair(first + p) / used) * width +
                                                     i)] +=
                            chosen_weights_[static_cast<size_t>(groups_.pair(first + p))] *
                            dot(row, expert_hidden_.data() + groups_.pair(first + p) * inner,
                                inner);
                    }
                }
            });
    }
    show("experts_raw", index, experts_, rows, width);
    normalize(experts_.data(), weights.expert_post_norm, rows, experts_.data());
    show("experts", index, experts_, rows, width);
}

// ---- head: logits = c tanh(E norm(x) / c)   [23]

void ReferenceDevice::logits(const Batch& batch) {
    const int64_t width = config_.width;
    const auto count = static_cast<int64_t>(batch.wanted.size());
    for (int64_t i = 0; i < count; ++i) {
        rms_norm(x_.data() + batch.wanted[static_cast<size_t>(i)].row * width,
                 weights_.output_norm.data(), config_.norm_epsilon, width,
                 normed_.data() + i * width);
    }
    show("final_norm", -1, normed_, count, width);
    for (int64_t first = 0; first < count; first += kLogitRows)
        logits(batch.wanted.subspan(static_cast<size_t>(first)), normed_.data() + first * width);
}

// The answers to the first few of `wanted`, whose final norms are `normed`.
void ReferenceDevice::logits(std::span<const WantedRow> wanted, const float* normed) {
    const auto vocabulary = static_cast<size_t>(config_.vocabulary);
    const size_t count = std::min(wanted.size(), static_cast<size_t>(kLogitRows));
    logits_.resize(count * vocabulary);
    multiply(weights_.embedding, normed, static_cast<int64_t>(count), logits_.data());
    const float cap = config_.logit_softcap;
    if (cap != 0)
        for (float& logit : logits_) logit = cap * std::tanh(logit / cap);
    for (size_t i = 0; i < count; ++i) {
        const std::span<const float> row(logits_.data() + i * vocabulary, vocabulary);
        if (wanted[i].wish.all) {
            std::copy(row.begin(), row.end(), wanted[i].all);
        } else {
            answer_wish(wanted[i].wish, row, *wanted[i].best);
        }
    }
}

}  // namespace

Result<std::unique_ptr<Device>> make_reference_device(const ModelConfig& config,
                                                      const Weights& weights,
                                                      ReferenceOptions options) {
    return std::unique_ptr<Device>(
        std::make_unique<ReferenceDevice>(config, weights, std::move(options)));
}

DevicePlan plan_reference_device(const ModelConfig& config, const ReferenceOptions& options) {
    const LayerSizes largest = largest_sizes(config);
    // The buffers of make_buffers(), in values of 4 bytes for each row of a batch.
    const int64_t values = 5 * int64_t{config.width} + 2 * largest.query_width +
                           2 * largest.kv_width + 2 * largest.ffn_width + 2 * largest.experts +
                           3 * largest.experts_used +
                           int64_t{largest.experts_used} * largest.expert_width;
    DevicePlan plan;
    plan.name = "reference";
    plan.batch_rows = options.batch_rows;
    plan.work_bytes = static_cast<uint64_t>(4 * values * options.batch_rows);
    for (const LayerConfig& layer : config.layers)
        plan.kv_row_bytes.push_back(2 * sizeof(float) * static_cast<uint64_t>(layer.kv_width()));
    return plan;
}

}  // namespace facet
