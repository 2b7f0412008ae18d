// `facet inspect`: what is in a model file, and what running it takes. The JSON is facet_inspect's.
#include <fmt/format.h>

#include <limits>

#include "api.h"
#include "commands.h"
#include "console.h"
#include "model_file.h"
#include "options.h"
#include "progress.h"
#include "terminal_text.h"

namespace facet::app {

namespace {

// A member of a JSON object as a number; 0 where it is missing.
long long number(const Json* object, std::string_view member) {
    const Json* value = object == nullptr ? nullptr : object->find(member);
    if (value == nullptr) return 0;
    const auto integer = value->to_integer();
    return integer.ok() ? integer.value() : 0;
}

double real(const Json& object, std::string_view member) {
    const Json* value = object.find(member);
    const auto found = value == nullptr ? Result<double>(0.0) : value->to_double();
    return found.ok() ? found.value() : 0;
}

std::string text(const Json& object, std::string_view member) {
    const Json* value = object.find(member);
    return value == nullptr ? "" : neutralize(value->text);
}

const std::vector<Json>& list(const Json& object, std::string_view member) {
    static const std::vector<Json> kNone;
    const Json* value = object.find(member);
    return value == nullptr ? kNone : value->items;
}

// Bytes in MB (10^6), small amounts with a decimal so that they do not vanish.
std::string megabytes(long long bytes) {
    if (bytes >= 10'000'000 || bytes == 0) return grouped((bytes + 500'000) / 1'000'000) + " MB";
    return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}

void row(std::string& out, std::string_view label, std::string_view value) {
    out += fmt::format("  {:<22}{:>14}\n", label, value);
}

void add_heading(std::string& out, const std::string& path, const Json& file) {
    out += fmt::format("{}\n", neutralize(path));
    out += fmt::format("  {} ({}), {} parameters, context {} tokens\n",
                       text(file, "name").empty() ? "unnamed" : text(file, "name"),
                       text(file, "variant"), grouped(number(&file, "parameters")),
                       grouped(number(&file, "context_length")));
    out += fmt::format("  GGUF version {}, architecture {}, {}\n", number(&file, "version"),
                       text(file, "architecture"), megabytes(number(&file, "file_bytes")));
}

void add_bytes_per_token(std::string& out, const Json& file) {
    const Json* groups = file.find("bytes_per_token");
    if (groups == nullptr) return;
    out += "\nRead for each token\n";
    for (const auto& [name, bytes] : groups->members) {
        if (name == "total") out += "  " + std::string(34, '-') + "\n";
        std::string label = neutralize(name);
        for (char& c : label) c = c == '_' ? ' ' : c;
        const long long value = number(groups, name);
        row(out, label, megabytes(value));
    }
}

void add_types(std::string& out, const Json& file) {
    out += "\nTensor types\n";
    for (const Json& type : list(file, "types")) {
        out += fmt::format("  {:<10}{:>6} tensors{:>18}\n", text(type, "type"),
                           grouped(number(&type, "tensors")), megabytes(number(&type, "bytes")));
    }
}

void add_memory_plan(std::string& out, const Json& file) {
    const Json* plan = file.find("memory_plan");
    if (plan == nullptr) return;
    out += fmt::format("\nMemory with a context of {} tokens\n", grouped(number(plan, "context")));
    row(out, "weights", megabytes(number(plan, "weights_bytes")));
    row(out, "KV cache, sliding", megabytes(number(plan, "kv_sliding_bytes")));
    row(out, "KV cache, global", megabytes(number(plan, "kv_global_bytes")));
    row(out, "working memory", megabytes(number(plan, "work_bytes")));
    out += "  " + std::string(34, '-') + "\n";
    row(out, "total", megabytes(number(plan, "total_bytes")));
    if (number(plan, "limit_bytes") > number(plan, "total_bytes")) {
        out += fmt::format("  and up to {} more to remember other conversations\n",
                           megabytes(number(plan, "limit_bytes") - number(plan, "total_bytes")));
    }
    const Json* available = plan->find("available_bytes");
    if (available == nullptr || available->is_null()) return;
    out += fmt::format("  {}: this machine has {} left\n",
                       plan->find("fits")->boolean ? "It fits" : "IT DOES NOT FIT",
                       megabytes(number(plan, "available_bytes")));
}

void add_kv_by_context(std::string& out, const Json& file) {
    if (list(file, "kv_by_context").empty()) return;
    out += "\nKV cache of long contexts\n";
    for (const Json& at : list(file, "kv_by_context")) {
        out += fmt::format("  {:>7} tokens", grouped(number(&at, "context")));
        for (const auto& [name, bytes] : at.members) {
            if (!name.ends_with("_bytes")) continue;
            out += fmt::format("{:>14} in {}", megabytes(number(&at, name)),
                               neutralize(name.substr(0, name.size() - 6)));
        }
        out += "\n";
    }
}

// One length's prediction: what it will be, and of what.
void add_predicted(std::string& out, const Json& at, std::string_view what, double read,
                   double peak) {
    const double bytes = real(at, "bytes_per_token"), operations = real(at, "operations_per_token");
    out += fmt::format("  {:<24}{:>8.1f} tokens/s, ", what, real(at, "tokens_per_s"));
    out +=
        text(at, "bound_by") == "memory"
            ? fmt::format("bound by memory: {:.0f} MB a token at {:.1f} GB/s\n", bytes * 1e-6, read)
            : fmt::format("bound by arithmetic: {:.2f} Gop a token at {:.0f} Gop/s\n",
                          operations * 1e-9, peak);
}

void add_prediction(std::string& out, const Json& file) {
    const Json* prediction = file.find("prediction");
    if (prediction == nullptr || prediction->is_null()) return;
    const double read =
        real(*prediction, "read_gb_per_s") * real(*prediction, "reached_of_bandwidth");
    const double peak =
        real(*prediction, "int8_peak_gop_per_s") * real(*prediction, "reached_of_peak");
    out +=
        fmt::format("\nExpected on this machine ({}, {}, {} threads)\n", text(*prediction, "cpu"),
                    text(*prediction, "isa"), text(*prediction, "threads"));
    for (const Json& at : list(*prediction, "decode")) {
        const std::string what =
            number(&at, "depth") == 0
                ? "writing"
                : fmt::format("writing after {}", grouped(number(&at, "depth")));
        add_predicted(out, at, what, read, peak);
    }
    for (const Json& at : list(*prediction, "prefill"))
        add_predicted(out, at, fmt::format("reading {}", grouped(number(&at, "tokens"))), read,
                      peak);
    out += fmt::format(
        "  Measured just now: memory {} GB/s, 8-bit products {} Gop/s; counted on are {:.0f} % "
        "and\n"
        "  {:.0f} % of that. `facet bench` measures the model itself.\n",
        text(*prediction, "read_gb_per_s"), text(*prediction, "int8_peak_gop_per_s"),
        100 * real(*prediction, "reached_of_bandwidth"),
        100 * real(*prediction, "reached_of_peak"));
}

void add_tensors(std::string& out, const Json& file) {
    out += "\nTensors\n";
    for (const Json& tensor : list(file, "tensors")) {
        std::string shape;
        for (const Json& size : list(tensor, "shape"))
            shape += (shape.empty() ? "" : " x ") + neutralize(size.text);
        out += fmt::format("  {:<40} {:<6} {:>22} {:>16}\n", text(tensor, "name"),
                           text(tensor, "type"), shape, grouped(number(&tensor, "bytes")));
    }
}

std::string page(const std::string& path, const Json& file, bool tensors) {
    std::string out;
    add_heading(out, path, file);
    add_bytes_per_token(out, file);
    add_types(out, file);
    add_memory_plan(out, file);
    add_kv_by_context(out, file);
    add_prediction(out, file);
    if (tensors) add_tensors(out, file);
    if (!list(file, "warnings").empty()) out += "\nWarnings\n";
    for (const Json& warning : list(file, "warnings"))
        out += fmt::format("  {}\n", neutralize(warning.text));
    return out;
}

}  // namespace

int run_inspect(int argc, char** argv) {
    OptionParser parser("inspect [options] [FILE]",
                        "Shows what is in a model file and what running it takes.",
                        "  facet inspect gemma-4-26B-A4B-it-Q4_K_M.gguf\n"
                        "  facet inspect --tensors -c 32768 model.gguf\n"
                        "  facet inspect --json model.gguf | jq .bytes_per_token\n");
    std::string model;
    int32_t context = 0;
    bool json = false;
    bool no_measure = false;
    bool tensors = false;
    parser.group("Options");
    parser.text("-m,--model", "FILE", "the same as FILE", model);
    parser.integer("-c,--ctx", "N", "context to plan memory for (0: the most that fits)", 0,
                   std::numeric_limits<int32_t>::max(), context);
    parser.flag("--tensors", "list every tensor", tensors);
    parser.flag("--no-measure", "do not measure this machine to predict speed", no_measure);
    parser.flag("--json", "print everything as one JSON object", json);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (parser.words().size() + (model.empty() ? 0 : 1) > 1)
        return parser.wrong_use("expected one FILE");
    if (!parser.words().empty()) model = parser.words().front();

    const auto path = find_model_file(model);
    if (!path.ok()) return fail(path.error());
    const auto answer = api_text([&](char** out) {
        return facet_inspect(path.value().c_str(), context, no_measure ? 0 : 1, out);
    });
    if (!answer.ok()) return fail(answer.error());
    if (json) {
        write_stdout(answer.value() + "\n");
        return kExitOk;
    }
    const auto file = Json::parse(answer.value());
    if (!file.ok()) return fail(file.error());
    write_stdout(page(path.value(), file.value(), tensors));
    return kExitOk;
}

}  // namespace facet::app
