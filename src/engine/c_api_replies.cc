// The public C API: sessions, and requests for replies, which wait or run by themselves.
#include <condition_variable>
#include <mutex>
#include <random>
#include <string>

#include "engine/c_api_support.h"
#include "engine/plumbing.h"
#include "engine/session.h"

struct facet_session {
    std::shared_ptr<facet::Engine> engine;
    facet_session_options options;
    // Read by the scheduler while a reply is made.
    std::shared_ptr<std::atomic<bool>> cancelled;
    std::unique_ptr<facet::Session> logits;  // made when it is first asked for
};

struct facet_request {
    std::shared_ptr<facet::Engine> engine;
    std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
    std::mutex mutex;
    std::condition_variable ended;
    bool has_ended = false;
};

namespace facet {
namespace {

using c_api::check_reserved;
using c_api::copy_ids;
using c_api::guarded;
using c_api::require;

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

Result<GenerationOptions> options_of(const facet_generation_options* given,
                                     const LoadedModel& model) {
    const facet_generation_options from =
        given != nullptr ? *given : options_with(model.sampling_defaults());
    FACET_TRY(check_reserved(from.reserved, "facet_generation_options"));
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
        case GenerationEvent::Kind::kLogprobs: return FACET_EVENT_LOGPROBS;
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
        case Finish::kDeadline: return FACET_FINISH_DEADLINE;
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

// A request without its prompt.
Result<ReplyRequest> request_with(const LoadedModel& model, const facet_generation_options* options,
                                  const facet_session_options& session) {
    FACET_TRY(check_reserved(session.reserved, "facet_session_options"));
    ReplyRequest request;
    request.options = FACET_TRY(options_of(options, model));
    request.context = session.context;
    request.priority = session.priority;
    request.deadline_ms = session.deadline_ms;
    return request;
}

// A request for the reply to a chat, or for the continuation of a prompt.
Result<ReplyRequest> reply_request(Engine& engine, const char* request_json,
                                   const facet_generation_options* options,
                                   const facet_session_options& session) {
    const LoadedModel& model = engine.model();
    const Json json = FACET_TRY(parse_request(request_json));
    ReplyRequest request = FACET_TRY(request_with(model, options, session));
    request.options.logprobs = FACET_TRY(logprobs_member(json));
    if (const Json* prompt = json.find("prompt"); prompt != nullptr && !prompt->is_null()) {
        if (json.find("messages") != nullptr)
            return invalid_input("prompt: not together with messages");
        request.prompt = FACET_TRY(prompt_ids(model, *prompt));
        request.format.chat = false;
        request.format.rules =
            FACET_TRY(read_reply_rules(json, Json::null(), false, engine.reply_grammars()));
        return request;
    }
    ChatPrompt prompt = FACET_TRY(render_request(model, json, &engine.reply_memory()));
    if (prompt.media_count > 0)
        return unsupported("messages: pictures, sound and video are not supported yet");
    request.prompt = std::move(prompt.ids);
    request.opener = prompt.opener;
    request.format.prompt_opened_thought = prompt.opens_thought;
    request.format.rules =
        FACET_TRY(read_reply_rules(json, prompt.tools, prompt.may_think, engine.reply_grammars()));
    request.format.tools = std::move(prompt.tools);
    return request;
}

// Makes the reply of a session's call; cancelled by facet_session_cancel().
Status reply(facet_session& session, ReplyRequest request, facet_event_fn on_event, void* user,
             std::vector<int32_t>* output) {
    Scheduler* scheduler = FACET_TRY(session.engine->scheduler());
    session.cancelled->store(false, std::memory_order_relaxed);
    request.cancelled = session.cancelled;
    return scheduler->reply(std::move(request), sink_of(on_event, user), output);
}

}  // namespace
}  // namespace facet

using namespace facet;

extern "C" {

facet_generation_options facet_generation_options_default(void) { return options_with({}); }

facet_generation_options facet_model_generation_options(const facet_model* model) {
    return options_with(model != nullptr ? model->engine->model().sampling_defaults()
                                         : SamplingOptions());
}

facet_session_options facet_session_options_default(void) { return {}; }

facet_status facet_session_create(facet_model* model, const facet_session_options* options,
                                  facet_session** out) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && out != nullptr, "model, out"));
        *out = nullptr;
        FACET_TRY(model->engine->scheduler());
        const facet_session_options wanted =
            options != nullptr ? *options : facet_session_options_default();
        FACET_TRY(check_reserved(wanted.reserved, "facet_session_options"));
        if (wanted.context < 0 || wanted.context > model->engine->plan().context) {
            return invalid_input(
                "context of " + std::to_string(wanted.context) + ": expected 1 to " +
                std::to_string(model->engine->plan().context) + ", what the model was opened with");
        }
        *out = new facet_session{model->engine, wanted, std::make_shared<std::atomic<bool>>(false),
                                 nullptr};
        return {};
    });
}

void facet_session_destroy(facet_session* session) { delete session; }

void facet_session_cancel(facet_session* session) {
    if (session != nullptr) session->cancelled->store(true, std::memory_order_relaxed);
}

facet_status facet_session_logits(facet_session* session, const int32_t* ids, size_t count,
                                  const int32_t* positions, size_t position_count, float* logits) {
    return guarded([&]() -> Status {
        FACET_TRY(require(session != nullptr && ids != nullptr, "session, ids"));
        FACET_TRY(require((positions != nullptr && logits != nullptr) || position_count == 0,
                          "positions, logits"));
        if (session->logits == nullptr)
            session->logits = FACET_TRY(Session::create(session->engine));
        return session->logits->logits_at({ids, count}, {positions, position_count}, logits);
    });
}

facet_status facet_session_chat(facet_session* session, const char* request_json,
                                const facet_generation_options* options, facet_event_fn on_event,
                                void* user) {
    return guarded([&]() -> Status {
        FACET_TRY(require(session != nullptr && request_json != nullptr, "session, request"));
        ReplyRequest request =
            FACET_TRY(reply_request(*session->engine, request_json, options, session->options));
        return reply(*session, std::move(request), on_event, user, nullptr);
    });
}

facet_status facet_session_generate(facet_session* session, const int32_t* ids, size_t count,
                                    const facet_generation_options* options,
                                    facet_event_fn on_event, void* user, int32_t** output,
                                    size_t* output_count) {
    return guarded([&]() -> Status {
        FACET_TRY(require(session != nullptr && ids != nullptr, "session, ids"));
        ReplyRequest request =
            FACET_TRY(request_with(session->engine->model(), options, session->options));
        request.prompt.assign(ids, ids + count);
        request.format.chat = false;
        std::vector<int32_t> sampled;
        FACET_TRY(reply(*session, std::move(request), on_event, user, &sampled));
        if (output != nullptr) *output = copy_ids(sampled);
        if (output_count != nullptr) *output_count = sampled.size();
        return {};
    });
}

facet_status facet_request_start(facet_model* model, const char* request_json,
                                 const facet_generation_options* options,
                                 const facet_session_options* session, facet_event_fn on_event,
                                 void* user, facet_request** out) {
    return guarded([&]() -> Status {
        FACET_TRY(require(model != nullptr && request_json != nullptr && out != nullptr,
                          "model, request, out"));
        *out = nullptr;
        Scheduler* scheduler = FACET_TRY(model->engine->scheduler());
        ReplyRequest request = FACET_TRY(
            reply_request(*model->engine, request_json, options,
                          session != nullptr ? *session : facet_session_options_default()));
        auto handle = std::make_unique<facet_request>();
        handle->engine = model->engine;
        request.cancelled = handle->cancelled;
        request.sink = sink_of(on_event, user);
        request.done = [handle = handle.get(), on_event, user](const Status& status,
                                                               std::span<const int32_t>) {
            if (!status.ok() && on_event != nullptr) {
                facet_event event = {};
                event.kind = FACET_EVENT_ERROR;
                event.text = status.error().message.c_str();
                event.text_bytes = status.error().message.size();
                event.status = c_api::status_of(status.error().kind);
                on_event(&event, user);
            }
            const std::lock_guard lock(handle->mutex);
            handle->has_ended = true;
            handle->ended.notify_all();
        };
        // The handle is there before the first event can be.
        *out = handle.get();
        const Status queued = scheduler->submit(std::move(request));
        if (!queued.ok()) {
            *out = nullptr;
            return queued;
        }
        handle.release();
        return {};
    });
}

void facet_request_cancel(facet_request* request) {
    if (request != nullptr) request->cancelled->store(true, std::memory_order_relaxed);
}

void facet_request_wait(facet_request* request) {
    if (request == nullptr) return;
    std::unique_lock lock(request->mutex);
    request->ended.wait(lock, [&] { return request->has_ended; });
}

void facet_request_free(facet_request* request) {
    facet_request_cancel(request);
    facet_request_wait(request);
    delete request;
}

}  // extern "C"
