#include "endpoints/responses_writer.h"

#include "endpoints/api_errors.h"
#include "endpoints/fields.h"
#include "endpoints/json_forms.h"

namespace facet::endpoints {

namespace {

Json text_part(std::string_view text) {
    return typed("output_text")
        .set("text", Json::of(text))
        .set("annotations", Json::array())
        .set("logprobs", Json::array());
}

Json message_item(const std::string& id, const char* status, Json content) {
    return typed("message")
        .set("id", Json::of(id))
        .set("status", Json::of(status))
        .set("role", Json::of("assistant"))
        .set("content", std::move(content));
}

Json list_of(Json item) {
    Json list = Json::array();
    return list.push(std::move(item));
}

Json reasoning_item(const std::string& id, std::string_view text) {
    Json content = Json::array();
    if (!text.empty()) content.push(typed("reasoning_text").set("text", Json::of(text)));
    return typed("reasoning")
        .set("id", Json::of(id))
        .set("summary", Json::array())
        .set("content", std::move(content));
}

Json call_item(const std::string& id, const char* status, const Json& call,
               const std::string& arguments) {
    return typed("function_call")
        .set("id", Json::of(id))
        .set("status", Json::of(status))
        .set("call_id", *call.find("id"))
        .set("name", *call.find("name"))
        .set("arguments", Json::of(arguments));
}

Json usage_json(const facet_usage& usage) {
    Json input = Json::object(), output = Json::object(), json = Json::object();
    input.set("cached_tokens", Json::integer(usage.cached_tokens));
    output.set("reasoning_tokens", Json::integer(usage.reasoning_tokens));
    return json.set("input_tokens", Json::integer(usage.prompt_tokens))
        .set("input_tokens_details", std::move(input))
        .set("output_tokens", Json::integer(usage.completion_tokens))
        .set("output_tokens_details", std::move(output))
        .set("total_tokens", Json::integer(usage.prompt_tokens + usage.completion_tokens));
}

}  // namespace

ResponseWriter::ResponseWriter(const ServedModel& served, const Json& request)
    : model_(served.name), id_(new_id("resp_")), created_(unix_time()) {
    for (const char* name : {"instructions", "max_output_tokens", "temperature", "top_p", "text",
                             "reasoning", "user"}) {
        const Json* member = field(request, name);
        echoed_.set(name, member != nullptr ? *member : Json::null());
    }
    const auto echo = [&](const char* name, Json otherwise) {
        const Json* member = field(request, name);
        echoed_.set(name, member != nullptr ? *member : std::move(otherwise));
    };
    echo("tools", Json::array());
    echo("tool_choice", Json::of("auto"));
    echo("parallel_tool_calls", Json::of(true));
    echo("metadata", Json::object());
}

Json ResponseWriter::response(std::string_view status) const {
    Json json = Json::object();
    json.set("id", Json::of(id_))
        .set("object", Json::of("response"))
        .set("created_at", Json::integer(created_))
        .set("status", Json::of(status))
        .set("error", Json::null())
        .set("incomplete_details", Json::null())
        .set("model", Json::of(model_))
        .set("output", Json::array())
        .set("previous_response_id", Json::null())
        .set("store", Json::of(false))
        .set("truncation", Json::of("disabled"))
        .set("usage", Json::null());
    for (const auto& [name, value] : echoed_.members) json.set(name, value);
    return json;
}

// The whole, with the items that `items_` has.
Json ResponseWriter::finished(const Choice& choice) const {
    const bool is_cut = choice.was_cut();
    Json json = response(is_cut ? "incomplete" : "completed");
    if (is_cut) {
        Json details = Json::object();
        json.set("incomplete_details", details.set("reason", Json::of("max_output_tokens")));
    }
    return json.set("output", items_).set("usage", usage_json(choice.usage));
}

Json ResponseWriter::whole(std::span<const Choice> choices) {
    const Choice& choice = choices.front();
    if (!choice.thought.empty()) items_.push(reasoning_item(new_id("rs_"), choice.thought));
    if (!choice.text.empty() || choice.calls.empty())
        items_.push(message_item(new_id("msg_"), "completed", list_of(text_part(choice.text))));
    for (const Json& call : choice.calls) {
        items_.push(call_item(new_id("fc_"), "completed", call, call.find("arguments")->dump()));
    }
    return finished(choice);
}

void ResponseWriter::send(EventOutput& output, Json event) {
    event.set("sequence_number", Json::integer(number_++));
    output.send(event.dump(), event.find("type")->text);
}

Json ResponseWriter::about_item(const char* type) const {
    return typed(type)
        .set("item_id", Json::of(item_id_))
        .set("output_index", Json::integer(static_cast<int64_t>(items_.items.size())))
        .set("content_index", Json::integer(0));
}

void ResponseWriter::begin(EventOutput& output) {
    has_begun_ = true;
    send(output, typed("response.created").set("response", response("in_progress")));
    send(output, typed("response.in_progress").set("response", response("in_progress")));
}

void ResponseWriter::open(EventOutput& output, Open what) {
    if (open_ == what) return;
    close(output);
    open_ = what;
    text_.clear();
    const bool is_message = what == Open::kMessage;
    item_id_ = new_id(is_message ? "msg_" : "rs_");
    send(output, typed("response.output_item.added")
                     .set("output_index", Json::integer(static_cast<int64_t>(items_.items.size())))
                     .set("item", is_message ? message_item(item_id_, "in_progress", Json::array())
                                             : reasoning_item(item_id_, "")));
    send(output, about_item("response.content_part.added")
                     .set("part", is_message ? text_part("")
                                             : typed("reasoning_text").set("text", Json::of(""))));
}

void ResponseWriter::close(EventOutput& output) {
    if (open_ == Open::kNone) return;
    const bool is_message = open_ == Open::kMessage;
    open_ = Open::kNone;
    send(output,
         about_item(is_message ? "response.output_text.done" : "response.reasoning_text.done")
             .set("text", Json::of(text_)));
    send(output,
         about_item("response.content_part.done")
             .set("part", is_message ? text_part(text_)
                                     : typed("reasoning_text").set("text", Json::of(text_))));
    Json item = is_message ? message_item(item_id_, "completed", list_of(text_part(text_)))
                           : reasoning_item(item_id_, text_);
    send(output, typed("response.output_item.done")
                     .set("output_index", Json::integer(static_cast<int64_t>(items_.items.size())))
                     .set("item", item));
    items_.push(std::move(item));
}

void ResponseWriter::send_call(EventOutput& output, const Json& call) {
    close(output);
    item_id_ = new_id("fc_");
    const std::string arguments = call.find("arguments")->dump();
    const Json index = Json::integer(static_cast<int64_t>(items_.items.size()));
    const auto about = [&](const char* type) {
        return typed(type).set("item_id", Json::of(item_id_)).set("output_index", index);
    };
    send(output, typed("response.output_item.added")
                     .set("output_index", index)
                     .set("item", call_item(item_id_, "in_progress", call, "")));
    send(output, about("response.function_call_arguments.delta").set("delta", Json::of(arguments)));
    send(output, about("response.function_call_arguments.done")
                     .set("name", *call.find("name"))
                     .set("arguments", Json::of(arguments)));
    Json item = call_item(item_id_, "completed", call, arguments);
    send(output, typed("response.output_item.done").set("output_index", index).set("item", item));
    items_.push(std::move(item));
}

void ResponseWriter::event(EventOutput& output, size_t, const Choice& choice,
                           const api::Event& event) {
    if (!has_begun_) begin(output);
    switch (event.kind) {
        case FACET_EVENT_PROGRESS: return output.comment();
        case FACET_EVENT_THOUGHT:
            open(output, Open::kReasoning);
            text_ += event.text;
            return send(
                output,
                about_item("response.reasoning_text.delta").set("delta", Json::of(event.text)));
        case FACET_EVENT_TEXT:
            open(output, Open::kMessage);
            text_ += event.text;
            return send(output, about_item("response.output_text.delta")
                                    .set("delta", Json::of(event.text))
                                    .set("logprobs", Json::array()));
        case FACET_EVENT_TOOL_CALL: return send_call(output, choice.calls.back());
        default: return;
    }
}

void ResponseWriter::end(EventOutput& output, std::span<const Choice> choices) {
    close(output);
    if (items_.items.empty()) {
        open(output, Open::kMessage);
        close(output);
    }
    Json json = finished(choices.front());
    const std::string type = "response." + json.find("status")->text;
    send(output, typed(type).set("response", std::move(json)));
}

void ResponseWriter::fail(EventOutput& output, const Error& error) {
    Json json = error_json(error);
    Json failed = typed("error");
    failed.set("code", *json.find("error")->find("code"))
        .set("message", Json::of(error.message))
        .set("param", *json.find("error")->find("param"));
    send(output, std::move(failed));
}

}  // namespace facet::endpoints
