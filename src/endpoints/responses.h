// POST /v1/responses: OpenAI's newer form of a chat, in whole or streamed. Nothing is stored here:
// each request brings its whole conversation.
#pragma once

#include <string_view>

#include "base/result.h"
#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

// As chat_completion_call().
Result<ReplyCallRequest> response_call(const ServedModel& served, std::string_view body);

}  // namespace facet::endpoints
