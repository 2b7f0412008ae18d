// POST /v1/completions: OpenAI's continuation of a plain text, in whole or streamed.
#pragma once

#include <string_view>

#include "base/result.h"
#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

// As chat_completion_call(). A "prompt" is a text, a list of token ids, or a list of either.
Result<ReplyCallRequest> completion_call(const ServedModel& served, std::string_view body);

}  // namespace facet::endpoints
