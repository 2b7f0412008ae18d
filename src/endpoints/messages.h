// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API, which coding agents speak.
//
// Owns: the translation of its requests to a chat (gemma4-chat chapter 5 has no counterpart: the
// forms are those of Anthropic's public reference, version 2023-06-01).
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

// As chat_completion_call(). Thinking is off unless "thinking" asks for it, as there.
Result<ReplyCallRequest> message_call(const ServedModel& served, std::string_view body);
// {"input_tokens"} of a request for a message.
Result<Json> count_tokens(const ServedModel& served, std::string_view body);

}  // namespace facet::endpoints
