#include "endpoints/completions.h"

#include <fmt/format.h>

#include "endpoints/api_errors.h"
#include "endpoints/chat_completions.h"
#include "endpoints/fields.h"
#include "endpoints/generation_fields.h"

namespace facet::endpoints {

namespace {

constexpr size_t kPromptsMax = 16;
constexpr int64_t kTokensElse = 16;  // OpenAI's

struct WriterOptions {
    bool logprobs = false, usage = false;
    size_t choices_per_prompt = 1;
};

// "logprobs" of completions: lists that go through the tokens side by side.
Json logprobs_json(std::span<const Json> tokens, int64_t offset) {
    Json texts = Json::array(), values = Json::array(), tops = Json::array(),
         offsets = Json::array();
    for (const Json& token : tokens) {
        const Json& text = *token.find("token");
        texts.push(text);
        values.push(*token.find("logprob"));
        Json top = Json::object();
        for (const Json& other : token.find("top_logprobs")->items)
            top.set(other.find("token")->text, *other.find("logprob"));
        tops.push(std::move(top));
        offsets.push(Json::integer(offset));
        offset += static_cast<int64_t>(text.text.size());
    }
    Json json = Json::object();
    return json.set("tokens", std::move(texts))
        .set("token_logprobs", std::move(values))
        .set("top_logprobs", std::move(tops))
        .set("text_offset", std::move(offsets));
}

class CompletionWriter : public ReplyWriter {
  public:
    CompletionWriter(const ServedModel& served, WriterOptions options, size_t choices)
        : frame_(served, "cmpl-"), options_(options), sent_(choices) {}

    void event(EventOutput& output, size_t index, const Choice& choice,
               const api::Event& event) override {
        if (event.kind == FACET_EVENT_PROGRESS) return output.comment();
        const bool is_end = event.kind == FACET_EVENT_END;
        if (event.kind != FACET_EVENT_TEXT && !is_end) return;
        const size_t from = sent_[index];
        sent_[index] = choice.logprobs.size();
        Json choices = Json::array();
        choices.push(choice_json(index, is_end ? "" : event.text,
                                 std::span(choice.logprobs).subspan(from),
                                 is_end ? Json::of(finish_name(choice)) : Json::null()));
        Json json = frame();
        output.send(json.set("choices", std::move(choices)).dump());
    }

    void end(EventOutput& output, std::span<const Choice> choices) override {
        if (options_.usage) {
            Json json = frame();
            output.send(json.set("choices", Json::array()).set("usage", usage(choices)).dump());
        }
        output.send("[DONE]");
    }

    void fail(EventOutput& output, const Error& error) override {
        output.send(error_json(error).dump());
    }

    Json whole(std::span<const Choice> choices) override {
        Json list = Json::array();
        for (size_t i = 0; i < choices.size(); ++i) {
            list.push(choice_json(i, choices[i].text, choices[i].logprobs,
                                  Json::of(finish_name(choices[i]))));
        }
        Json json = frame();
        return json.set("choices", std::move(list)).set("usage", usage(choices));
    }

  private:
    Json frame() const { return frame_.json("text_completion"); }

    Json choice_json(size_t index, std::string_view text, std::span<const Json> tokens,
                     Json finish) const {
        Json json = Json::object();
        return json.set("index", Json::integer(static_cast<int64_t>(index)))
            .set("text", Json::of(text))
            .set("logprobs", options_.logprobs ? logprobs_json(tokens, 0) : Json::null())
            .set("finish_reason", std::move(finish));
    }

    // Of all prompts, each of which counts once.
    Json usage(std::span<const Choice> choices) const {
        int64_t prompt = 0, completion = 0;
        for (size_t i = 0; i < choices.size(); ++i) {
            if (i % options_.choices_per_prompt == 0) prompt += choices[i].usage.prompt_tokens;
            completion += choices[i].usage.completion_tokens;
        }
        Json json = Json::object();
        return json.set("prompt_tokens", Json::integer(prompt))
            .set("completion_tokens", Json::integer(completion))
            .set("total_tokens", Json::integer(prompt + completion));
    }

    const AnswerFrame frame_;
    const WriterOptions options_;
    std::vector<size_t> sent_;  // log probabilities, of each choice
};

// A text, ids, or a list of these.
Result<std::vector<Json>> prompts_of(const Json& request) {
    const Json* prompt = FACET_TRY(required_field(request, "prompt"));
    if (prompt->is_string()) return std::vector<Json>{*prompt};
    const Error error = invalid_input(fmt::format(
        "prompt: expected a text, a list of token ids, or at most {} of these", kPromptsMax));
    if (!prompt->is_array() || prompt->items.empty()) return error;
    if (prompt->items.front().is_number()) return std::vector<Json>{*prompt};
    if (prompt->items.size() > kPromptsMax) return error;
    for (const Json& item : prompt->items) {
        if (!item.is_string() && !item.is_array()) return error;
    }
    return prompt->items;
}

}  // namespace

Result<ReplyCallRequest> completion_call(const ServedModel& served, std::string_view body) {
    const Json request = FACET_TRY(parse_body(body));
    FACET_TRY(text_field(request, "model"));
    FACET_TRY(refuse_fields(request, {"suffix", "echo"}));
    const std::vector<Json> prompts = FACET_TRY(prompts_of(request));
    api::GenerationOptions options = FACET_TRY(generation_fields(request));
    options.max_tokens = static_cast<int32_t>(
        FACET_TRY(integer_field(request, "max_tokens", 1, INT32_MAX)).value_or(kTokensElse));
    const int64_t n = FACET_TRY(integer_field(request, "n", 1, kChoicesMax)).value_or(1);
    const auto best_of = FACET_TRY(integer_field(request, "best_of", 1, kChoicesMax));
    if (best_of && *best_of != n)
        return unsupported("best_of: only the same number as n is supported");
    const auto logprobs = FACET_TRY(integer_field(request, "logprobs", 0, kTopLogprobsMax));

    ReplyCallRequest call;
    for (const Json& prompt : prompts) {
        Json engine_request = Json::object();
        engine_request.set("prompt", prompt);
        copy_limits(request, engine_request);
        if (logprobs) engine_request.set("logprobs", Json::integer(*logprobs));
        add_choices(call.replies, engine_request.dump(), options, n);
    }
    if (static_cast<int64_t>(call.replies.size()) > kChoicesMax)
        return invalid_input(
            fmt::format("n: at most {} replies in all, of all prompts", kChoicesMax));
    call.stream = FACET_TRY(bool_field(request, "stream")).value_or(false);
    WriterOptions how;
    how.logprobs = logprobs.has_value();
    how.choices_per_prompt = static_cast<size_t>(n);
    if (const Json* stream_options = field(request, "stream_options"))
        how.usage = FACET_TRY(bool_field(*stream_options, "include_usage")).value_or(false);
    call.writer = std::make_shared<CompletionWriter>(served, how, call.replies.size());
    return call;
}

}  // namespace facet::endpoints
