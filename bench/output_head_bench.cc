// The output head of the 26B-A4B on this machine: 262,144 rows of 2,816 columns in Q6_K or Q8_0,
// one hidden row at a time, in one stage and in two.
//
// The weights are normal numbers, quantized; the hidden row is another one each time. That is the
// hardest case for estimates: real logits have a sparser top.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <random>

#include "base/half.h"
#include "cpu/cpu_kernels.h"
#include "cpu/output_head.h"
#include "format/quant_blocks.h"

namespace facet::cpu {
namespace {

constexpr int64_t kRows = 262144, kColumns = 2816;

int code_of(float x, float scale, int low, int high) {
    return static_cast<int>(std::nearbyint(
        std::clamp(scale == 0 ? 0 : x / scale, static_cast<float>(low), static_cast<float>(high))));
}
float largest_of(const float* x, int n) {
    float largest = 0;
    for (int i = 0; i < n; ++i) largest = std::max(largest, std::abs(x[i]));
    return largest;
}

void encode(const float* x, BlockQ6_K& block) {
    std::memset(&block, 0, sizeof block);
    block.d = float_to_f16(largest_of(x, 256) / 31 / 127);
    for (int i = 0; i < 256; ++i) {
        const float d = f16_to_float(block.d);
        if (i % 16 == 0)
            block.scales[i / 16] =
                static_cast<int8_t>(code_of(largest_of(x + i, 16) / 31, d, 0, 127));
        const int q = 32 + code_of(x[i], d * block.scales[i / 16], -32, 31);
        const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
        uint8_t& low = block.ql[64 * half + l + 32 * (quarter % 2)];
        low = static_cast<uint8_t>(low | (q & 15) << (4 * (quarter / 2)));
        uint8_t& high = block.qh[32 * half + l];
        high = static_cast<uint8_t>(high | (q >> 4) << (2 * quarter));
    }
}
void encode(const float* x, BlockQ8_0& block) {
    block.d = float_to_f16(largest_of(x, 32) / 127);
    for (int i = 0; i < 32; ++i)
        block.qs[i] = static_cast<int8_t>(code_of(x[i], f16_to_float(block.d), -127, 127));
}

// Every row's blocks are drawn from some thousand encoded ones.
template <typename Block>
std::vector<uint8_t> random_matrix() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<Block> pool(4096);
    for (Block& block : pool) {
        float x[Block::kElements];
        for (float& value : x) value = normal(random);
        encode(x, block);
    }
    std::vector<uint8_t> bytes(kRows * kColumns / Block::kElements * sizeof(Block));
    for (size_t at = 0; at < bytes.size(); at += sizeof(Block))
        std::memcpy(&bytes[at], &pool[random() % pool.size()], sizeof(Block));
    return bytes;
}

struct Head {
    ModelConfig config;
    Weights weights;
    PackedWeights packed;
    const Kernels& kernels;
    SpinPool pool{0};
    std::unique_ptr<OutputHead> head;
    TileRows inputs;
    std::vector<float> hidden = std::vector<float>(kColumns);
    std::vector<float> all = std::vector<float>(kRows);
    std::vector<Logit> best;
    std::mt19937 random{2};

    Head(TensorType type, HeadPlanes planes) : kernels(*choose_kernels("").value()) {
        std::vector<uint8_t> bytes =
            type == TensorType::kQ6_K ? random_matrix<BlockQ6_K>() : random_matrix<BlockQ8_0>();
        config.vocabulary = kRows;
        config.width = kColumns;
        config.logit_softcap = 30;
        weights.embedding = {type, kRows, kColumns, bytes.data()};
        packed = PackedWeights::pack(config, weights, kernels, pool.thread_count(),
                                     uses_planes(planes, weights.embedding, kernels), {})
                     .take();
        head = std::make_unique<OutputHead>(config, packed, kernels, pool, true);
        inputs = TileRows(1, kColumns, packed.forms());
    }

    void answer(LogitWish wish) {
        std::normal_distribution<float> normal(0, 0.1f);
        for (float& value : hidden) value = normal(random);
        const Tile tile = inputs.tile(0, 1);
        kernels.quantize(hidden.data(), kColumns, inputs.scale_columns(kColumns), tile, 0);
        const WantedRow wanted{0, wish, all.data(), &best};
        head->begin({&wanted, 1});
        pool.run([&](int32_t thread) { head->compute(inputs, hidden.data(), thread); });
        head->end();
    }
};

void answer(benchmark::State& state, TensorType type, HeadPlanes planes, int32_t largest) {
    // The last one, for the next benchmark of its kind: making one takes seconds.
    static std::unique_ptr<Head> kept;
    static std::pair<TensorType, HeadPlanes> kind;
    if (kept == nullptr || kind != std::pair(type, planes)) {
        kept.reset();
        kept = std::make_unique<Head>(type, planes);
        kind = {type, planes};
    }
    Head& head = *kept;
    const HeadCounts before = head.head->counts();
    LogitWish wish;
    wish.all = largest == 0;
    wish.largest = largest;
    for (auto _ : state) head.answer(wish);
    const HeadCounts& counts = head.head->counts();
    const auto rows = static_cast<double>(counts.rows - before.rows);
    state.counters["MB"] = static_cast<double>(counts.bytes - before.bytes) / rows * 1e-6;
    state.counters["computed_%"] =
        100 * static_cast<double>(counts.logits - before.logits) / rows / kRows;
    state.counters["complete_%"] =
        100 * static_cast<double>(counts.complete_rows - before.complete_rows) / rows;
}

double smallest(const std::vector<double>& times) {
    return *std::min_element(times.begin(), times.end());
}

void add(const char* name, TensorType type, HeadPlanes planes, int32_t largest) {
    benchmark::RegisterBenchmark(name, answer, type, planes, largest)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->Iterations(1)
        ->Repetitions(100)
        ->ReportAggregatesOnly()
        ->ComputeStatistics("min", smallest);
}

}  // namespace
}  // namespace facet::cpu

int main(int argc, char** argv) {
    using namespace facet;
    using cpu::HeadPlanes;
    benchmark::Initialize(&argc, argv);
    for (const TensorType type : {TensorType::kQ6_K, TensorType::kQ8_0}) {
        const std::string name(traits_of(type).name);
        cpu::add((name + "/one piece, all").c_str(), type, HeadPlanes::kNever, 0);
        cpu::add((name + "/one piece, 64").c_str(), type, HeadPlanes::kNever, 64);
        cpu::add((name + "/planes, all").c_str(), type, HeadPlanes::kWherePossible, 0);
        cpu::add((name + "/two stages, 1").c_str(), type, HeadPlanes::kWherePossible, 1);
        cpu::add((name + "/two stages, 64").c_str(), type, HeadPlanes::kWherePossible, 64);
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
