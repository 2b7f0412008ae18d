// One run of the pool for each block; inside it, phases that end in a barrier. In a phase the
// threads share the strips (outputs) of matrices piece by piece, or each takes a range of rows.
// Every output is computed by one thread in
// one fixed order, so the number of threads and the size of a batch change no bit.
#include "cpu/cpu_device.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/threads.h"
#include "cpu/cpu_attention.h"
#include "cpu/cpu_kernels.h"
#include "cpu/output_head.h"
#include "cpu/packed_weights.h"
#include "cpu/shared_loops.h"
#include "cpu/spin_pool.h"
#include "cpu/strips.h"
#include "cpu/thread_parts.h"
#include "cpu/tile_rows.h"
#include "model/expert_groups.h"
#include "model/reference_math.h"

namespace facet::cpu {

namespace {

// Strips that are multiplied with a group of activation rows while both stay in the second-level
// cache.
constexpr int64_t kStripsPerGroup = OutputHead::kStripsPerGroup;
// Pairs of a gate and an up strip, the same way.
constexpr int64_t kGatedPerGroup = kStripsPerGroup / 2;
// Strips of the experts' outputs that a thread takes at once. It reads as many of one expert after
// another: enough to be a stream.
constexpr int64_t kOutputStrips = 48;
// With few rows, memory is waited for, and taking a piece stops its stream for a moment: so many
// groups are taken at once.
constexpr int64_t kGroupsPerStream = 4;
// From so many rows on, arithmetic takes longer than memory and the strips that come next are
// fetched meanwhile. With few rows the hardware streams them at full speed, and asking twice costs
// a third of it (measured on Zen 4).
constexpr int64_t kRowsToFetch = 6;

// The strip that comes `at` in the order of strips [begin, end) of a matrix and then next_strips of
// what is multiplied after it: to be fetched ahead. Null if there is none, or it is not packed.
const uint8_t* strip_ahead(const PackedMatrix& matrix, Range strips, int64_t at,
                           const PackedMatrix* next, Range next_strips) {
    if (at < strips.end) return matrix.packed_strip(at);
    const int64_t rest = next_strips.begin + at - strips.end;
    return next != nullptr && rest < next_strips.end ? next->packed_strip(rest) : nullptr;
}

// How many groups a thread takes at once when it multiplies `rows` rows.
int64_t groups_at_once(int64_t rows) { return rows < kRowsToFetch ? kGroupsPerStream : 1; }

// The two matrices of a gated product; null for none.
struct Gated {
    const PackedMatrix* gate = nullptr;
    const PackedMatrix* up = nullptr;
};

class CpuDevice : public Device {
  public:
    CpuDevice(const ModelConfig& config, const Weights& weights, const CpuOptions& options,
              const Kernels& kernels, PackedWeights packed)
        : config_(config),
          weights_(weights),
          packed_(std::move(packed)),
          kernels_(kernels),
          batch_rows_(options.batch_rows),
          pool_(options.threads),
          loops_(pool_.thread_count()),
          attention_(config, weights, kernels, options.kv, pool_.thread_count()),
          head_(config, packed_, kernels, pool_,
                options.head_planes == HeadPlanes::kWherePossible) {
        make_frequencies();
        make_router_scales();
        make_buffers();
    }

    std::string_view name() const override { return "cpu"; }
    std::string_view arithmetic() const override {
        return kernels_.expanded_bytes == 2 ? "cpu, attention in bf16" : "cpu";
    }
    int32_t batch_rows_max() const override { return batch_rows_; }

    Result<std::unique_ptr<KvPool>> make_kv_pool(int32_t context,
                                                 const PerPart<int32_t>& pages) override {
        return attention_.make_pool(context, pages);
    }
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
    const PhaseTimes* phase_times() const override { return &times_; }
    const HeadCounts* head_counts() const override { return &head_.counts(); }

  private:
    struct Thread;

    // Phases of the attention block.
    void make_heads(const LayerConfig& layer, const LayerWeights& weights, int32_t index,
                    const Batch& batch, int32_t thread);
    // Phases of the feed-forward block.
    void route(const LayerConfig& layer, const LayerWeights& weights, int64_t row);
    void expert_hidden(const LayerConfig& layer, const PackedLayer& packed, int64_t rows,
                       int32_t thread);
    void gather(const ExpertGroups& groups, int32_t expert, int64_t rows, int32_t used,
                TileRows& gathered);
    void prepare_expert_rows(const LayerConfig& layer, int64_t rows, int32_t thread);
    void expert_output(const LayerConfig& layer, const PackedLayer& packed, int64_t rows,
                       int32_t thread);

    void sort_by_expert(const LayerConfig& layer, int64_t rows, int32_t thread);
    Range expert_part(int64_t pieces_each, int64_t pairs, int32_t owner,
                      const Thread& scratch) const;
    void add_output(const LayerConfig& layer, const PackedLayer& packed, int32_t expert,
                    int32_t next, Range strips, int32_t thread);
    void add_expert(const ExpertGroups& groups, int32_t used, const TileCut::Place& place,
                    int64_t strip, const float* tile);

    // out [count, stride]: the matrix times `count` activation rows, shared by all threads.
    void multiply(const PackedMatrix& matrix, TileRows& inputs, int64_t count, float* out,
                  int64_t stride, int32_t thread);
    // The same for one group of strips.
    //   part  of the strips, to which the group belongs
    void multiply_group(const PackedMatrix& matrix, Range group, Range part, TileRows& inputs,
                        int64_t count, float* out, int64_t stride, int32_t thread);
    // hidden = gelu(gate x) * (up x) for a piece of a part of the strips.
    //   next  what will be multiplied after the part, from its first strip on, if anything
    void multiply_gated(Gated matrices, Range piece, Range part, TileRows& inputs, int64_t count,
                        float* hidden, int64_t stride, int32_t thread, Gated next = {});
    void multiply_gated_group(Gated matrices, Range group, Range part, TileRows& inputs,
                              int64_t count, float* hidden, int64_t stride, int32_t thread,
                              Gated next);
    // Row `row` of the rows [first, first + count), which are cut into tiles, in the forms they
    // need.
    void prepare(const float* x, int64_t row, int64_t first, int64_t count, TileRows& rows,
                 int64_t columns) const;
    void copy_tile(const float* tile, int64_t strip, int64_t rows, int64_t first, int count,
                   float* out, int64_t stride) const;

    // Waits for all threads; what they did since the last time was `phase`.
    void end_phase(Phase phase, int32_t thread) {
        pool_.barrier();
        if (thread == 0) times_.end(phase);
    }
    // Runs body(thread) in all threads; what is left after its last end_phase() is `last`.
    template <typename Body>
    void run(Phase last, const Body& body) {
        times_.begin();
        pool_.run(body);
        times_.end(last);
    }
    // One over the root of the mean square of a row.
    float inverse_rms(const float* x, int64_t n) const {
        return 1.0f / std::sqrt(kernels_.sum_of_squares(x, n) / static_cast<float>(n) +
                                config_.norm_epsilon);
    }
    // out = norm of x; weight may be null, out may be x.
    void norm(const float* x, const float* weight, int64_t n, float* out) const {
        kernels_.scale_row(x, inverse_rms(x, n), weight, n, out);
    }
    // x = (x + norm of branch) * factor.
    void add_norm(const float* branch, const float* weight, int64_t n, float factor,
                  float* x) const {
        kernels_.add_row(branch, inverse_rms(branch, n), weight, n, factor, x);
    }
    void make_frequencies();
    void make_router_scales();
    void make_buffers();
    std::vector<float> buffer(int64_t width);
    Range my_part(int64_t count, int32_t thread) const {
        return part_of(count, thread, pool_.thread_count());
    }
    // Shares [0, count) evenly; body(piece, part) as SharedLoops::run() has it.
    template <typename Body>
    void share(int64_t count, int64_t step, int32_t thread, const Body& body) {
        loops_.run(
            thread, step, [&](int32_t owner) { return my_part(count, owner); }, body);
    }
    const LayerConfig& layer_config(int32_t index) const {
        return config_.layers[static_cast<size_t>(index)];
    }
    const LayerWeights& layer_weights(int32_t index) const {
        return weights_.layers[static_cast<size_t>(index)];
    }

    // What one thread needs for itself.
    struct Thread {
        std::vector<float> normed;       // [D] a row after a norm, until it is quantized
        std::vector<float> tile, tile2;  // [kColumnsMax, strip rows]
        std::vector<uint8_t> strips;     // mapped weights: a group's strips, packed
        TileRows gathered;               // [T, D] the rows of one expert
        // Which rows go where: every thread sorts for itself, which is quicker than to wait.
        ExpertGroups groups;
        std::vector<int32_t> used_experts;  // that have rows
    };

    const ModelConfig& config_;
    const Weights& weights_;
    PackedWeights packed_;
    const Kernels& kernels_;
    const int32_t batch_rows_;
    SpinPool pool_;
    SharedLoops loops_;
    PhaseTimes times_;
    CpuAttention attention_;
    OutputHead head_;

    std::vector<float> sliding_frequencies_, global_frequencies_;  // [h/2]
    // Cosines and sines of each row's position, [T, h/2].
    std::vector<float> sliding_cosines_, sliding_sines_, global_cosines_, global_sines_;

    std::vector<std::vector<float>>
        router_scales_;  // by layer, [D] what router inputs are scaled by

    std::vector<float> x_;                               // [T, D]
    TileRows input_, input2_, router_row_;               // [T, D]
    std::vector<float> query_, key_, value_, attended_;  // [T, H*h], [T, K*h]
    TileRows attention_row_;
    std::vector<float> branch_, dense_, experts_;  // [T, D]
    std::vector<float> hidden_, expert_hidden_;    // [T, F], [T * used, F of an expert]
    TileRows hidden_row_, expert_row_;
    std::vector<float> router_logits_;  // [T, E]
    std::vector<int32_t> chosen_;       // [T, used]
    std::vector<float> chosen_weights_;
    std::vector<Thread> threads_;
};

// ---- set-up

void CpuDevice::make_frequencies() {
    for (const LayerConfig& layer : config_.layers) {
        std::vector<float>& frequencies =
            layer.sliding ? sliding_frequencies_ : global_frequencies_;
        if (frequencies.empty()) frequencies = rope_frequencies(layer, weights_);
    }
}

// The scales of the columns and that of the whole row, in one.
void CpuDevice::make_router_scales() {
    const float row_scale = 1.0f / std::sqrt(static_cast<float>(config_.width));
    for (const LayerWeights& layer : weights_.layers) {
        router_scales_.push_back(layer.router_scale);
        for (float& scale : router_scales_.back()) scale *= row_scale;
    }
}

std::vector<float> CpuDevice::buffer(int64_t width) {
    const auto elements = static_cast<size_t>(width * batch_rows_);
    return std::vector<float>(elements);
}

void CpuDevice::make_buffers() {
    const LayerSizes largest = largest_sizes(config_);
    const int32_t used = largest.experts_used;
    for (auto* rows : {&x_, &branch_, &dense_, &experts_}) *rows = buffer(config_.width);
    for (auto* rows : {&query_, &attended_}) *rows = buffer(largest.query_width);
    for (auto* rows : {&key_, &value_}) *rows = buffer(largest.kv_width);
    hidden_ = buffer(largest.ffn_width);
    router_logits_ = buffer(largest.experts);
    chosen_weights_ = buffer(used);
    chosen_.resize(chosen_weights_.size());
    expert_hidden_ = buffer(int64_t{used} * largest.expert_width);
    for (auto* values : {&sliding_cosines_, &sliding_sines_})
        *values = buffer(static_cast<int64_t>(sliding_frequencies_.size()));
    for (auto* values : {&global_cosines_, &global_sines_})
        *values = buffer(static_cast<int64_t>(global_frequencies_.size()));
    const auto tiles = [&](int64_t rows, int64_t columns) {
        return TileRows(rows, columns, packed_.forms());
    };
    input_ = tiles(batch_rows_, config_.width);
    input2_ = tiles(batch_rows_, config_.width);
    router_row_ = TileRows(batch_rows_, config_.width, packed_.router_forms());
    attention_row_ = tiles(batch_rows_, largest.query_width);
    hidden_row_ = tiles(batch_rows_, largest.ffn_width);
    expert_row_ = tiles(int64_t{batch_rows_} * used, largest.expert_width);
    threads_.resize(static_cast<size_t>(pool_.thread_count()));
    for (Thread& thread : threads_) {
        const auto tile = static_cast<size_t>(kColumnsMax * kernels_.rows);
        thread.normed.resize(static_cast<size_t>(config_.width));
        thread.tile.resize(tile);
        thread.tile2.resize(tile);
        thread.strips.resize(kStripsPerGroup * packed_.scratch_bytes());
        thread.gathered = tiles(used > 0 ? batch_rows_ : 0, config_.width);
        thread.groups = ExpertGroups(largest.experts, chosen_.size());
        thread.used_experts.reserve(static_cast<size_t>(largest.experts));
    }
}

// ---- products

void CpuDevice::copy_tile(const float* tile, int64_t strip, int64_t rows, int64_t first, int count,
                          float* out, int64_t stride) const {
    const int64_t row = strip * kernels_.rows;
    const int64_t width = std::min<int64_t>(kernels_.rows, rows - row);
    for (int t = 0; t < count; ++t) {
        const float* from = tile + t * kernels_.rows;
        float* to = out + (first + t) * stride + row;
        // A size that the compiler knows is a few instructions instead of a call.
        if (width == 16) {
            std::memcpy(to, from, 16 * sizeof(float));
        } else {
            std::memcpy(to, from, static_cast<size_t>(width) * sizeof(float));
        }
    }
}

void CpuDevice::prepare(const float* x, int64_t row, int64_t first, int64_t count, TileRows& rows,
                        int64_t columns) const {
    const TileCut::Place place = TileCut(first, count).place_of(row);
    const Tile tile = rows.tile(place.first, place.count);
    if (rows.has_codes())
        kernels_.quantize(x, columns, rows.scale_columns(columns), tile, place.slot);
    if (rows.has_values()) store_values(x, columns, tile, place.slot);
}

void CpuDevice::multiply(const PackedMatrix& matrix, TileRows& inputs, int64_t count, float* out,
                         int64_t stride, int32_t thread) {
    const int64_t step = kStripsPerGroup * groups_at_once(count);
    share(matrix.strips, step, thread, [&](Range piece, Range part) {
        for (int64_t strip = piece.begin; strip < piece.end; strip += kStripsPerGroup) {
            multiply_group(matrix, {strip, std::min(strip + kStripsPerGroup, piece.end)}, part,
                           inputs, count, out, stride, thread);
        }
    });
}

void CpuDevice::multiply_group(const PackedMatrix& matrix, Range group, Range part,
                               TileRows& inputs, int64_t count, float* out, int64_t stride,
                               int32_t thread) {
    Thread& scratch = threads_[static_cast<size_t>(thread)];
    float* tile = scratch.tile.data();
    const TileCut cut(0, count);
    const Strips strips = matrix.range(group.begin, group.end, scratch.strips.data());
    for (int64_t t = 0; t < cut.tiles(); ++t) {
        const TileCut::Place place = cut.tile(t);
        const Tile input = inputs.tile(place.first, place.count);
        for (int64_t strip = group.begin; strip < group.end; ++strip) {
            const bool fetches = t == 0 && count >= kRowsToFetch;
            matrix.kernel(strips[strip], matrix.blocks, input, tile,
                          fetches ? strip_ahead(matrix, part, strip + kStripsPerGroup, nullptr, {})
                                  : nullptr);
            copy_tile(tile, strip, matrix.rows, place.first, input.count, out, stride);
        }
    }
}

void CpuDevice::multiply_gated(Gated matrices, Range piece, Range part, TileRows& inputs,
                               int64_t count, float* hidden, int64_t stride, int32_t thread,
                               Gated next) {
    for (int64_t strip = piece.begin; strip < piece.end; strip += kGatedPerGroup) {
        multiply_gated_group(matrices, {strip, std::min(strip + kGatedPerGroup, piece.end)}, part,
                             inputs, count, hidden, stride, thread, next);
    }
}

void CpuDevice::multiply_gated_group(Gated matrices, Range group, Range part, TileRows& inputs,
                                     int64_t count, float* hidden, int64_t stride, int32_t thread,
                                     Gated next) {
    const PackedMatrix &gate = *matrices.gate, &up = *matrices.up;
    Thread& scratch = threads_[static_cast<size_t>(thread)];
    const TileCut cut(0, count);
    const Range next_strips = {0, next.gate != nullptr ? next.gate->strips : 0};
    uint8_t* packed = scratch.strips.data();
    const Strips gate_strips = gate.range(group.begin, group.end, packed),
                 up_strips = up.range(group.begin, group.end, packed + scratch.strips.size() / 2);
    for (int64_t t = 0; t < cut.tiles(); ++t) {
        const TileCut::Place place = cut.tile(t);
        const Tile input = inputs.tile(place.first, place.count);
        for (int64_t strip = group.begin; strip < group.end; ++strip) {
            const int64_t ahead = strip + kGatedPerGroup;
            const uint8_t *next_gate = nullptr, *next_up = nullptr;
            if (t == 0 && count >= kRowsToFetch) {
                next_gate = strip_ahead(gate, part, ahead, next.gate, next_strips);
                next_up = strip_ahead(up, part, ahead, next.up, next_strips);
            }
            gate.kernel(gate_strips[strip], gate.blocks, input, scratch.tile.data(), next_gate);
            up.kernel(up_strips[strip], up.blocks, input, scratch.tile2.data(), next_up);
            kernels_.gelu_multiply(scratch.tile.data(), scratch.tile2.data(),
                                   int64_t{input.count} * kernels_.rows, scratch.tile.data());
            copy_tile(scratch.tile.data(), strip, gate.rows, place.first, input.count, hidden,
                      stride);
        }
    }
}

// ---- embedding

void CpuDevice::embed(const Batch& batch) {
    FACET_CHECK(batch.row_count() <= batch_rows_);
    const TensorTypeTraits& traits = traits_of(weights_.embedding.type);
    const float scale = std::sqrt(static_cast<float>(config_.width));
    const auto rotate = [](int32_t position, const std::vector<float>& frequencies, int64_t row,
                           std::vector<float>& cosines, std::vector<float>& sines) {
        for (size_t i = 0; i < frequencies.size(); ++i) {
            const float angle = static_cast<float>(position) * frequencies[i];
            cosines[static_cast<size_t>(row) * frequencies.size() + i] = std::cos(angle);
            sines[static_cast<size_t>(row) * frequencies.size() + i] = std::sin(angle);
        }
    };
    run(Phase::kEmbed, [&](int32_t thread) {
        for (const BatchSequence& sequence : batch.sequences) {
            const Range mine = my_part(sequence.row_count, thread);
            for (int64_t r = mine.begin; r < mine.end; ++r) {
                const int64_t row = sequence.first_row + r;
                float* x = x_.data() + row * config_.width;
                traits.decode(weights_.embedding.row(batch.tokens[static_cast<size_t>(row)]),
                              static_cast<size_t>(config_.width) / traits.block_elements, x);
                for (int32_t i = 0; i < config_.width; ++i) x[i] *= scale;
                const int32_t position = sequence.first_position + static_cast<int32_t>(r);
                rotate(position, sliding_frequencies_, row, sliding_cosines_, sliding_sines_);
                rotate(position, global_frequencies_, row, global_cosines_, global_sines_);
            }
        }
    });
}

// ---- attention

void CpuDevice::attention_block(int32_t index, const Batch& batch) {
    const LayerConfig& layer = layer_config(index);
    const LayerWeights& weights = layer_weights(index);
    const PackedLayer& packed = packed_.layer(index);
    const int64_t rows = batch.row_count(), width = config_.width;
    attention_.begin(index, batch);
    run(Phase::kFfnNorm, [&](int32_t thread) {
        const Range mine = my_part(rows, thread);
        float* normed = threads_[static_cast<size_t>(thread)].normed.data();
        for (int64_t t = mine.begin; t < mine.end; ++t) {
            norm(x_.data() + t * width, weights.attention_norm.data(), width, normed);
            prepare(normed, t, 0, rows, input_, width);
        }
        end_phase(Phase::kAttentionNorm, thread);
        multiply(packed.query, input_, rows, query_.data(), layer.query_width(), thread);
        multiply(packed.key, input_, rows, key_.data(), layer.kv_width(), thread);
        if (!layer.value_is_key)
            multiply(packed.value, input_, rows, value_.data(), layer.kv_width(), thread);
        end_phase(Phase::kQueryKeyValue, thread);
        make_heads(layer, weights, index, batch, thread);
        end_phase(Phase::kHeads, thread);
        attention_.attend(index, batch, query_.data(), attended_.data(), thread);
        end_phase(Phase::kAttention, thread);
        if (attention_.is_split()) {
            attention_.finish(index, batch, attended_.data(), thread);
            end_phase(Phase::kAttention, thread);
        }
        for (int64_t t = mine.begin; t < mine.end; ++t) {
            prepare(attended_.data() + t * layer.query_width(), t, 0, rows, attention_row_,
                    layer.query_width());
        }
        end_phase(Phase::kAttentionOutput, thread);
        multiply(packed.output, attention_row_, rows, branch_.data(), width, thread);
        end_phase(Phase::kAttentionOutput, thread);
        for (int64_t t = mine.begin; t < mine.end; ++t) {
            add_norm(branch_.data() + t * width, weights.post_attention_norm.data(), width, 1,
                     x_.data() + t * width);
        }
    });
}

// Norms and rotations of this thread's share of (row, key head) pairs, and their keys and values
// into the cache.
void CpuDevice::make_heads(const LayerConfig& layer, const LayerWeights& weights, int32_t index,
                           const Batch& batch, int32_t thread) {
    const int64_t size = layer.head_size, half = size / 2;
    const int32_t group = layer.query_heads / layer.kv_heads;
    const float* cosines = (layer.sliding ? sliding_cosines_ : global_cosines_).data();
    const float* sines = (layer.sliding ? sliding_sines_ : global_sines_).data();
    const auto norm_and_rotate = [&](float* vector, const std::vector<float>& weight, int64_t row) {
        norm(vector, weight.data(), size, vector);
        kernels_.rotate(vector, cosines + row * half, sines + row * half, half);
    };
    for (const BatchSequence& sequence : batch.sequences) {
        const Range mine = my_part(int64_t{sequence.row_count} * layer.kv_heads, thread);
        for (int64_t item = mine.begin; item < mine.end; ++item) {
            const auto r = static_cast<int32_t>(item / layer.kv_heads),
                       head = static_cast<int32_t>(item % layer.kv_heads);
            const int64_t t = sequence.first_row + r;
            for (int32_t q = head * group; q < (head + 1) * group; ++q) {
                norm_and_rotate(query_.data() + t * layer.query_width() + q * size,
                                weights.query_norm, t);
            }
            float* key = key_.data() + t * layer.kv_width() + head * size;
            float* value = value_.data() + t * layer.kv_width() + head * size;
            // On global layers the value is the raw key, before norm and rotation.
            norm(layer.value_is_key ? key : value, nullptr, size, value);
            if (!attention_.is_shared(layer)) norm_and_rotate(key, weights.key_norm, t);
            attention_.store(index, sequence, r, head, key, value);
        }
    }
}

// ---- feed-forward

void CpuDevice::ffn_block(int32_t index, const Batch& batch) {
    const LayerConfig& layer = layer_config(index);
    const LayerWeights& weights = layer_weights(index);
    const PackedLayer& packed = packed_.layer(index);
    const int64_t rows = batch.row_count(), width = config_.width;
    const bool has_experts = layer.experts > 0;
    run(Phase::kResidual, [&](int32_t thread) {
        const Range mine = my_part(rows, thread);
        float* normed = threads_[static_cast<size_t>(thread)].normed.data();
        for (int64_t t = mine.begin; t < mine.end; ++t) {
            const float* x = x_.data() + t * width;
            const float scale = inverse_rms(x, width);
            const auto normed_to = [&](const std::vector<float>& weight, TileRows& to) {
                kernels_.scale_row(x, scale, weight.data(), width, normed);
                prepare(normed, t, 0, rows, to, width);
            };
            normed_to(weights.ffn_norm, input_);
            if (!has_experts) continue;
            normed_to(weights.expert_norm, input2_);
            normed_to(router_scales_[static_cast<size_t>(index)], router_row_);
        }
        end_phase(Phase::kFfnNorm, thread);
        if (has_experts)
            multiply(packed.router, router_row_, rows, router_logits_.data(), layer.experts,
                     thread);
        const int64_t step = kGatedPerGroup * groups_at_once(rows);
        share(packed.gate.strips, step, thread, [&](Range piece, Range part) {
            multiply_gated({&packed.gate, &packed.up}, piece, part, input_, rows, hidden_.data(),
                           layer.ffn_width, thread);
        });
        end_phase(Phase::kRouterAndGate, thread);
        // Two tasks for each row, so that two threads have something to do for one.
        const Range tasks = my_part(2 * rows, thread);
        for (int64_t task = tasks.begin; task < tasks.end; ++task) {
            const int64_t t = task / 2;
            if (task % 2 == 0) {
                prepare(hidden_.data() + t * layer.ffn_width, t, 0, rows, hidden_row_,
                        layer.ffn_width);
            } else if (has_experts) {
                route(layer, weights, t);
            }
        }
        end_phase(Phase::kRoute, thread);
        multiply(packed.down, hidden_row_, rows, dense_.data(), width, thread);
        if (!has_experts) {
            end_phase(Phase::kDown, thread);
        } else {
            // The experts' hidden rows do not need these sums: no barrier.
            if (thread == 0) times_.end(Phase::kDown);
            sort_by_expert(layer, rows, thread);
            expert_hidden(layer, packed, rows, thread);
            end_phase(Phase::kExpertGate, thread);
            prepare_expert_rows(layer, rows, thread);
            end_phase(Phase::kExpertRows, thread);
            expert_output(layer, packed, rows, thread);
            end_phase(Phase::kExpertDown, thread);
        }
        for (int64_t t = mine.begin; t < mine.end; ++t) {
            float* dense = dense_.data() + t * width;
            if (has_experts) {
                norm(dense, weights.dense_post_norm.data(), width, dense);
                add_norm(experts_.data() + t * width, weights.expert_post_norm.data(), width, 1,
                         dense);
            }
            add_norm(dense, weights.ffn_post_norm.data(), width, weights.output_scale,
                     x_.data() + t * width);
        }
    });
}

// The experts of one row and their weights, as the reference device does it.
void CpuDevice::route(const LayerConfig& layer, const LayerWeights& weights, int64_t row) {
    float* p = router_logits_.data() + row * layer.experts;
    facet::softmax(p, layer.experts);
    choose_experts(p, layer.experts, layer.experts_used, weights.expert_scale.data(),
                   chosen_.data() + row * layer.experts_used,
                   chosen_weights_.data() + row * layer.experts_used);
}

// Which pairs of a row and one of its choices belong to which expert.
void CpuDevice::sort_by_expert(const LayerConfig& layer, int64_t rows, int32_t thread) {
    Thread& mine = threads_[static_cast<size_t>(thread)];
    mine.groups.group(chosen_.data(), static_cast<int32_t>(rows) * layer.experts_used);
    mine.used_experts.clear();
    for (int32_t e = mine.groups.next_used(0); e < layer.experts; e = mine.groups.next_used(e + 1))
        mine.used_experts.push_back(e);
}

// The line of all used experts' pieces is cut where each thread has as many products, so that most
// experts are one thread's.
Range CpuDevice::expert_part(int64_t pieces_each, int64_t pairs, int32_t owner,
                             const Thread& scratch) const {
    const auto place = [&](int64_t products) {
        int64_t at = 0;
        for (const int32_t e : scratch.used_experts) {
            const int64_t before = scratch.groups.first(e) * pieces_each,
                          count = scratch.groups.count(e);
            if (products < before + count * pieces_each)
                return at + (products - before + count - 1) / count;
            at += pieces_each;
        }
        return at;
    };
    const Range products = my_part(pairs * pieces_each, owner);
    return {place(products.begin), place(products.end)};
}

// expert_hidden [pair in order of experts, F] = gelu(gate_e u) * (up_e u).
void CpuDevice::expert_hidden(const LayerConfig& layer, const PackedLayer& packed, int64_t rows,
                              int32_t thread) {
    Thread& scratch = threads_[static_cast<size_t>(thread)];
    const std::vector<int32_t>& used = scratch.used_experts;
    const int64_t inner = layer.expert_width, strips = packed.expert_gate[0].strips;
    const int64_t step = kGatedPerGroup * groups_at_once(rows);
    const int64_t pieces_each = (strips + step - 1) / step;
    const auto gated = [&](size_t place) {
        const auto e = static_cast<size_t>(used[place]);
        return Gated{&packed.expert_gate[e], &packed.expert_up[e]};
    };
    const auto part = [&](int32_t owner) {
        return expert_part(pieces_each, rows * layer.experts_used, owner, scratch);
    };
    size_t gathered = used.size();  // the expert whose rows are there
    loops_.run(thread, 1, part, [&](Range piece, Range) {
        const auto place = static_cast<size_t>(piece.begin / pieces_each);
        const int64_t first = scratch.groups.first(used[place]),
                      count = scratch.groups.count(used[place]);
        if (rows > 1 && gathered != place) {
            gather(scratch.groups, used[place], rows, layer.experts_used, scratch.gathered);
            gathered = place;
        }
        const int64_t strip = piece.begin % pieces_each * step;
        // A single row is already in the form of a tile.
        multiply_gated(gated(place), {strip, std::min(strip + step, strips)}, {0, strips},
                       rows > 1 ? scratch.gathered : input2_, count,
                       expert_hidden_.data() + first * inner, inner, thread,
                       place + 1 < used.size() ? gated(place + 1) : Gated{});
    });
}

// Copies the rows of an expert side by side.
void CpuDevice::gather(const ExpertGroups& groups, int32_t expert, int64_t rows, int32_t used,
                       TileRows& gathered) {
    const int64_t first = groups.first(expert), count = groups.count(expert);
    const TileCut all(0, rows), cut(0, count);
    for (int64_t p = 0; p < count; ++p) {
        const TileCut::Place from = all.place_of(groups.pair(first + p) / used),
                             to = cut.place_of(p);
        const Tile source = input2_.tile(from.first, from.count);
        const Tile target = gathered.tile(to.first, to.count);
        if (input2_.has_codes()) copy_codes(source, from.slot, target, to.slot, config_.width);
        if (input2_.has_values()) copy_values(source, from.slot, target, to.slot, config_.width);
    }
}

// Quantizes this thread's share of the experts' hidden rows; each expert's rows are tiles of their
// own.
void CpuDevice::prepare_expert_rows(const LayerConfig& layer, int64_t rows, int32_t thread) {
    const Thread& scratch = threads_[static_cast<size_t>(thread)];
    const Range mine = my_part(rows * layer.experts_used, thread);
    for (const int32_t e : scratch.used_experts) {
        const int64_t first = scratch.groups.first(e), end = first + scratch.groups.count(e);
        for (int64_t pair = std::max(first, mine.begin); pair < std::min(end, mine.end); ++pair) {
            prepare(expert_hidden_.data() + pair * layer.expert_width, pair, first, end - first,
                    expert_row_, layer.expert_width);
        }
    }
}

// experts [T, D] = sum of weight * down_e hidden over the chosen experts, lowest expert first.
void CpuDevice::expert_output(const LayerConfig& layer, const PackedLayer& packed, int64_t rows,
                              int32_t thread) {
    const int64_t width = config_.width, height = kernels_.rows;
    const std::vector<int32_t>& used = threads_[static_cast<size_t>(thread)].used_experts;
    share((width + height - 1) / height, kOutputStrips, thread, [&](Range strips, Range) {
        const int64_t begin = strips.begin * height, end = std::min(width, strips.end * height);
        for (int64_t t = 0; t < rows; ++t) {
            std::fill(experts_.data() + t * width + begin, experts_.data() + t * width + end, 0.0f);
        }
        for (size_t i = 0; i < used.size(); ++i) {
            add_output(layer, packed, used[i], i + 1 < used.size() ? used[i + 1] : -1, strips,
                       thread);
        }
    });
}

// One expert's part of that, for some strips. next: the expert that follows, or -1.
void CpuDevice::add_output(const LayerConfig& layer, const PackedLayer& packed, int32_t expert,
                           int32_t next, Range strips, int32_t thread) {
    Thread& scratch = threads_[static_cast<size_t>(thread)];
    float* tile = scratch.tile.data();
    const PackedMatrix& down = packed.expert_down[static_cast<size_t>(expert)];
    const PackedMatrix* next_down =
        next < 0 ? nullptr : &packed.expert_down[static_cast<size_t>(next)];
    const int64_t count = scratch.groups.count(expert);
    const TileCut cut(scratch.groups.first(expert), count);
    for (int64_t group = strips.begin; group < strips.end; group += kStripsPerGroup) {
        const int64_t group_end = std::min(group + kStripsPerGroup, strips.end);
        const Strips packed_strips = down.range(group, group_end, scratch.strips.data());
        for (int64_t t = 0; t < cut.tiles(); ++t) {
            const TileCut::Place place = cut.tile(t);
            const Tile input = expert_row_.tile(place.first, place.count);
            for (int64_t strip = group; strip < group_end; ++strip) {
                const bool fetches = t == 0 && count >= kRowsToFetch;
                down.kernel(
                    packed_strips[strip], down.blocks, input, tile,
                    fetches ? strip_ahead(down, strips, strip + kStripsPerGroup, next_down, strips)
                            : nullptr);
                add_expert(scratch.groups, layer.experts_used, place, strip, tile);
            }
        }
    }
}

// experts += weight * tile for the pairs of a tile and the outputs of a strip.
void CpuDevice::add_expert(const ExpertGroups& groups, int32_t used, const TileCut::Place& place,
                           int64_t strip, const float* tile) {
    const int64_t width = config_.width, row = strip * kernels_.rows;
    float weights[kColumnsMax];
    float* rows[kColumnsMax];
    for (int c = 0; c < place.count; ++c) {
        const int32_t pair = groups.pair(place.first + c);
        weights[c] = chosen_weights_[static_cast<size_t>(pair)];
        rows[c] = experts_.data() + pair / used * width + row;
    }
    kernels_.add_scaled(tile, place.count, weights, std::min<int64_t>(kernels_.rows, width - row),
                        rows);
}

// ---- head

void CpuDevice::logits(const Batch& batch) {
    const int64_t width = config_.width;
    const auto count = static_cast<int64_t>(batch.wanted.size());
    head_.begin(batch.wanted);
    run(Phase::kHead, [&](int32_t thread) {
        const Range mine = my_part(count, thread);
        for (int64_t i = mine.begin; i < mine.end; ++i) {
            float* normed = branch_.data() + i * width;
            norm(x_.data() + batch.wanted[static_cast<size_t>(i)].row * width,
                 weights_.output_norm.data(), width, normed);
            prepare(normed, i, 0, count, input_, width);
        }
        end_phase(Phase::kHead, thread);
        head_.compute(input_, branch_.data(), thread);
    });
    head_.end();
}

}  // namespace

Result<std::unique_ptr<Device>> make_cpu_device(const ModelConfig& config, const Weights& weights,
                                                const CpuOptions& options) {
    const Kernels* kernels = FACET_TRY(choose_kernels(options.isa));
    FACET_TRY(CpuAttention::check(config));
    PackedWeights packed = FACET_TRY(
        options.mapped
            ? PackedWeights::map(config, weights, *kernels)
            : PackedWeights::pack(config, weights, *kernels, threads_or_cores(options.threads),
                                  uses_planes(options.head_planes, weights.embedding, *kernels),
                                  options.on_progress));
    return std::unique_ptr<Device>(
        std::make_unique<CpuDevice>(config, weights, options, *kernels, std::move(packed)));
}

double expected_head_share(const Matrix& embedding, const CpuOptions& options) {
    // Of the strips; measured with hidden rows and weights that are random (docs/decisions.md).
    constexpr double kComputed = 0.06;
    const Result<const Kernels*> kernels = choose_kernels(options.isa);
    if (!kernels.ok() || options.mapped ||
        !uses_planes(options.head_planes, embedding, *kernels.value()))
        return 1.0;
    const PlaneBytes bytes = plane_bytes(*plane_type(embedding.type), embedding.columns);
    return static_cast<double>(bytes.high) / static_cast<double>(bytes.high + bytes.low) +
           kComputed;
}

DevicePlan plan_cpu_device(const ModelConfig& config, const CpuOptions& options) {
    const LayerSizes largest = largest_sizes(config);
    // The buffers of make_buffers() for each row of a batch: values of 4 bytes (the router's input
    // among them), and quantized rows, which take 52 bytes for 32 columns.
    const int32_t threads = threads_or_cores(options.threads);
    const int64_t values =
        5 * int64_t{config.width} + 2 * largest.query_width + 2 * largest.kv_width +
        largest.ffn_width + largest.experts + (2 + threads) * int64_t{largest.experts_used} +
        int64_t{largest.experts_used} * largest.expert_width + 4 * largest.head_size / 2;
    const int64_t router_scales =
        largest.experts > 0 ? int64_t{config.width} * config.layer_count() : 0;
    const int64_t columns = (2 + threads) * int64_t{config.width} + largest.query_width +
                            largest.ffn_width +
                            int64_t{largest.experts_used} * largest.expert_width;
    const AttentionPlan attention = CpuAttention::plan(config, threads);
    DevicePlan plan;
    plan.name = "cpu";
    plan.batch_rows = options.batch_rows;
    plan.work_bytes = static_cast<uint64_t>((4 * values + columns / 32 * 52) * options.batch_rows +
                                            4 * router_scales) +
                      attention.bytes +
                      // Of the head in planes: an estimate and a norm for each row.
                      2 * sizeof(float) * static_cast<uint64_t>(config.vocabulary);
    plan.work_bytes_per_position = attention.bytes_per_position;
    for (const LayerConfig& layer : config.layers)
        plan.kv_row_bytes.push_back(kv_bytes_per_position(layer, options.kv));
    return plan;
}

}  // namespace facet::cpu
