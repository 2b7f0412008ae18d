#include "endpoints/messages.h"

#include <fmt/format.h>

#include "endpoints/fields.h"
#include "endpoints/generation_fields.h"
#include "endpoints/json_forms.h"
#include "endpoints/message_writer.h"

namespace facet::endpoints {

namespace {

// A text, or blocks of text, as one text. Errors: other blocks.
Result<std::string> plain_text(const Json& content, const std::string& name) {
    if (content.is_string()) return content.text;
    if (!content.is_array())
        return invalid_input(fmt::format("{}: expected a text or a list of blocks", name));
    std::string text;
    for (const Json& block : content.items) {
        const Json* type = block.find("type");
        const Json* words = block.find("text");
        if (type == nullptr || !type->is_string())
            return invalid_input(fmt::format("{}: a block without a type", name));
        if (type->text != "text" || words == nullptr || !words->is_string())
            return unsupported(
                fmt::format("{}: blocks of type \"{}\" are not supported", name, type->text));
        text += words->text;
    }
    return text;
}

// A block's member that has to be a text.
Result<std::string> text_of(const Json& block, const char* member, const std::string& name) {
    const Json* text = block.find(member);
    if (text == nullptr || !text->is_string())
        return invalid_input(fmt::format("{}.{}: expected a text", name, member));
    return text->text;
}

// One of Anthropic's messages as one or more of OpenAI's: results of tools are messages there.
class Message {
  public:
    Message(std::string role, std::string name) : role_(std::move(role)), name_(std::move(name)) {}

    Status add(const Json& block) {
        const std::string type = FACET_TRY(text_of(block, "type", name_));
        const bool is_assistant = role_ == "assistant";
        if (type == "text") {
            text_ += FACET_TRY(text_of(block, "text", name_));
            has_text_ = true;
        } else if (type == "tool_use" && is_assistant) {
            FACET_TRY(add_call(block));
        } else if (type == "tool_result" && !is_assistant) {
            FACET_TRY(add_result(block));
        } else if (type == "thinking" && is_assistant) {
            thought_ += FACET_TRY(text_of(block, "thinking", name_));
        } else if (type != "redacted_thinking" || !is_assistant) {
            return unsupported(
                fmt::format("{}: blocks of type \"{}\" are not supported in {}'s "
                            "messages",
                            name_, type, role_));
        }
        return {};
    }

    void append_to(Json& messages) {
        for (Json& result : results_.items) messages.push(std::move(result));
        const bool is_empty = !has_text_ && calls_.items.empty() && thought_.empty();
        if (is_empty && !results_.items.empty()) return;
        const bool is_null = !has_text_ && !calls_.items.empty();
        Json json = chat_message(role_, is_null ? Json::null() : Json::of(text_));
        if (!thought_.empty()) json.set("reasoning_content", Json::of(thought_));
        if (!calls_.items.empty()) json.set("tool_calls", std::move(calls_));
        messages.push(std::move(json));
    }

  private:
    Status add_call(const Json& block) {
        const Json* input = block.find("input");
        if (input == nullptr || !input->is_object())
            return invalid_input(name_ + ".input: expected an object");
        const std::string tool = FACET_TRY(text_of(block, "name", name_));
        const std::string id = FACET_TRY(text_of(block, "id", name_));
        calls_.push(function_call(Json::of(id), Json::of(tool), *input));
        return {};
    }

    Status add_result(const Json& block) {
        std::string text;
        if (const Json* content = field(block, "content"))
            text = FACET_TRY(plain_text(*content, name_ + ".content"));
        Json result = chat_message("tool", Json::of(text));
        result.set("tool_call_id", Json::of(FACET_TRY(text_of(block, "tool_use_id", name_))));
        results_.push(std::move(result));
        return {};
    }

    const std::string role_, name_;
    std::string text_, thought_;
    bool has_text_ = false;
    Json calls_ = Json::array(), results_ = Json::array();
};

Result<Json> messages_of(const Json& request) {
    Json messages = Json::array();
    if (const Json* system = field(request, "system"))
        messages.push(chat_message("system", Json::of(FACET_TRY(plain_text(*system, "system")))));
    const Json* given = FACET_TRY(required_field(request, "messages"));
    if (!given->is_array() || given->items.empty())
        return invalid_input("messages: expected a list with at least one message");
    for (size_t i = 0; i < given->items.size(); ++i) {
        const std::string name = fmt::format("messages[{}]", i);
        const std::string role = FACET_TRY(text_of(given->items[i], "role", name));
        if (role != "user" && role != "assistant")
            return invalid_input(name + ".role: expected \"user\" or \"assistant\"");
        const Json* content = given->items[i].find("content");
        if (content == nullptr || !(content->is_string() || content->is_array()))
            return invalid_input(name + ".content: expected a text or a list of blocks");
        if (content->is_string()) {
            messages.push(chat_message(role, *content));
            continue;
        }
        Message made(role, name + ".content");
        for (const Json& block : content->items) FACET_TRY(made.add(block));
        made.append_to(messages);
    }
    return messages;
}

Result<Json> tools_of(const Json& tools) {
    if (!tools.is_array()) return invalid_input("tools: expected a list");
    Json made = Json::array();
    for (const Json& tool : tools.items) {
        const auto type = FACET_TRY(text_field(tool, "type"));
        if (type && *type != "custom")
            return unsupported(fmt::format("tools: tools of type \"{}\" are not supported", *type));
        Json function = one_member("name", Json::of(FACET_TRY(text_of(tool, "name", "tools"))));
        for (const auto& [from, to] :
             {std::pair("description", "description"), std::pair("input_schema", "parameters"),
              std::pair("strict", "strict")}) {
            if (const Json* member = field(tool, from)) function.set(to, *member);
        }
        made.push(function_entry(std::move(function)));
    }
    return made;
}

Status set_tool_choice(const Json& choice, Json& engine_request) {
    const auto type = FACET_TRY(text_field(choice, "type"));
    if (!type) return invalid_input("tool_choice.type: missing");
    if (*type == "tool") {
        const std::string name = FACET_TRY(text_of(choice, "name", "tool_choice"));
        engine_request.set("tool_choice", function_entry(one_member("name", Json::of(name))));
    } else if (*type == "auto" || *type == "any" || *type == "none") {
        engine_request.set("tool_choice", Json::of(*type == "any" ? "required" : *type));
    } else {
        return invalid_input("tool_choice.type: expected \"auto\", \"any\", \"tool\" or \"none\"");
    }
    if (FACET_TRY(bool_field(choice, "disable_parallel_tool_use")).value_or(false))
        engine_request.set("parallel_tool_calls", Json::of(false));
    return {};
}

// "thinking": {"type": "enabled", "budget_tokens"}, {"type": "adaptive"} or {"type": "disabled"}.
Status set_thinking_of(const Json& request, Json& engine_request, api::GenerationOptions& options) {
    bool thinks = false;
    if (const Json* thinking = field(request, "thinking")) {
        const auto type = FACET_TRY(text_field(*thinking, "type"));
        if (!type || (*type != "enabled" && *type != "disabled" && *type != "adaptive"))
            return invalid_input(
                "thinking.type: expected \"enabled\", \"adaptive\" or \"disabled\"");
        thinks = *type != "disabled";
        if (const auto budget = FACET_TRY(integer_field(*thinking, "budget_tokens", 1, INT32_MAX)))
            options.thinking_budget = static_cast<int32_t>(*budget);
    }
    engine_request.set("options", one_member("enable_thinking", Json::of(thinks)));
    return {};
}

// "output_config": {"format": {"type": "json_schema", "schema"}}.
Status set_format(const Json& request, Json& engine_request) {
    const Json* config = field(request, "output_config");
    const Json* format =
        config != nullptr ? field(*config, "format") : field(request, "output_format");
    if (format == nullptr) return {};
    engine_request.set("response_format", *format);
    return {};
}

// What the engine is asked, without how to generate.
Result<Json> engine_request_of(const Json& request, api::GenerationOptions& options) {
    FACET_TRY(text_field(request, "model"));
    FACET_TRY(refuse_fields(request, {"mcp_servers", "container", "context_management"}));
    Json engine_request = Json::object();
    engine_request.set("messages", FACET_TRY(messages_of(request)));
    if (const Json* tools = field(request, "tools"))
        engine_request.set("tools", FACET_TRY(tools_of(*tools)));
    if (const Json* choice = field(request, "tool_choice"))
        FACET_TRY(set_tool_choice(*choice, engine_request));
    FACET_TRY(set_format(request, engine_request));
    FACET_TRY(set_thinking_of(request, engine_request, options));
    return engine_request;
}

}  // namespace

Result<ReplyCallRequest> message_call(const ServedModel& served, std::string_view body) {
    const Json request = FACET_TRY(parse_body(body));
    api::GenerationOptions options = FACET_TRY(generation_fields(request));
    options.stop = FACET_TRY(texts_field(request, "stop_sequences", kStopsMax));
    FACET_TRY(required_field(request, "max_tokens"));
    options.max_tokens = static_cast<int32_t>(
        FACET_TRY(integer_field(request, "max_tokens", 1, INT32_MAX)).value_or(1));
    const Json engine_request = FACET_TRY(engine_request_of(request, options));
    ReplyCallRequest call;
    add_choices(call.replies, engine_request.dump(), std::move(options), 1);
    call.stream = FACET_TRY(bool_field(request, "stream")).value_or(false);
    call.writer = std::make_shared<MessageWriter>(served);
    return call;
}

Result<Json> count_tokens(const ServedModel& served, std::string_view body) {
    const Json request = FACET_TRY(parse_body(body));
    api::GenerationOptions options;
    const Json engine_request = FACET_TRY(engine_request_of(request, options));
    const Json rendered = FACET_TRY(Json::parse(served.model.render(engine_request.dump())));
    return one_member("input_tokens",
                      Json::integer(static_cast<int64_t>(rendered.find("ids")->items.size())));
}

}  // namespace facet::endpoints
