// `facet bench`: speed as llama-bench defines it, beside what the machine can do. The JSON is
// facet_bench's.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api.h"
#include "commands.h"
#include "console.h"
#include "loading_view.h"
#include "model_file.h"
#include "options.h"
#include "terminal_text.h"

namespace facet::app {

namespace {

// "512,2048" as a JSON array. Errors: anything but whole numbers from `min` on.
Result<Json> parse_lengths(const std::string& text, int64_t min) {
    Json lengths = Json::array();
    size_t begin = 0;
    while (true) {
        const size_t comma = text.find(',', begin);
        const std::string one =
            text.substr(begin, comma == std::string::npos ? comma : comma - begin);
        lengths.push(Json::integer(FACET_TRY(parse_integer(one, min, 1 << 24))));
        if (comma == std::string::npos) return lengths;
        begin = comma + 1;
    }
}

std::string text_of(const Json& object, std::string_view member) {
    const Json* value = object.find(member);
    return value == nullptr || value->is_null() ? "" : neutralize(value->text);
}

// A share such as 0.914 as "91 %"; empty if there is none.
std::string percent_of(const Json& test, std::string_view member) {
    const Json* value = test.find(member);
    if (value == nullptr || !value->is_number()) return "";
    return fmt::format("{:.0f} %", 100 * value->to_double().take());
}

// Where the time of a token went: a row for each phase, largest first, and how much of the token
// they explain.
std::string profile(const Json& test) {
    const Json* phases = test.find("profile_ms_per_token");
    if (phases == nullptr || phases->is_null()) return "";
    std::vector<std::pair<double, std::string>> rows;
    double sum = 0;
    for (const auto& [name, ms] : phases->members) {
        rows.emplace_back(ms.to_double().take(), name);
        sum += rows.back().first;
    }
    std::sort(rows.rbegin(), rows.rend());
    const double token = test.find("ms_per_token")->to_double().take();
    std::string out = fmt::format("\n{}: {:.3f} ms a token, {:.3f} of them in these phases\n",
                                  text_of(test, "test"), token, sum);
    for (const auto& [ms, name] : rows)
        out += fmt::format("  {:<24}{:>10.3f} ms{:>8.1f} %\n", name, ms, 100 * ms / token);
    return out;
}

std::string table(const Json& report) {
    const Json& machine = *report.find("machine");
    std::string out =
        fmt::format("{} on {}, {}, {} threads\n", text_of(report, "model"), text_of(machine, "cpu"),
                    text_of(machine, "isa"), text_of(machine, "threads"));
    out += fmt::format("{} Gop/s of 8-bit products; loaded in {} s, peak memory {:.2f} GB\n\n",
                       text_of(machine, "int8_peak_gop_per_s"), text_of(report, "load_seconds"),
                       report.find("peak_rss_bytes")->to_double().take() * 1e-9);
    constexpr const char* kRow = "{:<14}{:>10}{:>9}{:>8}{:>11}{:>9}  {}\n";
    out += fmt::format(fmt::runtime(kRow), "test", "tokens/s", "best", "GB/s", "of memory",
                       "of peak", "memory before, after");
    std::string heads;
    bool changed = false;
    for (const Json& test : report.find("tests")->items) {
        const Json& speed = *test.find("tokens_per_s");
        const std::vector<Json>& reads = test.find("read_gb_per_s")->items;
        const bool marked = test.find("state_changed")->boolean;
        changed = changed || marked;
        if (const std::string head = text_of(test, "head"); !head.empty())
            heads += fmt::format("{}: output head {}\n", text_of(test, "test"), head);
        out += fmt::format(fmt::runtime(kRow), text_of(test, "test"), text_of(speed, "median"),
                           text_of(speed, "best"), text_of(test, "gb_per_s"),
                           percent_of(test, "bandwidth_share"), percent_of(test, "peak_share"),
                           fmt::format("{}, {} GB/s{}", neutralize(reads.front().text),
                                       neutralize(reads.back().text), marked ? " *" : ""));
    }
    if (!heads.empty()) out += "\n" + heads;
    if (changed) {
        out +=
            "\n* The machine's memory changed by more than a quarter during this test, so its\n"
            "  runs are not alike. The list of runs in --json has the state of each.\n";
    }
    return out;
}

void show_line(const char* line, void*) { note(neutralize(line)); }

}  // namespace

int run_bench(int argc, char** argv) {
    OptionParser parser("bench [options]",
                        "Measures prefill and decode, beside what the machine can do at best.",
                        "  facet bench -m model.gguf\n"
                        "  facet bench --synthetic 26b-a4b --type Q4_K_M\n"
                        "  facet bench -m model.gguf -p 512,2048 -n 64 -d 0,4096 -r 5 --json\n");
    ModelOptions model;
    bool json = false, profiles = false;
    Json request = Json::object();
    const auto lengths = [&request](const char* member, int64_t min) {
        return [&request, member, min](const std::string& text) -> Status {
            request.set(member, FACET_TRY(parse_lengths(text, min)));
            return {};
        };
    };
    int32_t repetitions = 5, largest = 64;
    std::string synthetic, type;
    parser.group("Instead of a file: random weights, made in memory");
    parser.text("--synthetic", "VARIANT", "26b-a4b, 26b-a4b-6l or 31b", synthetic);
    parser.text("--type", "MIX", "F16, Q8_0, Q6_K, Q4_0, Q2_K, ... (Q4_K_M)", type);
    parser.group("Tests");
    parser.each("-p,--prompt", "N,...", "prompt lengths to prefill (512)", lengths("prompt", 1));
    parser.each("-n,--generate", "N,...", "tokens to decode one by one (64)",
                lengths("generate", 1));
    parser.each("-d,--depth", "N,...", "tokens in the context before (0)", lengths("depth", 0));
    parser.integer("-r,--repetitions", "N", "runs of each test (5)", 1, 1000, repetitions);
    parser.integer("--largest", "N", "logits that a decoded token asks for (64; 0: all)", 0, 1024,
                   largest);
    parser.flag("--profile", "where the time of a token goes", profiles);
    parser.flag("--json", "one JSON object", json);
    add_model_options(parser, model);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (!parser.words().empty()) return parser.wrong_use("bench takes no words");
    request.set("repetitions", Json::integer(repetitions));
    request.set("largest", Json::integer(largest));

    if (!synthetic.empty() && !model.path.empty())
        return parser.wrong_use("expected -m or --synthetic, not both");
    if (synthetic.empty() && !type.empty())
        return parser.wrong_use("--type is for --synthetic; a file has its own types");
    std::string path;
    if (synthetic.empty()) {
        const auto found = find_model_file(model.path);
        if (!found.ok()) return fail(found.error());
        path = found.value();
    } else {
        request.set("synthetic", Json::of(synthetic));
        if (!type.empty()) request.set("type", Json::of(type));
    }
    ApiModelOptions options(model);
    LoadingView view(path, *options.get());
    const auto report = api_text([&](char** out) {
        return facet_bench(path.c_str(), options.get(), request.dump().c_str(), show_line, nullptr,
                           out);
    });
    view.end();
    if (!report.ok()) return fail(report.error());
    if (json) return write_stdout(report.value() + "\n") ? kExitOk : kExitFailed;
    const auto parsed = Json::parse(report.value());
    if (!parsed.ok()) return fail(parsed.error());
    std::string out = table(parsed.value());
    for (const Json& test : parsed.value().find("tests")->items)
        if (profiles) out += profile(test);
    return write_stdout(out) ? kExitOk : kExitFailed;
}

}  // namespace facet::app
