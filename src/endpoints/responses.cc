#include "endpoints/responses.h"

#include <fmt/format.h>

#include "endpoints/chat_completions.h"
#include "endpoints/fields.h"
#include "endpoints/generation_fields.h"
#include "endpoints/json_forms.h"
#include "endpoints/responses_writer.h"

namespace facet::endpoints {

namespace {

// Text, or a list of parts that are text, of one item.
Result<std::string> text_of(const Json& content, const std::string& name) {
    if (content.is_string()) return content.text;
    if (!content.is_array())
        return invalid_input(fmt::format("{}: expected a text or a list of parts", name));
    std::string text;
    for (const Json& part : content.items) {
        const auto type = FACET_TRY(text_field(part, "type"));
        const Json* words = part.find(type && *type == "refusal" ? "refusal" : "text");
        if (words == nullptr || !words->is_string())
            return unsupported(
                fmt::format("{}: parts of type \"{}\" are not supported", name, type.value_or("")));
        text += words->text;
    }
    return text;
}

// Items in order to messages: what the assistant thought, said and called in a row is one message.
class Conversation {
  public:
    Status add(const Json& item, const std::string& name) {
        const std::string type = FACET_TRY(text_field(item, "type")).value_or("message");
        if (type == "message") return add_message(item, name);
        if (type == "reasoning") return add_reasoning(item, name);
        if (type == "function_call") return add_call(item, name);
        if (type == "function_call_output") return add_output(item, name);
        return unsupported(fmt::format("{}: items of type \"{}\" are not supported", name, type));
    }

    Json take() {
        end_turn();
        return std::move(messages_);
    }

    Json& messages() { return messages_; }

  private:
    Status add_message(const Json& item, const std::string& name) {
        const auto role = FACET_TRY(text_field(item, "role"));
        if (!role ||
            (*role != "user" && *role != "assistant" && *role != "system" && *role != "developer"))
            return invalid_input(
                name + ".role: expected \"user\", \"assistant\", \"system\" or \"developer\"");
        const Json* content = item.find("content");
        if (content == nullptr) return invalid_input(name + ".content: missing");
        const std::string text = FACET_TRY(text_of(*content, name + ".content"));
        if (*role != "assistant") {
            end_turn();
            messages_.push(chat_message(*role, Json::of(text)));
            return {};
        }
        if (has_text_ || !calls_.items.empty()) end_turn();
        text_ = text;
        has_text_ = true;
        return {};
    }

    Status add_reasoning(const Json& item, const std::string& name) {
        if (has_text_ || !calls_.items.empty()) end_turn();
        if (const Json* content = field(item, "content"))
            thought_ += FACET_TRY(text_of(*content, name + ".content"));
        return {};
    }

    Status add_call(const Json& item, const std::string& name) {
        const auto id = FACET_TRY(text_field(item, "call_id"));
        const auto tool = FACET_TRY(text_field(item, "name"));
        const auto arguments = FACET_TRY(text_field(item, "arguments"));
        if (!id || !tool || !arguments)
            return invalid_input(name + ": expected call_id, name and arguments");
        calls_.push(function_call(Json::of(*id), Json::of(*tool), Json::of(*arguments)));
        return {};
    }

    Status add_output(const Json& item, const std::string& name) {
        end_turn();
        const auto id = FACET_TRY(text_field(item, "call_id"));
        if (!id) return invalid_input(name + ".call_id: missing");
        const Json* output = FACET_TRY(required_field(item, "output"));
        Json result = chat_message("tool", Json::of(FACET_TRY(text_of(*output, name + ".output"))));
        messages_.push(result.set("tool_call_id", Json::of(*id)));
        return {};
    }

    void end_turn() {
        if (!has_text_ && calls_.items.empty()) return thought_.clear();
        Json turn = chat_message("assistant", has_text_ ? Json::of(text_) : Json::null());
        if (!thought_.empty()) turn.set("reasoning_content", Json::of(thought_));
        if (!calls_.items.empty()) turn.set("tool_calls", std::move(calls_));
        messages_.push(std::move(turn));
        calls_ = Json::array();
        text_.clear();
        thought_.clear();
        has_text_ = false;
    }

    Json messages_ = Json::array();
    std::string text_, thought_;
    bool has_text_ = false;
    Json calls_ = Json::array();
};

Result<Json> messages_of(const Json& request) {
    Conversation conversation;
    if (const auto instructions = FACET_TRY(text_field(request, "instructions")))
        conversation.messages().push(chat_message("system", Json::of(*instructions)));
    const Json* input = FACET_TRY(required_field(request, "input"));
    if (input->is_string()) {
        conversation.messages().push(chat_message("user", *input));
        return conversation.take();
    }
    if (!input->is_array() || input->items.empty())
        return invalid_input("input: expected a text or a list of items");
    for (size_t i = 0; i < input->items.size(); ++i)
        FACET_TRY(conversation.add(input->items[i], fmt::format("input[{}]", i)));
    return conversation.take();
}

// Tools and tool choices have their members one level higher than in chat completions.
Json nested_function(const Json& flat) {
    Json function = Json::object();
    for (const auto& [name, value] : flat.members) {
        if (name != "type" && !value.is_null()) function.set(name, value);
    }
    return function_entry(std::move(function));
}

Status set_tools(const Json& request, Json& engine_request) {
    if (const Json* tools = field(request, "tools")) {
        if (!tools->is_array()) return invalid_input("tools: expected a list");
        Json made = Json::array();
        for (const Json& tool : tools->items) {
            const std::string type = FACET_TRY(text_field(tool, "type")).value_or("");
            if (type != "function")
                return unsupported(
                    fmt::format("tools: tools of type \"{}\" are not supported", type));
            made.push(nested_function(tool));
        }
        engine_request.set("tools", std::move(made));
    }
    if (const Json* choice = field(request, "tool_choice"))
        engine_request.set("tool_choice", choice->is_object() ? nested_function(*choice) : *choice);
    if (const Json* parallel = field(request, "parallel_tool_calls"))
        engine_request.set("parallel_tool_calls", *parallel);
    return {};
}

// "text": {"format": ...}, whose schema lies one level higher than in chat completions too.
Status set_format(const Json& request, Json& engine_request) {
    const Json* text = field(request, "text");
    if (text == nullptr) return {};
    if (!text->is_object()) return invalid_input("text: expected an object");
    if (const Json* format = field(*text, "format")) engine_request.set("response_format", *format);
    return {};
}

}  // namespace

Result<ReplyCallRequest> response_call(const ServedModel& served, std::string_view body) {
    const Json request = FACET_TRY(parse_body(body));
    FACET_TRY(text_field(request, "model"));
    FACET_TRY(refuse_fields(request, {"previous_response_id", "conversation", "background",
                                      "prompt", "max_tool_calls"}));
    if (const auto truncation = FACET_TRY(text_field(request, "truncation"));
        truncation && *truncation != "disabled")
        return unsupported("truncation: only \"disabled\" is supported");
    Json engine_request = Json::object();
    engine_request.set("messages", FACET_TRY(messages_of(request)));
    FACET_TRY(set_tools(request, engine_request));
    FACET_TRY(set_format(request, engine_request));
    api::GenerationOptions options = FACET_TRY(generation_fields(request));
    FACET_TRY(set_thinking(request, served.thinks, engine_request, options));
    if (const auto most = FACET_TRY(integer_field(request, "max_output_tokens", 1, INT32_MAX)))
        options.max_tokens = static_cast<int32_t>(*most);
    ReplyCallRequest call;
    add_choices(call.replies, engine_request.dump(), std::move(options), 1);
    call.stream = FACET_TRY(bool_field(request, "stream")).value_or(false);
    call.writer = std::make_shared<ResponseWriter>(served, request);
    return call;
}

}  // namespace facet::endpoints
