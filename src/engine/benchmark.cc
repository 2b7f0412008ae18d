// pp N: N random ids (the first is <bos>), in batches, logits of the last id only. tg N: N decodes
// of one random id each, logits every time, no sampling. @dD: D ids are in the cache before, not
// timed. One run warms up; KV is cut back between runs. Source of the definitions:
// ggml-org/llama.cpp tools/llama-bench/README.md. One thing differs: tg asks for the largest 64
// logits, as decoding does, and not for all; "head" says what that came to, and --largest 0 is
// llama-bench's way. Bytes count what was read of the head.
//
// Memory is measured before and after each test, and the time of a cache line between cores after
// each run: on a shared machine both change by themselves, and a speed without them says little.
#include "engine/benchmark.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>

#include "engine/session.h"
#include "engine/token_cost.h"

namespace facet {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// FNV-1a of the logits' bytes: equal on every machine that computes the same bits.
template <typename T>
std::string hash_of(std::span<const T> logits) {
    uint64_t hash = 0xcbf29ce484222325u;
    const auto* bytes = reinterpret_cast<const uint8_t*>(logits.data());
    for (size_t i = 0; i < logits.size_bytes(); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return fmt::format("{:016x}", hash);
}

// Time of each phase of the forward step between start() and stop(), summed.
class PhaseProfile {
  public:
    explicit PhaseProfile(const PhaseTimes* times = nullptr) : times_(times) {}

    void start() { add(-1); }
    void stop() { add(1); }

    // Milliseconds a token; null if the device takes no times.
    Json per_token(int64_t tokens) const {
        if (times_ == nullptr) return Json::null();
        Json json = Json::object();
        for (size_t i = 0; i < kPhaseNames.size(); ++i) {
            json.set(std::string(kPhaseNames[i]),
                     Json::rounded(
                         static_cast<double>(sums_[i]) * 1e-6 / static_cast<double>(tokens), 5));
        }
        return json;
    }

  private:
    void add(int64_t sign) {
        if (times_ == nullptr) return;
        for (size_t i = 0; i < sums_.size(); ++i)
            sums_[i] += sign * times_->nanoseconds(static_cast<Phase>(i));
    }

    const PhaseTimes* times_;
    std::array<int64_t, kPhaseNames.size()> sums_ = {};
};

// What the output head did between start() and stop(), summed.
class HeadProfile {
  public:
    explicit HeadProfile(const HeadCounts* counts = nullptr) : counts_(counts) {}

    void start() { add(-1); }
    void stop() { add(1); }

    bool counts() const { return counts_ != nullptr; }
    double bytes_per_row() const {
        return static_cast<double>(sum_.bytes) / static_cast<double>(sum_.rows);
    }
    // In words, and the shares of logits that were computed and of rows where all had to be.
    void report(int32_t largest, int32_t vocabulary, Json& test) const {
        const auto rows = static_cast<double>(sum_.rows);
        const bool estimated = sum_.estimated_rows > 0;
        test.set("head", Json::of(fmt::format("{}, {} of {}", estimated ? "two-stage" : "one-stage",
                                              largest > 0 ? fmt::format("{}", largest) : "all",
                                              vocabulary)));
        test.set("head_computed_share",
                 Json::rounded(static_cast<double>(sum_.logits) / rows / vocabulary, 5));
        test.set("head_estimated_rows", Json::integer(sum_.estimated_rows));
        test.set("head_complete_rows", Json::integer(sum_.complete_rows));
    }

  private:
    void add(int64_t sign) {
        if (counts_ == nullptr) return;
        sum_.rows += sign * counts_->rows;
        sum_.estimated_rows += sign * counts_->estimated_rows;
        sum_.complete_rows += sign * counts_->complete_rows;
        sum_.logits += sign * counts_->logits;
        sum_.bytes += static_cast<uint64_t>(sign) * counts_->bytes;
    }

    const HeadCounts* counts_;
    HeadCounts sum_;
};

// Two measurements of one thing so far apart that they belong to two states of the machine.
bool state_differs(double a, double b) {
    return a > 0 && b > 0 && std::max(a, b) > 1.25 * std::min(a, b);
}

class Benchmark {
  public:
    Benchmark(Session& session, const BenchmarkOptions& options, const MachineSpeed& machine,
              const MemoryProbe& probe, std::vector<uint64_t> kv_row_bytes)
        : session_(session),
          options_(options),
          machine_(machine),
          probe_(probe),
          kv_row_bytes_(std::move(kv_row_bytes)),
          cost_(session.model().config(), session.model().weights()) {
        std::mt19937 random(42);
        ids_.resize(static_cast<size_t>(session.context()));
        const auto vocabulary = static_cast<uint32_t>(session.model().config().vocabulary);
        for (int32_t& id : ids_) id = static_cast<int32_t>(random() % vocabulary);
        constexpr int32_t kUsualBos = 2;
        const auto tokenizer = session.model().tokenizer();
        ids_[0] = tokenizer.ok() ? tokenizer.value()->vocabulary().id_of(Special::kBos)
                                 : std::min(kUsualBos, session.model().config().vocabulary - 1);
    }

    Result<Json> run(bool prompt, int32_t count, int32_t depth) {
        Runs runs;
        runs.profile = PhaseProfile(session_.phase_times());
        runs.head = HeadProfile(session_.head_counts());
        FACET_TRY(once(prompt, count, depth, nullptr));  // warms up
        runs.before = probe_.measure(kProbeSeconds);
        runs.ping_pong_ns.push_back(runs.before.ping_pong_ns);
        for (int32_t i = 0; i < options_.repetitions; ++i) {
            runs.speeds.push_back(count / FACET_TRY(once(prompt, count, depth, &runs)));
            if (i + 1 < options_.repetitions) runs.ping_pong_ns.push_back(probe_.ping_pong_ns());
        }
        runs.after = probe_.measure(kProbeSeconds);
        runs.ping_pong_ns.push_back(runs.after.ping_pong_ns);
        return report(prompt, count, depth, std::move(runs));
    }

  private:
    static constexpr double kProbeSeconds = 0.1;

    struct Runs {
        std::vector<double> speeds;        // tokens a second
        std::vector<double> ping_pong_ns;  // before the first run and after each
        PhaseProfile profile;
        HeadProfile head;
        MemoryState before, after;
    };

    // Seconds of one run.
    Result<double> once(bool prompt, int32_t count, int32_t depth, Runs* runs) {
        LogitWish wish;
        session_.want(wish);
        FACET_TRY(fill(depth));
        wish.largest = prompt ? 0 : options_.largest;
        wish.all = wish.largest == 0;
        session_.want(wish);
        if (runs != nullptr) {
            runs->profile.start();
            runs->head.start();
        }
        const Clock::time_point start = Clock::now();
        if (prompt) {
            FACET_TRY(session_.set_ids(std::span(ids_).first(static_cast<size_t>(depth + count))));
        } else {
            for (int32_t n = 0; n < count; ++n)
                FACET_TRY(session_.append(ids_[static_cast<size_t>(depth + n)]));
        }
        const double seconds = seconds_since(start);
        if (runs != nullptr) {
            runs->profile.stop();
            runs->head.stop();
        }
        return seconds;
    }

    // Brings the cache to `depth` ids; what it already holds of them is kept.
    Status fill(int32_t depth) {
        if (depth == 0) {
            session_.forget();
        } else {
            FACET_TRY(session_.set_ids(std::span(ids_).first(static_cast<size_t>(depth))));
        }
        return {};
    }

    Json report(bool prompt, int32_t count, int32_t depth, Runs runs) const {
        Json speeds = Json::array(), ping_pongs = Json::array(), reads = Json::array();
        for (const double speed : runs.speeds) speeds.push(Json::rounded(speed, 3));
        for (const double ping_pong : runs.ping_pong_ns)
            ping_pongs.push(Json::rounded(ping_pong, 0));
        for (const MemoryState& state : {runs.before, runs.after})
            reads.push(Json::rounded(state.read_gb_per_s, 2));
        std::sort(runs.speeds.begin(), runs.speeds.end());
        const double median = runs.speeds[runs.speeds.size() / 2];
        Json tokens_per_s = Json::object();
        tokens_per_s.set("median", Json::rounded(median, 3))
            .set("best", Json::rounded(runs.speeds.back(), 3))
            .set("runs", std::move(speeds));
        double bytes = 0;
        const double head =
            runs.head.counts() ? runs.head.bytes_per_row() : cost_.whole_head_bytes();
        for (int32_t n = 0; n < count; ++n)
            bytes += cost_.decode_bytes(depth + n, kv_row_bytes_, head);
        const double gb_per_s = bytes / count * median * 1e-9;
        // The better of the two: a share must not look good because the machine was slow once.
        const double read = std::max(runs.before.read_gb_per_s, runs.after.read_gb_per_s);
        const double peak_share =
            cost_.prompt_operations(depth, count) / count * median / machine_.int8_operations_per_s;
        const auto [low, high] =
            std::minmax_element(runs.ping_pong_ns.begin(), runs.ping_pong_ns.end());
        Json test = Json::object();
        test.set("test",
                 Json::of(fmt::format("{}{}{}", prompt ? "pp" : "tg", count,
                                      depth > 0 ? fmt::format("@d{}", depth) : std::string())));
        test.set("tokens_per_s", std::move(tokens_per_s));
        test.set("gb_per_s", prompt ? Json::null() : Json::rounded(gb_per_s, 2));
        test.set("bandwidth_share",
                 prompt || read == 0 ? Json::null() : Json::rounded(gb_per_s / read, 4));
        test.set("peak_share", prompt ? Json::rounded(peak_share, 4) : Json::null());
        const bool all = prompt || options_.largest == 0;
        test.set("logits_hash", Json::of(all ? hash_of(std::span<const float>(session_.logits()))
                                             : hash_of(session_.best_logits())));
        if (!prompt && runs.head.counts()) {
            runs.head.report(options_.largest, session_.model().config().vocabulary, test);
        }
        test.set("read_gb_per_s", std::move(reads)).set("ping_pong_ns", std::move(ping_pongs));
        test.set("state_changed",
                 Json::of(state_differs(*low, *high) ||
                          state_differs(runs.before.read_gb_per_s, runs.after.read_gb_per_s)));
        double seconds = 0;
        for (const double speed : runs.speeds) seconds += 1 / speed;
        test.set("ms_per_token",
                 Json::rounded(1000 * seconds / static_cast<double>(runs.speeds.size()), 5));
        test.set("profile_ms_per_token",
                 runs.profile.per_token(int64_t{count} * options_.repetitions));
        return test;
    }

    Session& session_;
    const BenchmarkOptions& options_;
    const MachineSpeed& machine_;
    const MemoryProbe& probe_;
    std::vector<uint64_t> kv_row_bytes_;
    TokenCost cost_;
    std::vector<int32_t> ids_;
};

Json machine_json(const MachineSpeed& machine, const MemoryState& before,
                  const MemoryState& after) {
    Json json = Json::object();
    json.set("cpu", Json::of(machine.processor)).set("isa", Json::of(machine.isa));
    json.set("threads", Json::integer(machine.threads));
    json.set("read_gb_per_s_before", Json::rounded(before.read_gb_per_s, 2));
    json.set("read_gb_per_s_after", Json::rounded(after.read_gb_per_s, 2));
    json.set("ping_pong_ns_before", Json::rounded(before.ping_pong_ns, 0));
    json.set("ping_pong_ns_after", Json::rounded(after.ping_pong_ns, 0));
    json.set("state_changed", Json::of(state_differs(before.read_gb_per_s, after.read_gb_per_s) ||
                                       state_differs(before.ping_pong_ns, after.ping_pong_ns)));
    json.set("int8_peak_gop_per_s", Json::rounded(machine.int8_operations_per_s * 1e-9, 1));
    return json;
}

uint64_t peak_rss_bytes() {
    struct rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

int32_t longest(const BenchmarkOptions& options) {
    int32_t context = 1;
    for (const auto* list : {&options.prompt, &options.generate}) {
        for (const int32_t count : *list) {
            for (const int32_t depth : options.depth) context = std::max(context, count + depth);
        }
    }
    return context;
}

Status check_lengths(const BenchmarkOptions& options, int32_t context) {
    if (options.repetitions < 1) return invalid_input("repetitions: expected 1 or more");
    if (options.largest < 0) return invalid_input("largest: expected 0 or more");
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

Result<Json> run_benchmark(const std::string& path, EngineOptions engine_options,
                           const BenchmarkOptions& options,
                           const std::function<void(const std::string&)>& progress) {
    const MachineSpeed machine = FACET_TRY(measure_machine(engine_options.model.device));
    // The memory to measure on is given back while the model is loaded: it may need all there is.
    const MemoryState before =
        FACET_TRY(MemoryProbe::create(engine_options.model.device, MemoryProbe::kBytes))
            .measure(0.5);
    progress(
        fmt::format("{}, {}, {} threads: reads {:.1f} GB/s, a cache line takes {:.0f} ns, "
                    "{:.0f} Gop/s of 8-bit products",
                    machine.processor, machine.isa, machine.threads, before.read_gb_per_s,
                    before.ping_pong_ns, machine.int8_operations_per_s * 1e-9));
    const Clock::time_point start = Clock::now();
    const bool synthetic = !options.synthetic.empty();
    engine_options.synthetic = options.synthetic;
    engine_options.type_mix = options.type_mix;
    engine_options.memory = {longest(options), 0};
    auto engine = FACET_TRY(Engine::open(path, engine_options));
    const double load_seconds = seconds_since(start);
    const uint64_t load_peak = peak_rss_bytes();
    progress(fmt::format("loaded in {:.1f} s", load_seconds));
    const DevicePlan plan =
        FACET_TRY(plan_device(engine_options.model.device, engine->model().config()));
    FACET_TRY(check_lengths(options, engine->model().config().context_length));
    auto session = FACET_TRY(Session::create(engine));
    const MemoryProbe probe =
        FACET_TRY(MemoryProbe::create(engine_options.model.device, MemoryProbe::kBytes));
    Benchmark benchmark(*session, options, machine, probe, plan.kv_row_bytes);
    Json tests = Json::array();
    for (const int32_t depth : options.depth) {
        for (const bool prompt : {true, false}) {
            for (const int32_t count : prompt ? options.prompt : options.generate) {
                Json test = FACET_TRY(benchmark.run(prompt, count, depth));
                progress(fmt::format("{}: {} tokens/s", test.find("test")->text,
                                     test.find("tokens_per_s")->find("median")->text));
                tests.push(std::move(test));
            }
        }
    }
    const MemoryState after = probe.measure(0.5);
    Json answer = Json::object();
    answer
        .set("model", Json::of(synthetic ? fmt::format("synthetic {} {}", options.synthetic,
                                                       options.type_mix)
                                         : path))
        .set("device", Json::of(plan.name))
        .set("machine", machine_json(machine, before, after));
    answer.set("load_seconds", Json::rounded(load_seconds, 2));
    // The probe is no part of what running the model takes.
    const uint64_t peak = std::max(load_peak, peak_rss_bytes() - probe.bytes());
    answer.set("peak_rss_bytes", Json::unsigned_integer(peak));
    answer.set("tests", std::move(tests));
    return answer;
}

}  // namespace facet
