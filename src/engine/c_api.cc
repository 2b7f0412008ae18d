// The public C API (include/facet/facet.h) over the engine: models and the stages of text. Handles,
// status codes, ownership; no behaviour of its own.
#include <string>

#include "engine/benchmark.h"
#include "engine/c_api_support.h"
#include "engine/plumbing.h"

namespace facet {
namespace {

using c_api::copy_ids;
using c_api::copy_text;
using c_api::guarded;
using c_api::require;

Result<EngineOptions> engine_options_of(const facet_model_options* from) {
    EngineOptions all;
    ModelOptions& options = all.model;
    if (from == nullptr) return all;
    FACET_TRY(c_api::check_reserved(from->reserved, "facet_model_options"));
    if (from->device != nullptr) options.device.name = from->device;
    if (from->isa != nullptr) options.device.isa = from->isa;
    const std::string kv = from->kv != nullptr ? from->kv : "f16";
    if (kv != "f16" && kv != "q8_0")
        return unsupported("KV type " + kv + ", this build has: f16, q8_0");
    options.device.kv = kv == "f16" ? KvType::kF16 : KvType::kQ8_0;
    options.device.threads = from->threads;
    options.device.mapped = from->mmap != 0;
    if (from->on_load != nullptr) {
        options.device.on_progress = [on_load = from->on_load, user = from->load_user](
                                         uint64_t done, uint64_t total) {
            return on_load(done, total, user) == 0;
        };
    }
    options.vocab_only = from->vocab_only != 0;
    all.memory = {from->context, from->kv_bytes};
    if (from->cache_dir != nullptr) all.cache = {from->cache_dir, from->cache_bytes};
    if (from->parallel > 0) all.scheduler.parallel = from->parallel;
    if (from->queue > 0) all.scheduler.queue = from->queue;
    if (from->longest_gap_ms > 0) all.scheduler.longest_gap_ms = from->longest_gap_ms;
    return all;
}

// A text in a request, if it is there.
Status read_text(const Json& request, const char* name, std::string& text) {
    const Json* value = request.find(name);
    if (value == nullptr) return {};
    if (!value->is_string()) return invalid_input(std::string(name) + ": expected a text");
    text = value->text;
    return {};
}

// A list of lengths in a request, if it is there.
Status read_lengths(const Json& request, const char* name, std::vector<int32_t>& lengths) {
    const Json* list = request.find(name);
    if (list == nullptr) return {};
    if (!list->is_array())
        return invalid_input(std::string(name) + ": expected an array of lengths");
    lengths.clear();
    for (const Json& item : list->items) {
        const Result<long long> length = item.to_integer();
        if (!length.ok() || length.value() < 0 || length.value() > kContextLengthMax) {
            return invalid_input(std::string(name) + ": expected lengths from 0 to " +
                                 std::to_string(kContextLengthMax));
        }
        lengths.push_back(static_cast<int32_t>(length.value()));
    }
    return {};
}

}  // namespace
}  // namespace facet

using namespace facet;

extern "C" {

const char* facet_version(void) { return FACET_VERSION; }
const char* facet_last_error(void) { return c_api::last_error(); }
void facet_free(void* pointer) { std::free(pointer); }

facet_model_options facet_model_options_default(void) { return {}; }

facet_status facet_model_open(const char* path, const facet_model_options* options,
                              facet_model** out) {
    return guarded([&]() -> Status {
        FACET_TRY(require(path != nullptr, "path"));
        FACET_TRY(require(out != nullptr, "out"));
        *out = nullptr;
        auto engine = FACET_TRY(Engine::open(path, FACET_TRY(engine_options_of(options))));
        *out = new facet_model{std::move(engine)};
        return {};
    });
}

void facet_model_close(facet_model* model) { delete model; }

facet_status facet_model_plan(const char* path, const facet_model_options* options, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(path != nullptr && json != nullptr, "path, json"));
        *json = nullptr;
        const MemoryPlan plan =
            FACET_TRY(Engine::plan(path, FACET_TRY(engine_options_of(options))));
        *json = copy_text(plan_json(plan).dump());
        return {};
    });
}

facet_status facet_inspect(const char* path, int32_t context, int32_t measure, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(path != nullptr && json != nullptr, "path, json"));
        *json = nullptr;
        *json = copy_text(FACET_TRY(inspect_json(path, context, measure != 0)).dump());
        return {};
    });
}

facet_status facet_bench(const char* path, const facet_model_options* model_options,
                         const char* options_json, facet_line_fn on_line, void* user, char** json) {
    return guarded([&]() -> Status {
        const Json request = FACET_TRY(Json::parse(options_json != nullptr ? options_json : "{}"));
        BenchmarkOptions options;
        FACET_TRY(read_text(request, "synthetic", options.synthetic));
        FACET_TRY(read_text(request, "type", options.type_mix));
        FACET_TRY(require((path != nullptr || !options.synthetic.empty()) && json != nullptr,
                          "path, json"));
        FACET_TRY(read_lengths(request, "prompt", options.prompt));
        FACET_TRY(read_lengths(request, "generate", options.generate));
        FACET_TRY(read_lengths(request, "depth", options.depth));
        if (const Json* repetitions = request.find("repetitions"); repetitions != nullptr) {
            options.repetitions = static_cast<int32_t>(FACET_TRY(repetitions->to_integer()));
        }
        if (const Json* largest = request.find("largest"); largest != nullptr) {
            options.largest = static_cast<int32_t>(FACET_TRY(largest->to_integer()));
        }
        const auto progress = [&](const std::string& line) {
            if (on_line != nullptr) on_line(line.c_str(), user);
        };
        const EngineOptions model = FACET_TRY(engine_options_of(model_options));
        *json = copy_text(
            FACET_TRY(run_benchmark(path != nullptr ? path : "", model, options, progress)).dump());
        return {};
    });
}

facet_status facet_model_info(const facet_model* model, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && json != nullptr, "model, json"));
        const LoadedModel& loaded = model->engine->model();
        const Result<Device*> device = loaded.device();
        Json warnings = Json::array();
        for (const std::string& warning : model->engine->warnings())
            warnings.push(Json::of(warning));
        Json info = Json::object();
        info.set("name", Json::of(loaded.config().name))
            .set("variant", Json::of(loaded.config().variant));
        info.set("context_length", Json::integer(loaded.config().context_length));
        info.set("vocabulary", Json::integer(loaded.vocabulary_size()));
        info.set("device", device.ok() ? Json::of(device.value()->name()) : Json::null());
        info.set("context",
                 device.ok() ? Json::integer(model->engine->plan().context) : Json::null());
        info.set("memory_plan", device.ok() ? plan_json(model->engine->plan()) : Json::null());
        info.set("warnings", std::move(warnings));
        *json = copy_text(info.dump());
        return {};
    });
}

int32_t facet_model_vocabulary_size(const facet_model* model) {
    return model != nullptr ? model->engine->model().vocabulary_size() : 0;
}

facet_status facet_tokenize(const facet_model* model, const char* text, size_t text_bytes,
                            int32_t parse_special, int32_t** ids, size_t* count) {
    return guarded([&]() -> Status {
        FACET_TRY(
            require(model != nullptr && ids != nullptr && count != nullptr, "model, ids, count"));
        FACET_TRY(require(text != nullptr || text_bytes == 0, "text"));
        const Tokenizer* tokenizer = FACET_TRY(model->engine->model().tokenizer());
        const std::vector<int32_t> encoded =
            tokenizer->encode({text, text_bytes}, parse_special != 0);
        *ids = copy_ids(encoded);
        *count = encoded.size();
        return {};
    });
}

facet_status facet_detokenize(const facet_model* model, const int32_t* ids, size_t count,
                              int32_t show_special, char** text, size_t* text_bytes) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && text != nullptr, "model, text"));
        FACET_TRY(require(ids != nullptr || count == 0, "ids"));
        const Tokenizer* tokenizer = FACET_TRY(model->engine->model().tokenizer());
        FACET_TRY(check_token_ids({ids, count}, tokenizer->vocabulary().size()));
        const std::string decoded = tokenizer->decode({ids, count}, show_special != 0);
        *text = copy_text(decoded);
        if (text_bytes != nullptr) *text_bytes = decoded.size();
        return {};
    });
}

facet_status facet_render(const facet_model* model, const char* request_json, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && request_json != nullptr && json != nullptr,
                          "model, request, json"));
        *json = copy_text(FACET_TRY(render_json(model->engine->model(), request_json)).dump());
        return {};
    });
}

facet_status facet_parse(const facet_model* model, const char* request_json, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && request_json != nullptr && json != nullptr,
                          "model, request, json"));
        *json = copy_text(FACET_TRY(parse_json(model->engine->model(), request_json)).dump());
        return {};
    });
}

facet_status facet_model_metrics(const facet_model* model, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && json != nullptr, "model, json"));
        *json = copy_text(metrics_json(FACET_TRY(model->engine->scheduler())->metrics()).dump());
        return {};
    });
}

}  // extern "C"
