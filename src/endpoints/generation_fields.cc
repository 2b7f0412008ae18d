#include "endpoints/generation_fields.h"

#include <fmt/format.h>

#include "base/option_text.h"
#include "endpoints/fields.h"

namespace facet::endpoints {

namespace {

Result<std::optional<float>> float_field(const Json& request, std::string_view name, double min,
                                         double max) {
    const auto value = FACET_TRY(number_field(request, name, min, max));
    return value ? std::optional<float>(static_cast<float>(*value)) : std::optional<float>();
}

// {"50256": -100}: biases by token id.
Result<std::vector<facet_logit_bias>> bias_field(const Json& request) {
    std::vector<facet_logit_bias> biases;
    const Json* member = field(request, "logit_bias");
    if (member == nullptr) return biases;
    if (!member->is_object())
        return invalid_input("logit_bias: expected an object of token ids and numbers");
    for (const auto& [id, bias] : member->members) {
        const auto number = parse_integer(id, 0, INT32_MAX);
        const auto value = bias.to_double();
        if (!number.ok() || !value.ok() || !(value.value() >= -100 && value.value() <= 100)) {
            return invalid_input("logit_bias: expected token ids with numbers from -100 to 100");
        }
        biases.push_back({static_cast<int32_t>(number.value()), static_cast<float>(value.value())});
    }
    return biases;
}

}  // namespace

Result<api::GenerationOptions> generation_fields(const Json& request) {
    api::GenerationOptions options;
    options.temperature = FACET_TRY(float_field(request, "temperature", 0, 100));
    options.top_p = FACET_TRY(float_field(request, "top_p", 0, 1));
    options.min_p = FACET_TRY(float_field(request, "min_p", 0, 1));
    const auto top_k = FACET_TRY(integer_field(request, "top_k", -1, INT32_MAX));
    // -1 is what some clients call all.
    if (top_k) options.top_k = *top_k < 0 ? 0 : static_cast<int32_t>(*top_k);
    options.frequency_penalty =
        FACET_TRY(float_field(request, "frequency_penalty", -100, 100)).value_or(0.0f);
    options.presence_penalty =
        FACET_TRY(float_field(request, "presence_penalty", -100, 100)).value_or(0.0f);
    for (const char* name : {"repeat_penalty", "repetition_penalty"}) {
        if (const auto value = FACET_TRY(float_field(request, name, 0.01, 100)))
            options.repetition_penalty = value;
    }
    options.seed =
        FACET_TRY(integer_field(request, "seed", INT64_MIN, INT64_MAX)).value_or(int64_t{-1});
    options.stop = FACET_TRY(texts_field(request, "stop", kStopsMax));
    options.logit_bias = FACET_TRY(bias_field(request));
    return options;
}

void copy_limits(const Json& request, Json& to) {
    for (const char* name :
         {"tool_choice", "parallel_tool_calls", "response_format", "grammar", "regex", "choice"}) {
        if (const Json* member = field(request, name)) to.set(name, *member);
    }
}

void add_choices(std::vector<ReplyCallRequest::Reply>& replies, const std::string& request,
                 api::GenerationOptions options, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        replies.push_back({request, options});
        if (options.seed >= 0) options.seed = (options.seed + 1) & INT64_MAX;
    }
}

}  // namespace facet::endpoints
