// The members that say how to generate, which several endpoints share.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "endpoints/reply_call.h"
#include "facet/facet.hpp"

namespace facet::endpoints {

inline constexpr int64_t kChoicesMax = 16;
inline constexpr size_t kStopsMax = 16;
inline constexpr int64_t kTopLogprobsMax = 20;  // the engine's

// temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, repetition_penalty (or
// repeat_penalty), seed, stop, logit_bias. Errors: a value that is none.
Result<api::GenerationOptions> generation_fields(const Json& request);

// Members that the engine itself reads (facet.h, A CHAT REQUEST), copied.
void copy_limits(const Json& request, Json& to);

// The same request for `count` choices, each with a seed of its own where one is given.
void add_choices(std::vector<ReplyCallRequest::Reply>& replies, const std::string& request,
                 api::GenerationOptions options, int64_t count);

}  // namespace facet::endpoints
