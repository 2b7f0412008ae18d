#include "engine/plumbing.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/reply_parser.h"

namespace facet {

namespace {

// An optional boolean member.
Result<bool> boolean_member(const Json& object, std::string_view name, bool fallback) {
    const Json* member = object.find(name);
    if (member == nullptr || member->is_null()) return fallback;
    if (!member->is_bool()) return invalid_input(fmt::format("{}: expected true or false", name));
    return member->boolean;
}

// The tool list of a request: an array, or null.
Result<Json> tools_member(const Json& request) {
    const Json* tools = request.find("tools");
    if (tools == nullptr || tools->is_null()) return Json::null();
    if (!tools->is_array()) return invalid_input("tools: expected an array or null");
    return *tools;
}

}  // namespace

Result<Json> parse_request(std::string_view text) {
    Json json = FACET_TRY(Json::parse(text));
    if (!json.is_object()) return invalid_input("expected a JSON object");
    return json;
}

Result<std::vector<int32_t>> prompt_ids(const LoadedModel& model, const Json& prompt) {
    const Tokenizer* tokenizer = FACET_TRY(model.tokenizer());
    std::vector<int32_t> ids;
    if (prompt.is_string()) {
        ids = tokenizer->encode(prompt.text, true);
        const int32_t bos = tokenizer->vocabulary().id_of(Special::kBos);
        if (ids.empty() || ids.front() != bos) ids.insert(ids.begin(), bos);
        return ids;
    }
    if (!prompt.is_array()) return invalid_input("prompt: expected a text or a list of token ids");
    for (const Json& item : prompt.items) {
        const Result<long long> id = item.to_integer();
        if (!id.ok() || id.value() < 0 || id.value() >= model.vocabulary_size()) {
            return invalid_input(fmt::format("prompt: expected token ids from 0 to {}, found {}",
                                             model.vocabulary_size() - 1, item.dump()));
        }
        ids.push_back(static_cast<int32_t>(id.value()));
    }
    return ids;
}

Result<int32_t> logprobs_member(const Json& request) {
    const Json* member = request.find("logprobs");
    if (member == nullptr || member->is_null()) return -1;
    const Result<long long> count = member->to_integer();
    if (!count.ok() || count.value() < 0 || count.value() > kTopLogprobsMax)
        return invalid_input(fmt::format("logprobs: expected 0 to {}", kTopLogprobsMax));
    return static_cast<int32_t>(count.value());
}

Result<ChatPrompt> render_request(const LoadedModel& model, const Json& request,
                                  const ReplyMemory* memory) {
    const Tokenizer* tokenizer = FACET_TRY(model.tokenizer());
    const Json* messages = request.find("messages");
    if (messages == nullptr) return invalid_input("messages: missing");
    ChatPrompt prompt;
    prompt.tools = FACET_TRY(tools_member(request));
    const ChatOptions options =
        FACET_TRY(chat_options_from_json(request.find("options"), model.default_chat_options()));
    const RenderedChat rendered =
        FACET_TRY(render_chat(*messages, &prompt.tools, options, tokenizer->vocabulary()));
    prompt.may_think = options.enable_thinking;
    prompt.opens_thought = rendered.opens_thought;
    prompt.media_count = rendered.media_count;
    if (memory != nullptr) {
        prompt.ids = memory->encode(rendered, *tokenizer);
    } else {
        prompt.ids = tokenizer->encode(rendered.pieces);
        prompt.text = rendered_text(rendered.pieces, tokenizer->vocabulary());
    }
    if (rendered.opens_thought) {
        const int32_t opener = tokenizer->vocabulary().id_of(Special::kChannelBegin);
        const auto last = std::find(prompt.ids.rbegin(), prompt.ids.rend(), opener);
        prompt.opener = static_cast<int32_t>(last - prompt.ids.rbegin()) + 1;
    }
    return prompt;
}

Result<Json> render_json(const LoadedModel& model, std::string_view request_json) {
    const ChatPrompt prompt =
        FACET_TRY(render_request(model, FACET_TRY(parse_request(request_json)), nullptr));
    Json ids = Json::array();
    for (const int32_t id : prompt.ids) ids.push(Json::integer(id));
    Json answer = Json::object();
    answer.set("rendered", Json::of(prompt.text));
    answer.set("ids", std::move(ids));
    answer.set("opens_thought", Json::of(prompt.opens_thought));
    return answer;
}

Result<Json> parse_json(const LoadedModel& model, std::string_view request_json) {
    const Tokenizer* tokenizer = FACET_TRY(model.tokenizer());
    const Json request = FACET_TRY(parse_request(request_json));
    const Json* raw = request.find("raw");
    if (raw == nullptr || !raw->is_string()) return invalid_input("raw: expected a string");
    const bool opened = FACET_TRY(boolean_member(request, "prompt_opened_thought", false));
    EndedBy ended_by = EndedBy::kStop;
    if (const Json* end = request.find("ended_by"); end != nullptr && !end->is_null()) {
        if (!end->is_string() || (end->text != "stop" && end->text != "length")) {
            return invalid_input("ended_by: expected \"stop\" or \"length\"");
        }
        if (end->text == "length") ended_by = EndedBy::kLength;
    }
    const Json tools = FACET_TRY(tools_member(request));

    ReplyParser parser(tokenizer->vocabulary(), &tools, opened);
    std::string reasoning, content;
    Json calls = Json::array();
    const auto take = [&](const std::vector<ReplyEvent>& events) {
        for (const ReplyEvent& event : events) {
            switch (event.kind) {
                case ReplyEvent::Kind::kThought: reasoning += event.text; break;
                case ReplyEvent::Kind::kThoughtRetracted: reasoning.clear(); break;
                case ReplyEvent::Kind::kText: content += event.text; break;
                case ReplyEvent::Kind::kToolCall: {
                    Json call = Json::object();
                    call.set("name", Json::of(event.call.name))
                        .set("arguments", event.call.arguments);
                    calls.push(std::move(call));
                    break;
                }
            }
        }
    };
    for (const int32_t id : tokenizer->encode(raw->text, true)) take(parser.push(id));
    take(parser.finish(ended_by));

    Json answer = Json::object();
    answer.set("reasoning", Json::of(reasoning)).set("content", Json::of(content));
    answer.set("tool_calls", std::move(calls));
    answer.set("repaired", Json::of(parser.repaired()))
        .set("malformed", Json::of(parser.malformed()));
    answer.set("finish_reason", Json::of(finish_reason_name(parser.finish_reason())));
    return answer;
}

}  // namespace facet
