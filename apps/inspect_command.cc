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
    bool tensors = false;
    parser.group("Options");
    parser.text("-m,--model", "FILE", "the same as FILE", model);
    parser.integer("-c,--ctx", "N", "context to plan memory for (0: the default)", 0,
                   std::numeric_limits<int32_t>::max(), context);
    parser.flag("--tensors", "list every tensor", tensors);
    parser.flag("--json", "print everything as one JSON object", json);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (parser.words().size() + (model.empty() ? 0 : 1) > 1)
        return parser.wrong_use("expected one FILE");
    if (!parser.words().empty()) model = parser.words().front();

    const auto path = find_model_file(model);
    if (!path.ok()) return fail(path.error());
    const auto answer =
        api_text([&](char** out) { return facet_inspect(path.value().c_str(), context, out); });
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
