// The stages of a chat, each alone: JSON in, JSON out (docs: cli.md). What the C API and the batch
// commands call.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "engine/loaded_model.h"
#include "engine/memory_plan.h"
#include "engine/reply_memory.h"
#include "engine/scheduler.h"

namespace facet {

// A request for a reply as JSON: an object. Errors: malformed.
Result<Json> parse_request(std::string_view text);

// A chat request, read and rendered: {"messages", "tools", "options"}.
struct ChatPrompt {
    Json tools;                  // the request's tool list, or null
    bool may_think = false;      // the model is told that it may
    bool opens_thought = false;  // the prompt ends in a half-open thought
    int media_count = 0;
    std::string text;  // as rendered, with special tokens as their text; empty with a memory
    std::vector<int32_t> ids;
    // Ids at the end of the prompt that belong to the reply: the thought that it opens.
    int32_t opener = 0;
};
// memory: replies that the conversation may hold, or null.
Result<ChatPrompt> render_request(const LoadedModel& model, const Json& request,
                                  const ReplyMemory* memory);

// The ids of a request's "prompt": a text, in which special strings count and before which <bos> is
// put, or a list of ids as they are. Errors: neither, an id that is none.
Result<std::vector<int32_t>> prompt_ids(const LoadedModel& model, const Json& prompt);

// "logprobs" of a request: how many alternatives, or -1 for none. Errors: out of range.
Result<int32_t> logprobs_member(const Json& request);

// render_request() as {"rendered", "ids", "opens_thought"}.
Result<Json> render_json(const LoadedModel& model, std::string_view request_json);

// {"raw", "prompt_opened_thought", "ended_by", "tools"} to {"reasoning", "content", "tool_calls",
// "repaired", "malformed", "finish_reason"}; special strings in raw stand for the special tokens.
Result<Json> parse_json(const LoadedModel& model, std::string_view request_json);

// The members of facet_model_plan and facet_model_metrics.
Json plan_json(const MemoryPlan& plan);
Json metrics_json(const SchedulerMetrics& metrics);

// What a file holds and needs (facet_inspect). context 0 = the largest that fits; `measure`: say
// also how fast it will be here.
Result<Json> inspect_json(const std::string& path, int32_t context, bool measure);

}  // namespace facet
