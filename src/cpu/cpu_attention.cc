#include "cpu/cpu_attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace facet::cpu {

namespace {

// Positions of a span, and of a tile of expanded keys or values.
constexpr int32_t kSpan = kPagePositions;
constexpr int32_t kKeyTile = 32;
// Queries that share keys in one tile: rows times query heads of a key head.
constexpr int32_t kQueriesMax = 64;
constexpr float kMasked = -std::numeric_limits<float>::infinity();
static_assert(kSpan % kRotationSpan == 0 && kRotationSpan % kKeyTile == 0);

// Keys and values of all conversations. The runs of a layer are its heads: first those of keys,
// then those of values, unless one row serves both.
struct CpuKv : KvPool {
    // Rotation of global layers at the first position of each kRotationSpan, [spans, pairs].
    std::vector<float> cosines, sines;
};

int64_t value_run(const LayerConfig& layer, bool shared, int32_t head) {
    return shared ? head : layer.kv_heads + head;
}

int32_t group_of(const LayerConfig& layer) { return layer.query_heads / layer.kv_heads; }

int32_t rows_per_tile(const LayerConfig& layer) {
    return std::max(1, kQueriesMax / group_of(layer));
}

void rotate(double position, const std::vector<float>& frequencies, float* cosines, float* sines) {
    for (size_t i = 0; i < frequencies.size(); ++i) {
        const double angle = position * static_cast<double>(frequencies[i]);
        cosines[i] = static_cast<float>(std::cos(angle));
        sines[i] = static_cast<float>(std::sin(angle));
    }
}

}  // namespace

// Some rows of one sequence and the query heads that share one key head.
struct CpuAttention::Tile {
    const LayerConfig* layer;
    const KvCache* cache;
    int32_t layer_index;
    int32_t head;            // of keys
    int64_t batch_row;       // of the first query
    int32_t first_position;  // of the first query
    int32_t rows;

    int32_t queries() const { return rows * group_of(*layer); }
    int32_t position_of(int32_t query) const { return first_position + query / group_of(*layer); }
    int32_t last_position() const { return first_position + rows - 1; }
    int32_t first_visible(int32_t position) const {
        return layer->sliding ? std::max(0, position - layer->window + 1) : 0;
    }
    SpanRange spans() const {
        return {first_visible(first_position) / kSpan, last_position() / kSpan + 1};
    }
    // Offset of a query in rows of all heads.
    int64_t offset(int32_t query) const {
        const int32_t group = group_of(*layer);
        return (batch_row + query / group) * layer->query_width() +
               int64_t{head * group + query % group} * layer->head_size;
    }
    // Rows of its head from a position on, up to the end of the position's span.
    const uint8_t* keys(int32_t position) const { return cache->row(layer_index, head, position); }
    const uint8_t* values(int32_t position, bool shared) const {
        return cache->row(layer_index, value_run(*layer, shared, head), position);
    }
};

uint64_t kv_bytes_per_position(const LayerConfig& layer, const KvOptions& options) {
    const int64_t copies = options.one_copy && layer.value_is_key ? 1 : 2;
    return static_cast<uint64_t>(copies * layer.kv_heads *
                                 kv_row_bytes(options.type, layer.head_size));
}

Status CpuAttention::check(const ModelConfig& config) {
    for (const LayerConfig& layer : config.layers) {
        if (layer.head_size % 32 != 0) {
            return unsupported(fmt::format(
                "heads of {} values: the CPU device needs a multiple of 32", layer.head_size));
        }
    }
    return {};
}

CpuAttention::CpuAttention(const ModelConfig& config, const Weights& weights,
                           const Kernels& kernels, const KvOptions& options, int32_t threads)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      options_(options),
      scratch_(static_cast<size_t>(threads)),
      threads_(threads) {
    const LayerSizes largest = largest_sizes(config);
    int32_t queries = kQueriesMax;
    for (const LayerConfig& layer : config.layers) {
        queries = std::max(queries, group_of(layer));
        if (layer.sliding || !global_frequencies_.empty()) continue;
        global_frequencies_ = rope_frequencies(layer, weights);
        // Most pairs of a global head do not turn. Kernels take 16 at a time.
        while (!global_frequencies_.empty() && global_frequencies_.back() == 0)
            global_frequencies_.pop_back();
        global_frequencies_.resize((global_frequencies_.size() + 15) / 16 * 16, 0.0f);
    }
    const size_t pairs = global_frequencies_.size();
    place_cosines_.resize(kRotationSpan * pairs);
    place_sines_.resize(place_cosines_.size());
    for (size_t place = 0; place < kRotationSpan; ++place) {
        rotate(static_cast<double>(place), global_frequencies_, &place_cosines_[place * pairs],
               &place_sines_[place * pairs]);
    }
    const auto count = static_cast<size_t>(queries), size = static_cast<size_t>(largest.head_size);
    const auto expanded = static_cast<size_t>(kernels.expanded_bytes);
    for (Scratch& scratch : scratch_) {
        scratch.queries.resize(count * size * expanded);
        scratch.tile.resize(kKeyTile * size * expanded);
        scratch.scores.resize(count * kSpan);
        scratch.weights.resize(count * kSpan * expanded);
        scratch.part.resize(count * size);
        scratch.total.resize(count * size);
        scratch.part_sums.resize(count);
        scratch.total_sums.resize(count);
    }
}

AttentionPlan CpuAttention::plan(const ModelConfig& config, int32_t threads) {
    const LayerSizes largest = largest_sizes(config);
    const auto size = static_cast<uint64_t>(largest.head_size);
    AttentionPlan plan;
    plan.bytes = static_cast<uint64_t>(threads) *
                 (kQueriesMax * (size * 12 + kSpan * 8) + kKeyTile * size * 4);
    for (const LayerConfig& layer : config.layers) {
        if (layer.sliding) continue;
        // Outputs of spans, and the rotation of the first position of each kRotationSpan.
        plan.bytes_per_position =
            static_cast<uint64_t>(layer.query_width()) * sizeof(float) / kSpan +
            size * sizeof(float) / kRotationSpan;
    }
    return plan;
}

Result<std::unique_ptr<KvPool>> CpuAttention::make_pool(int32_t context,
                                                        const PerPart<int32_t>& pages) {
    auto kv = std::make_unique<CpuKv>();
    std::vector<KvPool::Layer> layers;
    for (const LayerConfig& layer : config_.layers) {
        layers.push_back({part_of(layer), (is_shared(layer) ? 1 : 2) * int64_t{layer.kv_heads},
                          kv_row_bytes(options_.type, layer.head_size)});
    }
    FACET_TRY(kv->allocate(layers, pages));
    const size_t pairs = global_frequencies_.size();
    const size_t spans = static_cast<size_t>(context) / kRotationSpan + 1;
    kv->cosines.resize(spans * pairs);
    kv->sines.resize(spans * pairs);
    for (size_t span = 0; span < spans; ++span) {
        rotate(static_cast<double>(span * kRotationSpan), global_frequencies_,
               kv->cosines.data() + span * pairs, kv->sines.data() + span * pairs);
    }
    // Room for the spans of one row of every layer.
    size_t outputs = parts_.size(), sums = part_sums_.size();
    for (const LayerConfig& layer : config_.layers) {
        const size_t seen =
            static_cast<size_t>(layer.sliding ? std::min(context, layer.window + kSpan) : context);
        const size_t count = seen / kSpan + 1;
        outputs = std::max(outputs, count * static_cast<size_t>(layer.query_width()));
        sums = std::max(sums, count * static_cast<size_t>(layer.query_heads));
    }
    parts_.resize(outputs);
    part_sums_.resize(sums);
    return std::unique_ptr<KvPool>(std::move(kv));
}

void CpuAttention::store(int32_t layer, const BatchSequence& sequence, int32_t row, int32_t head,
                         const float* key, const float* value) const {
    const LayerConfig& config = layer_config(layer);
    const int32_t position = sequence.first_position + row;
    const auto type = static_cast<size_t>(options_.type);
    const bool shared = is_shared(config);
    kernels_.store_row[type](value, config.head_size,
                             sequence.cache->row(layer, value_run(config, shared, head), position));
    if (!shared)
        kernels_.store_row[type](key, config.head_size, sequence.cache->row(layer, head, position));
}

// Calls visit(tile) for all tiles of the batch, in a fixed order.
template <typename Visit>
void CpuAttention::each_tile(int32_t index, const Batch& batch, const Visit& visit) const {
    const LayerConfig& layer = layer_config(index);
    const int32_t step = rows_per_tile(layer);
    for (const BatchSequence& sequence : batch.sequences) {
        for (int32_t row = 0; row < sequence.row_count; row += step) {
            for (int32_t head = 0; head < layer.kv_heads; ++head) {
                visit(Tile{&layer, sequence.cache, index, head, int64_t{sequence.first_row} + row,
                           sequence.first_position + row,
                           std::min(step, sequence.row_count - row)});
            }
        }
    }
}

void CpuAttention::begin(int32_t index, const Batch& batch) {
    next_task_.store(0, std::memory_order_relaxed);
    int64_t tiles = 0;
    size_t outputs = 0, sums = 0;
    bool several = false;
    each_tile(index, batch, [&](const Tile& tile) {
        const SpanRange spans = tile.spans();
        const auto parts =
            static_cast<size_t>(spans.end - spans.first) * static_cast<size_t>(tile.queries());
        ++tiles;
        outputs += parts * static_cast<size_t>(tile.layer->head_size);
        sums += parts;
        several |= spans.end - spans.first > 1;
    });
    // With few tiles, threads would wait for the one that has the longest conversation.
    split_ = threads_ > 1 && several && tiles < 2 * int64_t{threads_} && outputs <= parts_.size() &&
             sums <= part_sums_.size();
}

void CpuAttention::attend(int32_t index, const Batch& batch, const float* queries, float* out,
                          int32_t thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    int64_t next = next_task_.fetch_add(1, std::memory_order_relaxed), task = 0;
    const auto is_mine = [&] {
        if (task++ != next) return false;
        next = next_task_.fetch_add(1, std::memory_order_relaxed);
        return true;
    };
    float* part = parts_.data();
    SpanSums* part_sums = part_sums_.data();
    each_tile(index, batch, [&](const Tile& tile) {
        const SpanRange spans = tile.spans();
        if (split_) {
            bool loaded = false;
            for (int32_t span = spans.first; span < spans.end; ++span) {
                if (is_mine()) {
                    if (!loaded) load_queries(tile, queries, scratch);
                    loaded = true;
                    attend_span(tile, span, scratch, part_sums, part);
                }
                part += int64_t{tile.queries()} * tile.layer->head_size;
                part_sums += tile.queries();
            }
            return;
        }
        if (!is_mine()) return;
        load_queries(tile, queries, scratch);
        for (int32_t span = spans.first; span < spans.end; ++span) {
            const bool first = span == spans.first;
            attend_span(tile, span, scratch,
                        (first ? scratch.total_sums : scratch.part_sums).data(),
                        (first ? scratch.total : scratch.part).data());
            if (!first) {
                add(tile, scratch.part_sums.data(), scratch.part.data(), scratch.total_sums.data(),
                    scratch.total.data());
            }
        }
        write(tile, scratch.total_sums.data(), scratch.total.data(), out);
    });
}

void CpuAttention::finish(int32_t index, const Batch& batch, float* out, int32_t thread) {
    float* part = parts_.data();
    SpanSums* part_sums = part_sums_.data();
    int64_t number = 0;
    each_tile(index, batch, [&](const Tile& tile) {
        const SpanRange spans = tile.spans();
        float* const total = part;
        SpanSums* const total_sums = part_sums;
        const bool mine = number++ % threads_ == thread;
        for (int32_t span = spans.first; span < spans.end; ++span) {
            if (mine && span > spans.first) add(tile, part_sums, part, total_sums, total);
            part += int64_t{tile.queries()} * tile.layer->head_size;
            part_sums += tile.queries();
        }
        if (mine) write(tile, total_sums, total, out);
    });
}

void CpuAttention::load_queries(const Tile& tile, const float* queries, Scratch& scratch) const {
    const int size = tile.layer->head_size;
    for (int32_t q = 0; q < tile.queries(); ++q) {
        kernels_.expand_queries(
            queries + tile.offset(q), size,
            scratch.queries.data() + int64_t{q} * size * kernels_.expanded_bytes);
    }
}

// Softmax of the visible positions of one span, without its division, and the sum of their values.
//   sums [queries], out [queries, size]
void CpuAttention::attend_span(const Tile& tile, int32_t span, Scratch& scratch, SpanSums* sums,
                               float* out) const {
    const int32_t origin = span * kSpan, queries = tile.queries(), size = tile.layer->head_size;
    // Whole key tiles from the first visible position on; the last may end early.
    const int32_t first =
        std::max(origin, tile.first_visible(tile.first_position) / kKeyTile * kKeyTile);
    const int32_t end = std::min(origin + kSpan, tile.last_position() + 1);
    score_span(tile, first, end, scratch);
    const int32_t padded = (end - origin + 15) / 16 * 16;
    for (int32_t q = 0; q < queries; ++q) {
        float* scores = scratch.scores.data() + int64_t{q} * kSpan;
        const int32_t position = tile.position_of(q);
        const int32_t visible =
            std::clamp(tile.first_visible(position) - origin, first - origin, padded);
        std::fill(scores + (first - origin), scores + visible, kMasked);
        std::fill(scores + std::clamp(position + 1 - origin, 0, padded), scores + padded, kMasked);
        sums[q] = kernels_.weigh(scores + (first - origin), padded - (first - origin),
                                 scratch.weights.data() + (int64_t{q} * kSpan + first - origin) *
                                                              kernels_.expanded_bytes);
    }
    std::fill(out, out + int64_t{queries} * size, 0.0f);
    const auto type = static_cast<size_t>(options_.type);
    const bool shared = is_shared(*tile.layer);
    for (int32_t at = first; at < end; at += kKeyTile) {
        const int32_t count = std::min(kKeyTile, end - at);
        kernels_.expand_values[type](tile.values(at, shared), count, size, scratch.tile.data());
        kernels_.add_values(scratch.weights.data() + int64_t{at - origin} * kernels_.expanded_bytes,
                            kSpan, queries, scratch.tile.data(), (count + 1) / 2 * 2, size, out);
    }
}

void CpuAttention::score_span(const Tile& tile, int32_t first, int32_t end,
                              Scratch& scratch) const {
    for (int32_t at = first; at < end; at += kKeyTile) {
        const int32_t count = std::min(kKeyTile, end - at);
        expand_keys(tile, at, count, scratch);
        kernels_.score(scratch.queries.data(), tile.queries(), scratch.tile.data(), count,
                       tile.layer->head_size, scratch.scores.data() + at % kSpan, kSpan);
    }
}

void CpuAttention::expand_keys(const Tile& tile, int32_t first, int32_t count,
                               Scratch& scratch) const {
    const auto type = static_cast<size_t>(options_.type);
    const uint8_t* rows = tile.keys(first);
    const int size = tile.layer->head_size;
    if (!is_shared(*tile.layer)) {
        kernels_.expand_keys[type](rows, count, size, scratch.tile.data());
        return;
    }
    const auto pairs = static_cast<int64_t>(global_frequencies_.size());
    const auto& kv = static_cast<const CpuKv&>(*tile.cache->pool());
    const int64_t span = first / kRotationSpan * pairs;
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(tile.layer_index)];
    const KeyRotation rotation = {weights.key_norm.data(),  static_cast<int>(pairs),
                                  kv.cosines.data() + span, kv.sines.data() + span,
                                  place_cosines_.data(),    place_sines_.data()};
    kernels_.expand_shared_keys[type](rows, count, size, rotation, first % kRotationSpan,
                                      scratch.tile.data());
}

// Adds the part of one span to what came before it.
void CpuAttention::add(const Tile& tile, const SpanSums* part, const float* part_out,
                       SpanSums* total, float* total_out) const {
    const int64_t size = tile.layer->head_size;
    for (int32_t q = 0; q < tile.queries(); ++q) {
        if (part[q].largest == kMasked && part[q].sum == 0) continue;
        const float largest = std::max(part[q].largest, total[q].largest);
        const float total_scale =
            total[q].largest == kMasked ? 0 : kernels_.exponential(total[q].largest - largest);
        const float part_scale = kernels_.exponential(part[q].largest - largest);
        kernels_.merge(total_out + q * size, total_scale, part_out + q * size, part_scale, size);
        total[q] = {largest, total[q].sum * total_scale + part[q].sum * part_scale};
    }
}

void CpuAttention::write(const Tile& tile, const SpanSums* total, const float* total_out,
                         float* out) const {
    const int64_t size = tile.layer->head_size;
    for (int32_t q = 0; q < tile.queries(); ++q) {
        float* to = out + tile.offset(q);
        std::fill(to, to + size, 0.0f);
        kernels_.merge(to, 0, total_out + q * size, 1 / total[q].sum, size);
    }
}

}  // namespace facet::cpu
