// pp N: N random ids (the first is <bos>), in batches, logits of the last id only. tg N: N decodes
// of one random id each, logits every time, no sampling. @dD: D ids are in the cache before. One
// run warms up; KV is cut back between runs. Source of the definitions: ggml-org/llama.cpp
// tools/llama-bench/README.md.
#include "engine/benchmark.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "engine/session.h"

namespace facet {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// What a token costs at a position: bytes read when decoded alone, operations when computed in a
// batch.
class Cost {
  public:
    Cost(const LoadedModel& model, uint64_t kv_element_bytes)
        : config_(model.config()),
          bytes_(token_bytes(config_, model.weights())),
          kv_element_bytes_(kv_element_bytes) {}

    double decode_bytes(int32_t position) const {
        double bytes = static_cast<double>(bytes_.total());
        for (const LayerConfig& layer : config_.layers) {
            bytes += 2.0 * static_cast<double>(kv_element_bytes_) * layer.kv_width() *
                     visible(layer, position);
        }
        return bytes;
    }

    // Without the head, which only the last token of a prompt goes through.
    double prefill_operations(int32_t position) const {
        double operations = 0;
        for (const LayerConfig& layer : config_.layers) {
            const double projections =
                layer.query_width() * 2.0 + layer.kv_width() * (layer.value_is_key ? 1.0 : 2.0);
            const double ffn = 3.0 * layer.ffn_width +
                               3.0 * layer.experts_used * layer.expert_width + layer.experts;
            operations += 2.0 * config_.width * (projections + ffn);
            operations += 4.0 * layer.query_width() * visible(layer, position);
        }
        return operations;
    }

    double head_operations() const { return 2.0 * config_.width * config_.vocabulary; }

  private:
    static double visible(const LayerConfig& layer, int32_t position) {
        return layer.sliding ? std::min(layer.window, position + 1) : position + 1;
    }

    const ModelConfig& config_;
    TokenBytes bytes_;
    uint64_t kv_element_bytes_;
};

// FNV-1a of the logits' bytes: equal on every machine that computes the same bits.
std::string hash_of(std::span<const float> logits) {
    uint64_t hash = 0xcbf29ce484222325u;
    const auto* bytes = reinterpret_cast<const uint8_t*>(logits.data());
    for (size_t i = 0; i < logits.size_bytes(); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return fmt::format("{:016x}", hash);
}

Json rounded(double value, int digits) {
    return Json::number(fmt::format("{:.{}f}", value, digits));
}

class Benchmark {
  public:
    Benchmark(Session& session, const BenchmarkOptions& options, const MachineSpeed& machine,
              uint64_t kv_element_bytes)
        : session_(session),
          options_(options),
          machine_(machine),
          cost_(session.model(), kv_element_bytes) {
        std::mt19937 random(42);
        ids_.resize(static_cast<size_t>(session.context()));
        const auto vocabulary = static_cast<uint32_t>(session.model().config().vocabulary);
        for (int32_t& id : ids_) id = static_cast<int32_t>(random() % vocabulary);
        const auto tokenizer = session.model().tokenizer();
        if (tokenizer.ok()) ids_[0] = tokenizer.value()->vocabulary().id_of(Special::kBos);
    }

    Result<Json> run(bool prompt, int32_t count, int32_t depth) {
        std::vector<double> speeds;
        for (int32_t i = 0; i <= options_.repetitions; ++i) {
            FACET_TRY(fill(depth));
            const Clock::time_point start = Clock::now();
            if (prompt) {
                FACET_TRY(session_.set_ids(
                    std::span(ids_).first(static_cast<size_t>(depth + count)), {}));
            } else {
                for (int32_t n = 0; n < count; ++n)
                    session_.append(ids_[static_cast<size_t>(depth + n)]);
            }
            if (i > 0) speeds.push_back(count / seconds_since(start));
        }
        return report(prompt, count, depth, speeds);
    }

  private:
    // Brings the cache to `depth` ids.
    Status fill(int32_t depth) {
        session_.forget();
        if (depth > 0)
            FACET_TRY(session_.set_ids(std::span(ids_).first(static_cast<size_t>(depth)), {}));
        return {};
    }

    Json report(bool prompt, int32_t count, int32_t depth, std::vector<double> speeds) const {
        Json runs = Json::array();
        for (const double speed : speeds) runs.push(rounded(speed, 3));
        std::sort(speeds.begin(), speeds.end());
        const double median = speeds[speeds.size() / 2];
        Json tokens_per_s = Json::object();
        tokens_per_s.set("median", rounded(median, 3))
            .set("best", rounded(speeds.back(), 3))
            .set("runs", std::move(runs));
        double bytes = 0, operations = prompt ? cost_.head_operations() : 0;
        for (int32_t n = 0; n < count; ++n) {
            bytes += cost_.decode_bytes(depth + n);
            operations += cost_.prefill_operations(depth + n);
        }
        Json test = Json::object();
        test.set("test",
                 Json::of(fmt::format("{}{}{}", prompt ? "pp" : "tg", count,
                                      depth > 0 ? fmt::format("@d{}", depth) : std::string())));
        test.set("tokens_per_s", std::move(tokens_per_s));
        const double gb_per_s = bytes / count * median * 1e-9;
        const double share = operations / count * median / machine_.int8_operations_per_s;
        test.set("gb_per_s", prompt ? Json::null() : rounded(gb_per_s, 2));
        test.set("bandwidth_share", prompt || machine_.read_gb_per_s == 0
                                        ? Json::null()
                                        : rounded(gb_per_s / machine_.read_gb_per_s, 4));
        test.set("peak_share", prompt ? rounded(share, 4) : Json::null());
        test.set("logits_hash", Json::of(hash_of(session_.logits())));
        return test;
    }

    Session& session_;
    const BenchmarkOptions& options_;
    MachineSpeed machine_;
    Cost cost_;
    std::vector<int32_t> ids_;
};

Json machine_json(const MachineSpeed& before, const MachineSpeed& after) {
    Json machine = Json::object();
    machine.set("cpu", Json::of(before.processor)).set("isa", Json::of(before.isa));
    machine.set("threads", Json::integer(before.threads));
    machine.set("read_gb_per_s_before", rounded(before.read_gb_per_s, 2));
    machine.set("read_gb_per_s_after", rounded(after.read_gb_per_s, 2));
    machine.set("int8_peak_gop_per_s", rounded(before.int8_operations_per_s * 1e-9, 1));
    return machine;
}

Status check_lengths(const BenchmarkOptions& options, int32_t context) {
    if (options.repetitions < 1) return invalid_input("repetitions: expected 1 or more");
    for (const auto* list : {&options.prompt, &options.generate}) {
        for (const int32_t count : *list) {
            for (const int32_t depth : options.depth) {
                if (count < 1 || depth < 0 || int64_t{count} + depth > context) {
                    return invalid_input(
                        fmt::format("a test of {} tokens at depth {}: expected 1 to {} together",
                                    count, depth, context));
                }
            }
        }
    }
    return {};
}

}  // namespace

Result<Json> run_benchmark(const std::string& path, const ModelOptions& model_options,
                           const BenchmarkOptions& options,
                           const std::function<void(const std::string&)>& progress) {
    const MachineSpeed before = FACET_TRY(measure_machine(model_options.device));
    progress(fmt::format("{}, {}, {} threads: reads {:.1f} GB/s, {:.0f} Gop/s of 8-bit products",
                         before.processor, before.isa, before.threads, before.read_gb_per_s,
                         before.int8_operations_per_s * 1e-9));
    const Clock::time_point start = Clock::now();
    auto model = FACET_TRY(LoadedModel::open(path, model_options));
    const double load_seconds = seconds_since(start);
    const DevicePlan plan = FACET_TRY(plan_device(model_options.device, model->config()));
    FACET_TRY(check_lengths(options, model->config().context_length));
    int32_t context = 1;
    for (const auto* list : {&options.prompt, &options.generate}) {
        for (const int32_t count : *list) {
            for (const int32_t depth : options.depth) context = std::max(context, count + depth);
        }
    }
    auto session = FACET_TRY(Session::create(model, context));
    Benchmark benchmark(*session, options, before, plan.kv_element_bytes);
    Json tests = Json::array();
    for (const bool prompt : {true, false}) {
        for (const int32_t depth : options.depth) {
            for (const int32_t count : prompt ? options.prompt : options.generate) {
                Json test = FACET_TRY(benchmark.run(prompt, count, depth));
                progress(fmt::format("{}: {} tokens/s", test.find("test")->text,
                                     test.find("tokens_per_s")->find("median")->text));
                tests.push(std::move(test));
            }
        }
    }
    // Measuring takes memory of its own.
    struct rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    const MachineSpeed after = FACET_TRY(measure_machine(model_options.device));
    Json answer = Json::object();
    answer.set("model", Json::of(path))
        .set("device", Json::of(plan.name))
        .set("machine", machine_json(before, after));
    answer.set("load_seconds", rounded(load_seconds, 2));
    answer.set("peak_rss_bytes", Json::integer(int64_t{usage.ru_maxrss} * 1024));
    answer.set("tests", std::move(tests));
    return answer;
}

}  // namespace facet
