// What a model file holds, where the bytes of a token go, what running it takes, and how fast this
// machine will be at it. Nothing of the model is loaded.
#include <fmt/format.h>

#include <map>

#include "base/memory.h"
#include "engine/memory_plan.h"
#include "engine/plumbing.h"
#include "engine/prediction.h"

namespace facet {

namespace {

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
            .set("tensors", Json::unsigned_integer(row.tensors))
            .set("bytes", Json::unsigned_integer(row.bytes));
        table.push(std::move(json));
    }
    return table;
}

Json token_table(const TokenBytes& bytes) {
    Json table = Json::object();
    table.set("attention", Json::unsigned_integer(bytes.attention))
        .set("dense_ffn", Json::unsigned_integer(bytes.dense_ffn));
    table.set("experts", Json::unsigned_integer(bytes.experts))
        .set("router", Json::unsigned_integer(bytes.router));
    table.set("norms", Json::unsigned_integer(bytes.norms))
        .set("head", Json::unsigned_integer(bytes.head))
        .set("total", Json::unsigned_integer(bytes.total()));
    return table;
}

Json tensor_list(const GgufFile& file) {
    Json list = Json::array();
    for (const TensorView& tensor : file.tensors()) {
        Json shape = Json::array();
        for (const uint64_t size : tensor.shape) shape.push(Json::unsigned_integer(size));
        Json json = Json::object();
        json.set("name", Json::of(tensor.name)).set("type", Json::of(traits_of(tensor.type).name));
        json.set("shape", std::move(shape))
            .set("bytes", Json::unsigned_integer(tensor.bytes.size()));
        list.push(std::move(json));
    }
    return list;
}

// KV memory of long contexts, in each form that a cache may have.
Result<Json> kv_table(const ModelConfig& config) {
    Json table = Json::array();
    for (const int32_t context : {32768, 131072, 262144}) {
        if (context > config.context_length) break;
        Json row = Json::object();
        row.set("context", Json::integer(context));
        for (const auto& [name, type] :
             {std::pair{"f16_bytes", KvType::kF16}, {"q8_0_bytes", KvType::kQ8_0}}) {
            DeviceOptions options;
            options.kv = type;
            const DevicePlan plan = FACET_TRY(plan_device(options, config));
            row.set(name,
                    Json::unsigned_integer(
                        plan_kv(config, context, plan.batch_rows, plan.kv_row_bytes).bytes()));
        }
        table.push(std::move(row));
    }
    return table;
}

Json prediction_json(const char* length_name, int32_t length, const Prediction& prediction) {
    Json json = Json::object();
    json.set(length_name, Json::integer(length));
    json.set("tokens_per_s", Json::rounded(prediction.tokens_per_s, 2));
    json.set("bytes_per_token", Json::rounded(prediction.bytes, 0));
    json.set("operations_per_token", Json::rounded(prediction.operations, 0));
    json.set("bound_by", Json::of(prediction.memory_bound ? "memory" : "arithmetic"));
    return json;
}

// Measures this machine and says what the model will do on it.
Result<Json> prediction(const GgufFile& file, const ModelConfig& config, const Weights& weights,
                        const DevicePlan& device) {
    const MachineSpeed machine = FACET_TRY(measure_machine({}));
    const MemoryState memory =
        FACET_TRY(MemoryProbe::create({}, MemoryProbe::kQuickBytes)).measure(0.2);
    if (memory.read_gb_per_s == 0) return Json::null();
    const MachineLimits limits{memory.read_gb_per_s * 1e9, machine.int8_operations_per_s};
    const TokenCost cost(config, weights);
    const double head_share = expected_head_share({}, weights);
    Json decode = Json::array(), prefill = Json::array();
    for (const int32_t depth : {0, 4096, 32768}) {
        if (depth >= config.context_length) break;
        decode.push(prediction_json(
            "depth", depth, predict_decode(cost, depth, device.kv_row_bytes, head_share, limits)));
    }
    for (const int32_t count : {512, 4096, 32768}) {
        if (count > config.context_length) break;
        prefill.push(
            prediction_json("tokens", count,
                            predict_prefill(cost, count, device.batch_rows,
                                            static_cast<double>(file.tensor_bytes()), limits)));
    }
    Json answer = Json::object();
    answer.set("cpu", Json::of(machine.processor)).set("isa", Json::of(machine.isa));
    answer.set("threads", Json::integer(machine.threads));
    answer.set("read_gb_per_s", Json::rounded(memory.read_gb_per_s, 2));
    answer.set("ping_pong_ns", Json::rounded(memory.ping_pong_ns, 0));
    answer.set("int8_peak_gop_per_s", Json::rounded(machine.int8_operations_per_s * 1e-9, 1));
    answer.set("reached_of_bandwidth", Json::rounded(kReachedOfBandwidth, 2));
    answer.set("reached_of_peak", Json::rounded(kReachedOfPeak, 2));
    answer.set("head_share", Json::rounded(head_share, 3));
    answer.set("decode", std::move(decode)).set("prefill", std::move(prefill));
    return answer;
}

}  // namespace

Json plan_json(const MemoryPlan& plan) {
    Json json = Json::object();
    json.set("context", Json::integer(plan.context))
        .set("weights_bytes", Json::unsigned_integer(plan.weights_bytes));
    json.set("kv_bytes", Json::unsigned_integer(plan.conversation.bytes()))
        .set("kv_sliding_bytes", Json::unsigned_integer(plan.conversation.sliding_bytes))
        .set("kv_global_bytes", Json::unsigned_integer(plan.conversation.global_bytes))
        .set("kv_budget_bytes", Json::unsigned_integer(plan.kv_bytes));
    json.set("work_bytes", Json::unsigned_integer(plan.work_bytes))
        .set("total_bytes", Json::unsigned_integer(plan.total_bytes()))
        .set("limit_bytes", Json::unsigned_integer(plan.limit_bytes()));
    const bool is_known = plan.available_bytes != UINT64_MAX;
    json.set("available_bytes",
             is_known ? Json::unsigned_integer(plan.available_bytes) : Json::null());
    json.set("fits", Json::of(plan.fits()));
    return json;
}

Json metrics_json(const SchedulerMetrics& metrics) {
    Json json = Json::object();
    const std::pair<const char*, uint64_t> counters[] = {
        {"requests", metrics.requests},
        {"finished", metrics.finished},
        {"cancelled", metrics.cancelled},
        {"failed", metrics.failed},
        {"refused", metrics.refused},
        {"prompt_tokens", metrics.prompt_tokens},
        {"cached_tokens", metrics.cached_tokens},
        {"computed_tokens", metrics.computed_tokens},
        {"reply_tokens", metrics.reply_tokens},
        {"steps", metrics.steps},
        {"preempted", metrics.preempted},
        {"dropped_pages", metrics.dropped_pages},
        {"running", static_cast<uint64_t>(metrics.running)},
        {"waiting", static_cast<uint64_t>(metrics.waiting)},
        {"kv_used_bytes", metrics.kv_used_bytes},
        {"kv_budget_bytes", metrics.kv_budget_bytes},
        {"saved_files", metrics.saved_files},
        {"saved_bytes", metrics.saved_bytes}};
    for (const auto& [name, value] : counters) json.set(name, Json::unsigned_integer(value));
    return json;
}

Result<Json> inspect_json(const std::string& path, int32_t context, bool measure) {
    const GgufFile file = FACET_TRY(GgufFile::open(path));
    const ModelConfig config = FACET_TRY(ModelConfig::from_gguf(file));
    const Weights weights = FACET_TRY(bind_weights(file, config));
    const DevicePlan device = FACET_TRY(plan_device({}, config));
    const MemoryPlan plan = FACET_TRY(
        plan_memory(config, device, file.tensor_bytes(), {context, 0}, available_memory_bytes()));
    uint64_t parameters = 0;
    for (const TensorView& tensor : file.tensors()) parameters += tensor.element_count();

    Json warnings = Json::array();
    for (const std::string& warning : weights.warnings) warnings.push(Json::of(warning));
    if (const Result<Vocabulary> vocabulary = Vocabulary::from_gguf(file); !vocabulary.ok()) {
        warnings.push(Json::of("no usable tokenizer: " + vocabulary.error().message));
    }
    Json answer = Json::object();
    answer.set("path", Json::of(path)).set("file_bytes", Json::unsigned_integer(file.file_bytes()));
    answer.set("version", Json::integer(file.version())).set("architecture", Json::of("gemma4"));
    answer.set("variant", Json::of(config.variant)).set("name", Json::of(config.name));
    answer.set("layers", Json::integer(config.layer_count()))
        .set("vocabulary", Json::integer(config.vocabulary));
    answer.set("context_length", Json::integer(config.context_length))
        .set("parameters", Json::unsigned_integer(parameters));
    answer.set("types", type_table(file))
        .set("bytes_per_token", token_table(token_bytes(config, weights)));
    Json planned = plan_json(plan);
    planned.set("device", Json::of(device.name));
    answer.set("memory_plan", std::move(planned));
    answer.set("kv_by_context", FACET_TRY(kv_table(config)));
    answer.set("prediction",
               measure ? FACET_TRY(prediction(file, config, weights, device)) : Json::null());
    answer.set("warnings", std::move(warnings)).set("tensors", tensor_list(file));
    return answer;
}

}  // namespace facet
