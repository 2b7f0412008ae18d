#include "endpoints/chat_writer.h"

#include "endpoints/api_errors.h"
#include "endpoints/chat_completions.h"
#include "endpoints/json_forms.h"

namespace facet::endpoints {

namespace {

// A call in OpenAI's form, its arguments as JSON text.
Json call_json(const Json& call) {
    return function_call(*call.find("id"), *call.find("name"),
                         Json::of(call.find("arguments")->dump()));
}

Json list_of(std::span<const Json> items) {
    Json list = Json::array();
    list.items.assign(items.begin(), items.end());
    return list;
}

Json logprobs_json(std::span<const Json> tokens) {
    Json json = one_member("content", list_of(tokens));
    return json.set("refusal", Json::null());
}

Json message_json(const Choice& choice) {
    Json message = Json::object();
    message.set("role", Json::of("assistant"));
    // Null only beside calls: an answer without text is an empty text.
    const bool is_null = choice.text.empty() && !choice.calls.empty();
    message.set("content", is_null ? Json::null() : Json::of(choice.text));
    message.set("refusal", Json::null());
    if (!choice.thought.empty()) message.set("reasoning_content", Json::of(choice.thought));
    if (choice.calls.empty()) return message;
    Json calls = Json::array();
    for (const Json& call : choice.calls) calls.push(call_json(call));
    return message.set("tool_calls", std::move(calls));
}

}  // namespace

ChatWriter::ChatWriter(const ServedModel& served, ChatWriterOptions options, size_t choices)
    : frame_(served, "chatcmpl-"), options_(options), sent_(choices) {}

Json ChatWriter::whole(std::span<const Choice> choices) {
    Json list = Json::array();
    for (size_t i = 0; i < choices.size(); ++i) {
        Json json = Json::object();
        json.set("index", Json::integer(static_cast<int64_t>(i)))
            .set("message", message_json(choices[i]))
            .set("logprobs", options_.logprobs ? logprobs_json(choices[i].logprobs) : Json::null())
            .set("finish_reason", Json::of(finish_name(choices[i])));
        list.push(std::move(json));
    }
    Json json = frame_.json("chat.completion");
    return json.set("choices", std::move(list)).set("usage", usage_json(choices));
}

void ChatWriter::event(EventOutput& output, size_t index, const Choice& choice,
                       const api::Event& event) {
    Sent& sent = sent_[index];
    if (event.kind == FACET_EVENT_PROGRESS) return send_progress(output, event);
    if (!sent.role) {
        sent.role = true;
        send_delta(output, index, chat_message("assistant", Json::of("")), {});
    }
    switch (event.kind) {
        case FACET_EVENT_THOUGHT:
            return send_delta(output, index, one_member("reasoning_content", Json::of(event.text)),
                              {});
        case FACET_EVENT_TEXT:
            return send_delta(output, index, one_member("content", Json::of(event.text)), choice);
        case FACET_EVENT_TOOL_CALL: {
            Json call = one_member("index", Json::integer(static_cast<int64_t>(sent.calls++)));
            const Json made = call_json(choice.calls.back());
            call.members.insert(call.members.end(), made.members.begin(), made.members.end());
            Json calls = Json::array();
            calls.push(std::move(call));
            return send_delta(output, index, one_member("tool_calls", std::move(calls)), {});
        }
        case FACET_EVENT_END:
            return send_delta(output, index, Json::object(), choice, finish_name(choice));
        default: return;
    }
}

// A chunk for one choice. The log probabilities that came since the last one go with it.
void ChatWriter::send_delta(EventOutput& output, size_t index, Json delta, const Choice& choice,
                            std::string_view finish) {
    Json logprobs;
    size_t& sent = sent_[index].logprobs;
    if (choice.logprobs.size() > sent) {
        logprobs = logprobs_json(std::span(choice.logprobs).subspan(sent));
        sent = choice.logprobs.size();
    }
    Json json = Json::object();
    json.set("index", Json::integer(static_cast<int64_t>(index)))
        .set("delta", std::move(delta))
        .set("logprobs", std::move(logprobs))
        .set("finish_reason", finish.empty() ? Json::null() : Json::of(finish));
    Json choices = Json::array();
    choices.push(std::move(json));
    Json chunk = frame_.json("chat.completion.chunk");
    chunk.set("choices", std::move(choices));
    // Clients that asked for usage expect the member in every chunk.
    if (options_.usage) chunk.set("usage", Json::null());
    output.send(chunk.dump());
}

void ChatWriter::send_progress(EventOutput& output, const api::Event& event) {
    if (!options_.progress) return output.comment();
    Json progress = Json::object();
    progress.set("processed", Json::integer(event.done)).set("total", Json::integer(event.total));
    Json chunk = frame_.json("chat.completion.chunk");
    chunk.set("choices", Json::array()).set("prompt_progress", std::move(progress));
    output.send(chunk.dump());
}

void ChatWriter::end(EventOutput& output, std::span<const Choice> choices) {
    if (options_.usage) {
        Json chunk = frame_.json("chat.completion.chunk");
        chunk.set("choices", Json::array()).set("usage", usage_json(choices));
        output.send(chunk.dump());
    }
    output.send("[DONE]");
}

void ChatWriter::fail(EventOutput& output, const Error& error) {
    output.send(error_json(error).dump());
}

}  // namespace facet::endpoints
