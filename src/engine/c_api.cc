// The public C API (include/facet/facet.h) over the engine: handles, status codes, ownership. No
// behaviour of its own.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <random>
#include <string>

#include "engine/benchmark.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/plumbing.h"
#include "engine/session.h"
#include "facet/facet.h"

struct facet_model {
    std::shared_ptr<facet::LoadedModel> model;
};

struct facet_session {
    std::unique_ptr<facet::Session> session;
};

namespace facet {
namespace {

thread_local std::string last_error;

facet_status fail(facet_status status, std::string message) {
    last_error = std::move(message);
    return status;
}

facet_status status_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::kInvalidInput: return FACET_ERROR_INVALID;
        case ErrorKind::kNotFound: return FACET_ERROR_NOT_FOUND;
        case ErrorKind::kOutOfMemory: return FACET_ERROR_MEMORY;
        case ErrorKind::kUnsupported: return FACET_ERROR_UNSUPPORTED;
        case ErrorKind::kIo: return FACET_ERROR_IO;
        case ErrorKind::kCancelled: return FACET_ERROR_CANCELLED;
    }
    return FACET_ERROR_INTERNAL;
}

// Runs the body of an API function; nothing escapes it but a status.
template <typename Body>
facet_status guarded(const Body& body) {
    try {
        const Status status = body();
        return status.ok() ? FACET_OK
                           : fail(status_of(status.error().kind), status.error().message);
    } catch (const std::bad_alloc&) {
        return fail(FACET_ERROR_MEMORY, "out of memory");
    } catch (const std::exception& exception) {
        return fail(FACET_ERROR_INTERNAL, exception.what());
    }
}

Status require(bool condition, const char* what) {
    if (condition) return {};
    return invalid_input(std::string(what) + ": must not be null");
}

// Copies for the caller to free().
char* copy_text(const std::string& text) {
    auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy == nullptr) throw std::bad_alloc();
    std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

int32_t* copy_ids(const std::vector<int32_t>& ids) {
    auto* copy =
        static_cast<int32_t*>(std::malloc(std::max<size_t>(1, ids.size()) * sizeof(int32_t)));
    if (copy == nullptr) throw std::bad_alloc();
    std::copy(ids.begin(), ids.end(), copy);
    return copy;
}

Result<ModelOptions> model_options_of(const facet_model_options* from) {
    ModelOptions options;
    if (from == nullptr) return options;
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
    return options;
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

facet_generation_options options_with(const SamplingOptions& sampling) {
    facet_generation_options options = {};
    options.temperature = sampling.temperature;
    options.top_k = sampling.top_k;
    options.top_p = sampling.top_p;
    options.min_p = sampling.min_p;
    options.repetition_penalty = sampling.repetition_penalty;
    options.seed = -1;
    options.thinking_budget = -1;
    return options;
}

GenerationOptions options_of(const facet_generation_options* given, const LoadedModel& model) {
    const facet_generation_options from =
        given != nullptr ? *given : options_with(model.sampling_defaults());
    GenerationOptions options;
    options.sampling.temperature = from.temperature;
    options.sampling.top_k = from.top_k;
    options.sampling.top_p = from.top_p;
    options.sampling.min_p = from.min_p;
    options.sampling.repetition_penalty = from.repetition_penalty;
    options.sampling.presence_penalty = from.presence_penalty;
    options.sampling.frequency_penalty = from.frequency_penalty;
    for (size_t i = 0; i < from.logit_bias_count; ++i) {
        options.sampling.logit_bias.push_back({from.logit_bias[i].id, from.logit_bias[i].bias});
    }
    std::random_device random;
    options.sampling.seed = from.seed >= 0 ? static_cast<uint64_t>(from.seed)
                                           : (static_cast<uint64_t>(random()) << 32) | random();
    options.max_tokens = from.max_tokens;
    for (size_t i = 0; i < from.stop_count; ++i) {
        if (from.stop[i] != nullptr) options.stop.emplace_back(from.stop[i]);
    }
    options.thinking_budget = from.thinking_budget;
    options.repetition_guard = from.repetition_guard != 0;
    return options;
}

// "call_" and 24 random letters and digits; the model itself gives calls no name to be answered by.
std::string new_call_id() {
    static constexpr char kAlphabet[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    std::random_device random;
    std::uniform_int_distribution<size_t> pick(0, sizeof kAlphabet - 2);
    std::string id = "call_";
    for (int i = 0; i < 24; ++i) id += kAlphabet[pick(random)];
    return id;
}

std::string call_json(const ToolCall& call) {
    Json json = Json::object();
    json.set("id", Json::of(new_call_id()))
        .set("name", Json::of(call.name))
        .set("arguments", call.arguments);
    return json.dump();
}

facet_event_kind kind_of(GenerationEvent::Kind kind) {
    switch (kind) {
        case GenerationEvent::Kind::kProgress: return FACET_EVENT_PROGRESS;
        case GenerationEvent::Kind::kThought: return FACET_EVENT_THOUGHT;
        case GenerationEvent::Kind::kThoughtRetracted: return FACET_EVENT_THOUGHT_RETRACTED;
        case GenerationEvent::Kind::kText: return FACET_EVENT_TEXT;
        case GenerationEvent::Kind::kToolCall: return FACET_EVENT_TOOL_CALL;
        case GenerationEvent::Kind::kEnd: return FACET_EVENT_END;
    }
    return FACET_EVENT_END;
}

facet_finish finish_of(Finish finish) {
    switch (finish) {
        case Finish::kStop: return FACET_FINISH_STOP;
        case Finish::kLength: return FACET_FINISH_LENGTH;
        case Finish::kToolCalls: return FACET_FINISH_TOOL_CALLS;
        case Finish::kCancelled: return FACET_FINISH_CANCELLED;
    }
    return FACET_FINISH_STOP;
}

EventSink sink_of(facet_event_fn on_event, void* user) {
    return [on_event, user](const GenerationEvent& from) {
        if (on_event == nullptr) return true;
        const std::string text = from.call != nullptr ? call_json(*from.call) : from.text;
        const facet_usage usage{from.usage.prompt_tokens,     from.usage.cached_tokens,
                                from.usage.completion_tokens, from.usage.reasoning_tokens,
                                from.usage.prefill_ms,        from.usage.decode_ms};
        facet_event event = {};
        event.kind = kind_of(from.kind);
        event.text = text.empty() ? nullptr : text.c_str();
        event.text_bytes = text.size();
        event.done = from.done;
        event.total = from.total;
        event.finish = finish_of(from.finish);
        event.usage = from.kind == GenerationEvent::Kind::kEnd ? &usage : nullptr;
        return on_event(&event, user) == 0;
    };
}

}  // namespace
}  // namespace facet

using namespace facet;

extern "C" {

const char* facet_version(void) { return FACET_VERSION; }
const char* facet_last_error(void) { return last_error.c_str(); }
void facet_free(void* pointer) { std::free(pointer); }

facet_model_options facet_model_options_default(void) { return {}; }
facet_session_options facet_session_options_default(void) { return {}; }

facet_generation_options facet_generation_options_default(void) { return options_with({}); }

facet_generation_options facet_model_generation_options(const facet_model* model) {
    return options_with(model != nullptr ? model->model->sampling_defaults() : SamplingOptions());
}

facet_status facet_model_open(const char* path, const facet_model_options* options,
                              facet_model** out) {
    return guarded([&]() -> Status {
        FACET_TRY(require(path != nullptr, "path"));
        FACET_TRY(require(out != nullptr, "out"));
        *out = nullptr;
        auto model = FACET_TRY(LoadedModel::open(path, FACET_TRY(model_options_of(options))));
        *out = new facet_model{std::move(model)};
        return {};
    });
}

void facet_model_close(facet_model* model) { delete model; }

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
        const ModelOptions model = FACET_TRY(model_options_of(model_options));
        *json = copy_text(
            FACET_TRY(run_benchmark(path != nullptr ? path : "", model, options, progress)).dump());
        return {};
    });
}

facet_status facet_model_info(const facet_model* model, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && json != nullptr, "model, json"));
        const LoadedModel& loaded = *model->model;
        const Result<Device*> device = loaded.device();
        Json warnings = Json::array();
        for (const std::string& warning : loaded.warnings()) warnings.push(Json::of(warning));
        Json info = Json::object();
        info.set("name", Json::of(loaded.config().name))
            .set("variant", Json::of(loaded.config().variant));
        info.set("context_length", Json::integer(loaded.config().context_length));
        info.set("vocabulary", Json::integer(loaded.vocabulary_size()));
        info.set("device", device.ok() ? Json::of(device.value()->name()) : Json::null());
        info.set("warnings", std::move(warnings));
        *json = copy_text(info.dump());
        return {};
    });
}

facet_status facet_tokenize(const facet_model* model, const char* text, size_t text_bytes,
                            int32_t parse_special, int32_t** ids, size_t* count) {
    return guarded([&]() -> Status {
        FACET_TRY(
            require(model != nullptr && ids != nullptr && count != nullptr, "model, ids, count"));
        FACET_TRY(require(text != nullptr || text_bytes == 0, "text"));
        const Tokenizer* tokenizer = FACET_TRY(model->model->tokenizer());
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
        const Tokenizer* tokenizer = FACET_TRY(model->model->tokenizer());
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
        *json = copy_text(FACET_TRY(render_json(*model->model, request_json)).dump());
        return {};
    });
}

facet_status facet_parse(const facet_model* model, const char* request_json, char** json) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && request_json != nullptr && json != nullptr,
                          "model, request, json"));
        *json = copy_text(FACET_TRY(parse_json(*model->model, request_json)).dump());
        return {};
    });
}

facet_status facet_session_create(facet_model* model, const facet_session_options* options,
                                  facet_session** out) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && out != nullptr, "model, out"));
        *out = nullptr;
        const int32_t context = options != nullptr ? options->context : 0;
        auto session = FACET_TRY(Session::create(model->model, context));
        *out = new facet_session{std::move(session)};
        return {};
    });
}

void facet_session_destroy(facet_session* session) { delete session; }

void facet_session_cancel(facet_session* session) {
    if (session != nullptr) session->session->cancel();
}

facet_status facet_session_logits(facet_session* session, const int32_t* ids, size_t count,
                                  const int32_t* positions, size_t position_count, float* logits) {
    return guarded([&]() -> Status {
        FACET_TRY(require(session != nullptr && ids != nullptr, "session, ids"));
        FACET_TRY(require((positions != nullptr && logits != nullptr) || position_count == 0,
                          "positions, logits"));
        return session->session->logits_at({ids, count}, {positions, position_count}, logits);
    });
}

facet_status facet_session_chat(facet_session* session, const char* request_json,
                                const facet_generation_options* options, facet_event_fn on_event,
                                void* user) {
    return guarded([&]() -> Status {
        FACET_TRY(require(session != nullptr && request_json != nullptr, "session, request"));
        const ChatPrompt prompt =
            FACET_TRY(render_request(session->session->model(), request_json));
        if (prompt.rendered.media_count > 0) {
            return unsupported("messages: pictures, sound and video are not supported yet");
        }
        const ReplyFormat format{true, &prompt.tools, prompt.rendered.opens_thought};
        return generate(*session->session, prompt.ids,
                        options_of(options, session->session->model()), format,
                        sink_of(on_event, user), nullptr);
    });
}

facet_status facet_session_generate(facet_session* session, const int32_t* ids, size_t count,
                                    const facet_generation_options* options,
                                    facet_event_fn on_event, void* user, int32_t** output,
                                    size_t* output_count) {
    return guarded([&]() -> Status {
        FACET_TRY(require(session != nullptr && ids != nullptr, "session, ids"));
        std::vector<int32_t> sampled;
        FACET_TRY(generate(*session->session, {ids, count},
                           options_of(options, session->session->model()), {false, nullptr, false},
                           sink_of(on_event, user), &sampled));
        if (output != nullptr) *output = copy_ids(sampled);
        if (output_count != nullptr) *output_count = sampled.size();
        return {};
    });
}

}  // extern "C"
