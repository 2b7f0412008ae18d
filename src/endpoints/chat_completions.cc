#include "endpoints/chat_completions.h"

#include <fmt/format.h>

#include "endpoints/api_errors.h"
#include "endpoints/chat_writer.h"
#include "endpoints/fields.h"
#include "endpoints/generation_fields.h"

namespace facet::endpoints {

namespace {

// Tokens of thought for each "reasoning_effort"; -1 = no limit.
constexpr std::pair<std::string_view, int32_t> kEfforts[] = {
    {"minimal", 256}, {"low", 1024}, {"medium", 8192}, {"high", -1}, {"xhigh", -1}};

Status set_effort(const std::string& effort, bool& thinks, api::GenerationOptions& options) {
    thinks = effort != "none";
    if (!thinks) return {};
    for (const auto& [name, budget] : kEfforts) {
        if (name != effort) continue;
        options.thinking_budget = budget;
        return {};
    }
    return invalid_input(
        "reasoning_effort: expected \"none\", \"minimal\", \"low\", \"medium\", \"high\" or "
        "\"xhigh\"");
}

// Everything that is not text in the "modalities" of the answer.
Status check_modalities(const Json& request) {
    for (const std::string& modality : FACET_TRY(texts_field(request, "modalities", 8))) {
        if (modality != "text")
            return unsupported(fmt::format("modalities: {} is not supported", modality));
    }
    return {};
}

Result<std::optional<int64_t>> logprobs_of(const Json& request) {
    const bool wanted = FACET_TRY(bool_field(request, "logprobs")).value_or(false);
    const auto top = FACET_TRY(integer_field(request, "top_logprobs", 0, kTopLogprobsMax));
    if (top && *top > 0 && !wanted)
        return invalid_input("top_logprobs: only together with logprobs: true");
    return wanted ? std::optional<int64_t>(top.value_or(0)) : std::optional<int64_t>();
}

}  // namespace

Status set_thinking(const Json& request, bool thinks_else, Json& engine_request,
                    api::GenerationOptions& options) {
    bool thinks = thinks_else;
    Json template_options = Json::object();
    auto effort = FACET_TRY(text_field(request, "reasoning_effort"));
    if (const Json* reasoning = field(request, "reasoning"); reasoning && !effort) {
        if (!reasoning->is_object()) return invalid_input("reasoning: expected an object");
        effort = FACET_TRY(text_field(*reasoning, "effort"));
        thinks = FACET_TRY(bool_field(*reasoning, "enabled")).value_or(thinks);
    }
    if (effort) FACET_TRY(set_effort(*effort, thinks, options));
    if (const Json* given = field(request, "chat_template_kwargs")) {
        if (!given->is_object()) return invalid_input("chat_template_kwargs: expected an object");
        thinks = FACET_TRY(bool_field(*given, "enable_thinking")).value_or(thinks);
        for (const char* name : {"preserve_thinking", "template"}) {
            if (const Json* member = field(*given, name)) template_options.set(name, *member);
        }
    }
    template_options.set("enable_thinking", Json::of(thinks));
    engine_request.set("options", std::move(template_options));
    return {};
}

Result<ReplyCallRequest> chat_completion_call(const ServedModel& served, std::string_view body) {
    const Json request = FACET_TRY(parse_body(body));
    FACET_TRY(text_field(request, "model"));
    FACET_TRY(refuse_fields(
        request, {"audio", "prediction", "web_search_options", "functions", "function_call"}));
    FACET_TRY(check_modalities(request));
    const Json* messages = FACET_TRY(required_field(request, "messages"));
    if (!messages->is_array() || messages->items.empty())
        return invalid_input("messages: expected a list with at least one message");

    Json engine_request = Json::object();
    engine_request.set("messages", *messages);
    if (const Json* tools = field(request, "tools")) engine_request.set("tools", *tools);
    copy_limits(request, engine_request);
    const auto logprobs = FACET_TRY(logprobs_of(request));
    if (logprobs) engine_request.set("logprobs", Json::integer(*logprobs));
    api::GenerationOptions options = FACET_TRY(generation_fields(request));
    FACET_TRY(set_thinking(request, served.thinks, engine_request, options));
    for (const char* name : {"max_tokens", "max_completion_tokens"}) {
        if (const auto most = FACET_TRY(integer_field(request, name, 1, INT32_MAX)))
            options.max_tokens = static_cast<int32_t>(*most);
    }

    ReplyCallRequest call;
    const int64_t n = FACET_TRY(integer_field(request, "n", 1, kChoicesMax)).value_or(1);
    add_choices(call.replies, engine_request.dump(), std::move(options), n);
    call.stream = FACET_TRY(bool_field(request, "stream")).value_or(false);
    ChatWriterOptions how;
    how.logprobs = logprobs.has_value();
    how.progress = FACET_TRY(bool_field(request, "return_progress")).value_or(false);
    if (const Json* stream_options = field(request, "stream_options")) {
        if (!stream_options->is_object())
            return invalid_input("stream_options: expected an object");
        if (!call.stream) return invalid_input("stream_options: only together with stream: true");
        how.usage = FACET_TRY(bool_field(*stream_options, "include_usage")).value_or(false);
    }
    call.writer = std::make_shared<ChatWriter>(served, how, static_cast<size_t>(n));
    return call;
}

Json usage_json(std::span<const Choice> choices) {
    int64_t completion = 0, reasoning = 0;
    for (const Choice& choice : choices) {
        completion += choice.usage.completion_tokens;
        reasoning += choice.usage.reasoning_tokens;
    }
    const facet_usage& first = choices.front().usage;
    Json prompt_details = Json::object(), completion_details = Json::object();
    prompt_details.set("cached_tokens", Json::integer(first.cached_tokens));
    completion_details.set("reasoning_tokens", Json::integer(reasoning));
    Json usage = Json::object();
    usage.set("prompt_tokens", Json::integer(first.prompt_tokens))
        .set("completion_tokens", Json::integer(completion))
        .set("total_tokens", Json::integer(first.prompt_tokens + completion))
        .set("prompt_tokens_details", std::move(prompt_details))
        .set("completion_tokens_details", std::move(completion_details));
    return usage;
}

std::string_view finish_name(const Choice& choice) {
    if (choice.was_cut()) return "length";
    return choice.finish == FACET_FINISH_TOOL_CALLS ? "tool_calls" : "stop";
}

}  // namespace facet::endpoints
