// POST /v1/chat/completions: OpenAI's chat, in whole or streamed.
//
// Owns: the protocol's request and its answers (gemma4-chat chapter 5). What the model may say is
// enforced by the engine.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

// A body to what has to be computed and how to answer. Errors: a field that is malformed, out of
// range or not supported; the sentence begins with its name.
Result<ReplyCallRequest> chat_completion_call(const ServedModel& served, std::string_view body);

// How much a request lets the model think, for all endpoints: "reasoning_effort",
// "chat_template_kwargs", "reasoning". Sets "options" of an engine's request, and the budget.
Status set_thinking(const Json& request, bool thinks_else, Json& engine_request,
                    api::GenerationOptions& options);

// {"prompt_tokens", ...} of all choices; the prompt counts once.
Json usage_json(std::span<const Choice> choices);
std::string_view finish_name(const Choice& choice);

}  // namespace facet::endpoints
