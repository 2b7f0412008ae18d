// Facet in C++20: the C API (facet.h) with handles that close themselves, errors as exceptions, and
// functions as callbacks. Header only; adds no meaning of its own, so facet.h is the manual.
//
//     #include <facet/facet.hpp>
//     #include <iostream>
//
//     int main() {
//         facet::api::Model model("model.gguf", {.context = 8192});
//         facet::api::Session session(model);
//         session.chat(facet::api::chat_request({{"user", "Hello!"}}), {.temperature = 0.5f},
//                      [](const facet::api::Event& event) {
//                          if (event.kind == FACET_EVENT_TEXT) std::cout << event.text <<
//                          std::flush; return true;  // go on
//                      });
//     }
//
//     c++ -std=c++20 hello.cc $(pkg-config --cflags --libs facet)
//
// Errors      Error, with the status and the sentence of facet_last_error(). What a callback throws
//             ends the reply and comes out of the call that waits for it.
// Ownership   Objects can be moved, not copied. Sessions and requests keep what they need of a
// model
//             alive. What was moved from can only be destroyed or assigned to.
// Threads     As in facet.h: a Model for all, a Session for one at a time but for cancel().
// Handlers
//             of Request run in the engine's thread and must be quick.
// Names       Enumerations, usage and logit bias are those of facet.h.
#pragma once

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "facet.h"

namespace facet::api {

class Error : public std::runtime_error {
  public:
    Error(facet_status status, const std::string& sentence)
        : std::runtime_error(sentence), status_(status) {}
    facet_status status() const noexcept { return status_; }

  private:
    facet_status status_;
};

inline std::string version() { return facet_version(); }

// ===== Requests ==================================================================================

// A text as JSON, with its quotation marks.
inline std::string json_text(std::string_view text) {
    std::string json = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            (json += '\\') += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
            json += escaped;
        } else {
            json += c;
        }
    }
    return json += '"';
}

struct Message {
    std::string role;  // "system", "user" or "assistant"
    std::string content;
};

// A chat request without tools: all messages so far, the last one to be answered.
inline std::string chat_request(const std::vector<Message>& messages,
                                bool enable_thinking = false) {
    std::string json = "{\"messages\": [";
    for (const Message& message : messages) {
        if (&message != messages.data()) json += ", ";
        json += "{\"role\": " + json_text(message.role) +
                ", \"content\": " + json_text(message.content) + "}";
    }
    return json + "], \"options\": {\"enable_thinking\": " + (enable_thinking ? "true" : "false") +
           "}}";
}

// ===== Options ===================================================================================

// facet_model_options. Empty and 0: the default.
struct ModelOptions {
    std::string device = {};
    std::string isa = {};
    std::string kv = {};
    int32_t threads = 0;
    bool vocab_only = false;
    bool mmap = false;
    std::function<bool(uint64_t done, uint64_t total)> on_load = {};  // false: give up
    int32_t context = 0;
    uint64_t kv_bytes = 0;
    int32_t parallel = 0;
    int32_t queue = 0;
    std::string cache_dir = {};
    uint64_t cache_bytes = 0;
    int32_t longest_gap_ms = 0;
};

// facet_session_options.
struct SessionOptions {
    int32_t context = 0;
    int32_t priority = 0;
    int64_t deadline_ms = 0;
};

// facet_generation_options. What is not set is as the model's file recommends.
struct GenerationOptions {
    std::optional<float> temperature = {};
    std::optional<int32_t> top_k = {};
    std::optional<float> top_p = {};
    std::optional<float> min_p = {};
    std::optional<float> repetition_penalty = {};
    float presence_penalty = 0;
    float frequency_penalty = 0;
    std::vector<facet_logit_bias> logit_bias = {};
    int64_t seed = -1;
    int32_t max_tokens = 0;
    std::vector<std::string> stop = {};
    int32_t thinking_budget = -1;
    bool repetition_guard = false;
};

// ===== Replies ===================================================================================

// facet_event. The text is valid during the callback only.
struct Event {
    facet_event_kind kind;
    std::string_view text;
    int32_t done;
    int32_t total;
    facet_finish finish;
    const facet_usage* usage;
    facet_status status;
};

// Receives events; false cancels the reply.
using EventHandler = std::function<bool(const Event&)>;

struct Reply {
    std::string text;
    std::string thought;
    std::vector<std::string> tool_calls;  // {"id", "name", "arguments"} each
    std::vector<std::string> logprobs;    // of each token of the text, if they were asked for
    facet_finish finish = FACET_FINISH_STOP;
    facet_usage usage = {};
    std::vector<int32_t> ids;  // of Session::generate() only
};

// What the classes below are made of.
namespace detail {

inline void check(facet_status status) {
    if (status != FACET_OK) throw Error(status, facet_last_error());
}

struct Release {
    void operator()(facet_model* model) const noexcept { facet_model_close(model); }
    void operator()(facet_session* session) const noexcept { facet_session_destroy(session); }
    void operator()(char* text) const noexcept { facet_free(text); }
    void operator()(int32_t* ids) const noexcept { facet_free(ids); }
};

// A call that gives text through a char**.
template <typename Call>
std::string text_of(const Call& call) {
    char* text = nullptr;
    check(call(&text));
    const std::unique_ptr<char, Release> owner(text);
    return text;
}

inline const char* null_if_empty(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

// Makes a call with options for it; what on_load throws comes out of here.
template <typename Call>
void with_model_options(const ModelOptions& from, const Call& call) {
    struct Loading {
        const ModelOptions& options;
        std::exception_ptr thrown = {};
    } loading{from};
    facet_model_options to = facet_model_options_default();
    to.device = null_if_empty(from.device);
    to.isa = null_if_empty(from.isa);
    to.kv = null_if_empty(from.kv);
    to.threads = from.threads;
    to.vocab_only = from.vocab_only ? 1 : 0;
    to.mmap = from.mmap ? 1 : 0;
    to.context = from.context;
    to.kv_bytes = from.kv_bytes;
    to.parallel = from.parallel;
    to.queue = from.queue;
    to.cache_dir = null_if_empty(from.cache_dir);
    to.cache_bytes = from.cache_bytes;
    to.longest_gap_ms = from.longest_gap_ms;
    to.load_user = &loading;
    if (from.on_load) {
        to.on_load = [](uint64_t done, uint64_t total, void* user) -> int {
            auto& self = *static_cast<Loading*>(user);
            try {
                return self.options.on_load(done, total) ? 0 : 1;
            } catch (...) {
                self.thrown = std::current_exception();
                return 1;
            }
        };
    }
    const facet_status status = call(&to);
    if (loading.thrown) std::rethrow_exception(loading.thrown);
    check(status);
}

inline facet_session_options session_options(const SessionOptions& from) {
    facet_session_options to = facet_session_options_default();
    to.context = from.context;
    to.priority = from.priority;
    to.deadline_ms = from.deadline_ms;
    return to;
}

// Points into the options that it was made from.
class NativeGenerationOptions {
  public:
    NativeGenerationOptions(const facet_generation_options& defaults, const GenerationOptions& from)
        : options_(defaults) {
        options_.temperature = from.temperature.value_or(defaults.temperature);
        options_.top_k = from.top_k.value_or(defaults.top_k);
        options_.top_p = from.top_p.value_or(defaults.top_p);
        options_.min_p = from.min_p.value_or(defaults.min_p);
        options_.repetition_penalty = from.repetition_penalty.value_or(defaults.repetition_penalty);
        options_.presence_penalty = from.presence_penalty;
        options_.frequency_penalty = from.frequency_penalty;
        options_.logit_bias = from.logit_bias.data();
        options_.logit_bias_count = from.logit_bias.size();
        options_.seed = from.seed;
        options_.max_tokens = from.max_tokens;
        for (const std::string& text : from.stop) stop_.push_back(text.c_str());
        options_.stop = stop_.data();
        options_.stop_count = stop_.size();
        options_.thinking_budget = from.thinking_budget;
        options_.repetition_guard = from.repetition_guard ? 1 : 0;
    }
    const facet_generation_options* get() const { return &options_; }

  private:
    std::vector<const char*> stop_;
    facet_generation_options options_;
};

// Hands on the events of a reply and keeps what they add up to.
struct Collector {
    EventHandler handler;
    Reply reply = {};
    facet_status status = FACET_OK;  // and its sentence, of FACET_EVENT_ERROR
    std::string sentence = {};
    std::exception_ptr thrown = {};

    static int receive(const facet_event* event, void* user) noexcept {
        auto& self = *static_cast<Collector*>(user);
        try {
            return self.take(*event) ? 0 : 1;
        } catch (...) {
            self.thrown = std::current_exception();
            return 1;
        }
    }

    // The reply, or what went wrong.
    Reply result() const {
        if (thrown) std::rethrow_exception(thrown);
        if (status != FACET_OK) throw Error(status, sentence);
        return reply;
    }

  private:
    bool take(const facet_event& from) {
        if (thrown) return false;
        const std::string_view text =
            from.text != nullptr ? std::string_view(from.text, from.text_bytes) : "";
        switch (from.kind) {
            case FACET_EVENT_THOUGHT: reply.thought += text; break;
            case FACET_EVENT_TEXT: reply.text += text; break;
            case FACET_EVENT_TOOL_CALL: reply.tool_calls.emplace_back(text); break;
            case FACET_EVENT_LOGPROBS: reply.logprobs.emplace_back(text); break;
            case FACET_EVENT_THOUGHT_RETRACTED: reply.thought.clear(); break;
            case FACET_EVENT_END:
                reply.finish = from.finish;
                reply.usage = *from.usage;
                break;
            case FACET_EVENT_ERROR:
                status = from.status;
                sentence = text;
                break;
            default: break;
        }
        return !handler || handler({from.kind, text, from.done, from.total, from.finish, from.usage,
                                    from.status});
    }
};

}  // namespace detail

// ===== Models, sessions, requests ================================================================

// A reply that comes by itself (facet_request_start). Its destructor cancels what still runs.
class Request {
  public:
    // Ends the reply at the next token.
    void cancel() const noexcept { facet_request_cancel(state_->handle); }
    // Waits for the last event. Throws what the handler threw, or the error that ended the reply.
    Reply wait() const {
        facet_request_wait(state_->handle);
        return state_->collector.result();
    }

  private:
    friend class Model;
    // Stays where it is while the engine writes to it.
    struct State {
        detail::Collector collector;
        facet_request* handle = nullptr;
        ~State() { facet_request_free(handle); }
    };
    explicit Request(std::unique_ptr<State> state) : state_(std::move(state)) {}
    std::unique_ptr<State> state_;
};

class Model {
  public:
    explicit Model(const std::string& path, const ModelOptions& options = {}) {
        facet_model* model = nullptr;
        detail::with_model_options(options, [&](const facet_model_options* native) {
            return facet_model_open(path.c_str(), native, &model);
        });
        model_.reset(model);
    }

    // Takes over what facet_model_open() gave.
    explicit Model(facet_model* model) noexcept : model_(model) {}

    // The memory that opening it would take, as JSON (facet_model_plan).
    static std::string plan(const std::string& path, const ModelOptions& options = {}) {
        return detail::text_of([&](char** json) {
            facet_status status = FACET_OK;
            detail::with_model_options(options, [&](const facet_model_options* native) {
                return status = facet_model_plan(path.c_str(), native, json);
            });
            return status;
        });
    }

    // JSON (facet_model_info, facet_model_metrics).
    std::string info() const {
        return detail::text_of([&](char** json) { return facet_model_info(get(), json); });
    }
    std::string metrics() const {
        return detail::text_of([&](char** json) { return facet_model_metrics(get(), json); });
    }
    int32_t vocabulary_size() const { return facet_model_vocabulary_size(get()); }

    std::vector<int32_t> tokenize(std::string_view text, bool parse_special = false) const {
        int32_t* ids = nullptr;
        size_t count = 0;
        detail::check(
            facet_tokenize(get(), text.data(), text.size(), parse_special ? 1 : 0, &ids, &count));
        const std::unique_ptr<int32_t, detail::Release> owner(ids);
        return {ids, ids + count};
    }
    std::string detokenize(std::span<const int32_t> ids, bool show_special = false) const {
        char* text = nullptr;
        size_t bytes = 0;
        detail::check(
            facet_detokenize(get(), ids.data(), ids.size(), show_special ? 1 : 0, &text, &bytes));
        const std::unique_ptr<char, detail::Release> owner(text);
        return {text, bytes};
    }
    // JSON in and out (facet_render, facet_parse).
    std::string render(const std::string& request) const {
        return detail::text_of(
            [&](char** json) { return facet_render(get(), request.c_str(), json); });
    }
    std::string parse(const std::string& request) const {
        return detail::text_of(
            [&](char** json) { return facet_parse(get(), request.c_str(), json); });
    }

    // Queues a chat request and returns.
    Request start(const std::string& request, const GenerationOptions& options = {},
                  EventHandler on_event = {}, const SessionOptions& session = {}) {
        auto state = std::make_unique<Request::State>();
        state->collector.handler = std::move(on_event);
        const detail::NativeGenerationOptions native(facet_model_generation_options(get()),
                                                     options);
        const facet_session_options how = detail::session_options(session);
        detail::check(facet_request_start(get(), request.c_str(), native.get(), &how,
                                          detail::Collector::receive, &state->collector,
                                          &state->handle));
        return Request(std::move(state));
    }

    // For functions of facet.h; the model stays this object's.
    facet_model* get() const noexcept { return model_.get(); }

  private:
    std::unique_ptr<facet_model, detail::Release> model_;
};

class Session {
  public:
    explicit Session(const Model& model, const SessionOptions& options = {})
        : defaults_(facet_model_generation_options(model.get())),
          vocabulary_size_(model.vocabulary_size()) {
        const facet_session_options native = detail::session_options(options);
        facet_session* session = nullptr;
        detail::check(facet_session_create(model.get(), &native, &session));
        session_.reset(session);
    }

    // Answers a chat request (facet_session_chat), and waits for the end.
    Reply chat(const std::string& request, const GenerationOptions& options = {},
               EventHandler on_event = {}) {
        detail::Collector collector{std::move(on_event)};
        const detail::NativeGenerationOptions native(defaults_, options);
        detail::check(facet_session_chat(get(), request.c_str(), native.get(),
                                         detail::Collector::receive, &collector));
        return collector.result();
    }

    // Continues raw ids (facet_session_generate); the reply has the ids that were sampled.
    Reply generate(std::span<const int32_t> ids, const GenerationOptions& options = {},
                   EventHandler on_event = {}) {
        detail::Collector collector{std::move(on_event)};
        const detail::NativeGenerationOptions native(defaults_, options);
        int32_t* sampled = nullptr;
        size_t count = 0;
        detail::check(facet_session_generate(get(), ids.data(), ids.size(), native.get(),
                                             detail::Collector::receive, &collector, &sampled,
                                             &count));
        const std::unique_ptr<int32_t, detail::Release> owner(sampled);
        collector.reply.ids.assign(sampled, sampled + count);
        return collector.result();
    }

    // Logits of chosen positions of ids, [positions, vocabulary] (facet_session_logits).
    std::vector<float> logits(std::span<const int32_t> ids, std::span<const int32_t> positions) {
        std::vector<float> rows(positions.size() * static_cast<size_t>(vocabulary_size_));
        detail::check(facet_session_logits(get(), ids.data(), ids.size(), positions.data(),
                                           positions.size(), rows.data()));
        return rows;
    }

    // Ends the running call at the next token. Any thread.
    void cancel() const noexcept { facet_session_cancel(get()); }

    facet_session* get() const noexcept { return session_.get(); }

  private:
    facet_generation_options defaults_;
    int32_t vocabulary_size_;
    std::unique_ptr<facet_session, detail::Release> session_;
};

// ===== Files and speed ===========================================================================

// What a file holds and needs, as JSON (facet_inspect).
inline std::string inspect(const std::string& path, int32_t context = 0, bool measure = false) {
    return detail::text_of(
        [&](char** json) { return facet_inspect(path.c_str(), context, measure ? 1 : 0, json); });
}

}  // namespace facet::api
