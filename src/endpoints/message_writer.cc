#include "endpoints/message_writer.h"

#include "endpoints/api_errors.h"
#include "endpoints/json_forms.h"

namespace facet::endpoints {

namespace {

Json thinking_block(std::string_view text) {
    // Clients ask for a signature; there is nothing to sign for.
    return typed("thinking").set("thinking", Json::of(text)).set("signature", Json::of(""));
}

Json call_block(const Json& call, Json input) {
    return typed("tool_use")
        .set("id", *call.find("id"))
        .set("name", *call.find("name"))
        .set("input", std::move(input));
}

Json usage_json(const facet_usage& usage) {
    Json json = Json::object();
    return json.set("input_tokens", Json::integer(usage.prompt_tokens - usage.cached_tokens))
        .set("cache_creation_input_tokens", Json::integer(0))
        .set("cache_read_input_tokens", Json::integer(usage.cached_tokens))
        .set("output_tokens", Json::integer(usage.completion_tokens));
}

void set_stop(Json& json, const Choice& choice) {
    const char* reason = "end_turn";
    if (choice.finish == FACET_FINISH_TOOL_CALLS) reason = "tool_use";
    if (choice.was_cut()) reason = "max_tokens";
    if (!choice.stop.empty()) reason = "stop_sequence";
    json.set("stop_reason", Json::of(reason))
        .set("stop_sequence", choice.stop.empty() ? Json::null() : Json::of(choice.stop));
}

void send(EventOutput& output, const Json& json) {
    output.send(json.dump(), json.find("type")->text);
}

}  // namespace

MessageWriter::MessageWriter(const ServedModel& served)
    : model_(served.name), id_(new_id("msg_")) {}

Json MessageWriter::frame(Json content) const {
    Json json = Json::object();
    return json.set("id", Json::of(id_))
        .set("type", Json::of("message"))
        .set("role", Json::of("assistant"))
        .set("model", Json::of(model_))
        .set("content", std::move(content))
        .set("stop_reason", Json::null())
        .set("stop_sequence", Json::null());
}

Json MessageWriter::whole(std::span<const Choice> choices) {
    const Choice& choice = choices.front();
    Json content = Json::array();
    if (!choice.thought.empty()) content.push(thinking_block(choice.thought));
    // Never without a block.
    if (!choice.text.empty() || choice.calls.empty())
        content.push(typed("text").set("text", Json::of(choice.text)));
    for (const Json& call : choice.calls) content.push(call_block(call, *call.find("arguments")));
    Json json = frame(std::move(content));
    set_stop(json, choice);
    return json.set("usage", usage_json(choice.usage));
}

void MessageWriter::begin(EventOutput& output, const api::Event& event) {
    has_begun_ = true;
    facet_usage usage = {};
    // What is known now; the end has the whole.
    if (event.kind == FACET_EVENT_PROGRESS) usage.prompt_tokens = event.total;
    Json message = frame(Json::array());
    message.set("usage", usage_json(usage));
    send(output, typed("message_start").set("message", std::move(message)));
}

void MessageWriter::open(EventOutput& output, Block block, Json start) {
    close(output);
    block_ = block;
    send(output, typed("content_block_start")
                     .set("index", Json::integer(blocks_++))
                     .set("content_block", std::move(start)));
}

void MessageWriter::close(EventOutput& output) {
    if (block_ == Block::kNone) return;
    block_ = Block::kNone;
    send(output, typed("content_block_stop").set("index", Json::integer(blocks_ - 1)));
}

void MessageWriter::send_delta(EventOutput& output, const char* type, const char* member,
                               std::string_view text) {
    send(output, typed("content_block_delta")
                     .set("index", Json::integer(blocks_ - 1))
                     .set("delta", typed(type).set(member, Json::of(text))));
}

void MessageWriter::event(EventOutput& output, size_t, const Choice& choice,
                          const api::Event& event) {
    if (!has_begun_) begin(output, event);
    switch (event.kind) {
        case FACET_EVENT_PROGRESS: return send(output, typed("ping"));
        case FACET_EVENT_THOUGHT:
            if (block_ != Block::kThinking) open(output, Block::kThinking, thinking_block(""));
            return send_delta(output, "thinking_delta", "thinking", event.text);
        case FACET_EVENT_TEXT:
            if (block_ != Block::kText)
                open(output, Block::kText, typed("text").set("text", Json::of("")));
            return send_delta(output, "text_delta", "text", event.text);
        case FACET_EVENT_TOOL_CALL: {
            const Json& call = choice.calls.back();
            open(output, Block::kCall, call_block(call, Json::object()));
            send_delta(output, "input_json_delta", "partial_json", call.find("arguments")->dump());
            return close(output);
        }
        default: return;
    }
}

void MessageWriter::end(EventOutput& output, std::span<const Choice> choices) {
    if (blocks_ == 0) open(output, Block::kText, typed("text").set("text", Json::of("")));
    close(output);
    Json delta = Json::object();
    set_stop(delta, choices.front());
    send(output, typed("message_delta")
                     .set("delta", std::move(delta))
                     .set("usage", usage_json(choices.front().usage)));
    send(output, typed("message_stop"));
}

void MessageWriter::fail(EventOutput& output, const Error& error) {
    output.send(error_json(error).dump(), "error");
}

}  // namespace facet::endpoints
