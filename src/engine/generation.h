// The loop that turns a prompt into events: sample, parse, stop.
//
// Owns: when a reply ends (end tokens, stop strings, length, repetition, cancel), the thinking
// budget, usage. The three parts of the loop have files of their own: session (numbers), sampler
// (choice), reply_parser and stop_strings (meaning).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "text/reply_parser.h"

namespace facet {

struct GenerationOptions {
    SamplingOptions sampling;
    int32_t max_tokens = 0;  // 0 = as many as the context holds
    std::vector<std::string> stop;
    int32_t thinking_budget =
        -1;  // thought tokens after which the thought is closed; negative = no limit
    bool repetition_guard = false;
};

enum class Finish { kStop, kLength, kToolCalls, kCancelled };

struct Usage {
    int32_t prompt_tokens = 0;
    int32_t cached_tokens = 0;
    int32_t completion_tokens = 0;
    int32_t reasoning_tokens = 0;
    double prefill_ms = 0;
    double decode_ms = 0;
};

struct GenerationEvent {
    enum class Kind { kProgress, kThought, kThoughtRetracted, kText, kToolCall, kEnd };
    Kind kind = Kind::kText;
    std::string text = {};           // kThought, kText: new text
    const ToolCall* call = nullptr;  // kToolCall
    int32_t done = 0, total = 0;     // kProgress: prompt tokens
    Finish finish = Finish::kStop;   // kEnd
    Usage usage = {};                // kEnd
};

// Receives events in order; false cancels.
using EventSink = std::function<bool(const GenerationEvent&)>;

// How the output is read: as a chat reply (thoughts, calls, text) or as plain text.
struct ReplyFormat {
    bool chat = true;
    const Json* tools = nullptr;  // the request's, or null
    bool prompt_opened_thought = false;
};

// Answers `prompt`; ends with one kEnd event unless it returns an error. `output`, if not null,
// receives the sampled ids. Errors: a prompt that does not fit the context, an option out of range,
// a model without tokenizer, broken logits.
Status generate(Session& session, std::span<const int32_t> prompt, const GenerationOptions& options,
                const ReplyFormat& format, const EventSink& sink, std::vector<int32_t>* output);

// True if the newest tokens repeat one n-gram over and over (8 times and 32 tokens at least).
bool repeats_itself(std::span<const int32_t> ids);

}  // namespace facet
