// What a model file holds, where the bytes of a token go, and what running it takes. Nothing is
// computed, nothing loaded.
#include <fmt/format.h>

#include <map>

#include "engine/plumbing.h"
#include "engine/session.h"

namespace facet {

namespace {

Json integer(uint64_t value) { return Json::number(fmt::format("{}", value)); }

// Tensor count and bytes for each type, the most bytes first.
Json type_table(const GgufFile& file) {
    struct Row {
        uint64_t tensors = 0, bytes = 0;
    };
    std::map<std::string_view, Row> rows;
    for (const TensorView& tensor : file.tensors()) {
        Row& row = rows[traits_of(tensor.type).name];
        ++row.tensors;
        row.bytes += tensor.bytes.size();
    }
    std::vector<std::pair<std::string_view, Row>> sorted(rows.begin(), rows.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
    Json table = Json::array();
    for (const auto& [name, row] : sorted) {
        Json json = Json::object();
        json.set("type", Json::of(name))
            .set("tensors", integer(row.tensors))
            .set("bytes", integer(row.bytes));
        table.push(std::move(json));
    }
    return table;
}

Json token_table(const TokenBytes& bytes) {
    Json table = Json::object();
    table.set("attention", integer(bytes.attention)).set("dense_ffn", integer(bytes.dense_ffn));
    table.set("experts", integer(bytes.experts)).set("router", integer(bytes.router));
    table.set("norms", integer(bytes.norms))
        .set("head", integer(bytes.head))
        .set("total", integer(bytes.total()));
    return table;
}

Json tensor_list(const GgufFile& file) {
    Json list = Json::array();
    for (const TensorView& tensor : file.tensors()) {
        Json shape = Json::array();
        for (const uint64_t size : tensor.shape) shape.push(integer(size));
        Json json = Json::object();
        json.set("name", Json::of(tensor.name)).set("type", Json::of(traits_of(tensor.type).name));
        json.set("shape", std::move(shape)).set("bytes", integer(tensor.bytes.size()));
        list.push(std::move(json));
    }
    return list;
}

Json memory_plan(const GgufFile& file, const ModelConfig& config, const DevicePlan& device,
                 int32_t context) {
    const KvPlan kv = plan_kv(config, context, device.batch_rows, device.kv_row_bytes);
    uint64_t weights = 0;
    for (const TensorView& tensor : file.tensors()) weights += tensor.bytes.size();
    // Beside the device: the logits of a session.
    const uint64_t work =
        device.work_bytes + static_cast<uint64_t>(config.vocabulary) * sizeof(float);
    Json plan = Json::object();
    plan.set("device", Json::of(device.name)).set("context", Json::integer(context));
    plan.set("weights_bytes", integer(weights)).set("kv_bytes", integer(kv.bytes()));
    plan.set("kv_sliding_bytes", integer(kv.sliding_bytes)).set("kv_global_bytes", integer(kv.global_bytes));
    plan.set("work_bytes", integer(work))
        .set("total_bytes", integer(weights + kv.bytes() + work));
    return plan;
}

}  // namespace

Result<Json> inspect_json(const std::string& path, int32_t context) {
    const GgufFile file = FACET_TRY(GgufFile::open(path));
    const ModelConfig config = FACET_TRY(ModelConfig::from_gguf(file));
    const Weights weights = FACET_TRY(bind_weights(file, config));
    context = FACET_TRY(choose_context(config, context));
    const DevicePlan device = FACET_TRY(plan_device({}, config));
    uint64_t parameters = 0;
    for (const TensorView& tensor : file.tensors()) parameters += tensor.element_count();

    Json warnings = Json::array();
    for (const std::string& warning : weights.warnings) warnings.push(Json::of(warning));
    if (const Result<Vocabulary> vocabulary = Vocabulary::from_gguf(file); !vocabulary.ok()) {
        warnings.push(Json::of("no usable tokenizer: " + vocabulary.error().message));
    }
    Json answer = Json::object();
    answer.set("path", Json::of(path)).set("file_bytes", integer(file.file_bytes()));
    answer.set("version", Json::integer(file.version())).set("architecture", Json::of("gemma4"));
    answer.set("variant", Json::of(config.variant)).set("name", Json::of(config.name));
    answer.set("layers", Json::integer(config.layer_count()))
        .set("vocabulary", Json::integer(config.vocabulary));
    answer.set("context_length", Json::integer(config.context_length))
        .set("parameters", integer(parameters));
    answer.set("types", type_table(file))
        .set("bytes_per_token", token_table(token_bytes(config, weights)));
    answer.set("memory_plan", memory_plan(file, config, device, context));
    answer.set("warnings", std::move(warnings)).set("tensors", tensor_list(file));
    return answer;
}

}  // namespace facet
