// One reply while it is made: from logits to ids, from ids to events, and when it ends.
//
// Owns: when a reply ends (end tokens, stop strings, length, repetition), the thinking budget,
// usage. Whoever computes the logits drives it: next() chooses an id, take() hands it on. The parts
// have files of their own: sampler (choice), reply_parser and stop_strings (meaning),
// reply_constraint (what a grammar allows).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/loaded_model.h"
#include "engine/reply_constraint.h"
#include "engine/sampler.h"
#include "engine/stop_strings.h"
#include "engine/token_logprobs.h"
#include "text/assistant_message.h"
#include "text/detokenizer.h"
#include "text/reply_parser.h"

namespace facet {

struct GenerationOptions {
    SamplingOptions sampling;
    int32_t max_tokens = 0;  // 0 = as many as the context holds
    std::vector<std::string> stop;
    int32_t thinking_budget =
        -1;  // thought tokens after which the thought is closed; negative = no limit
    bool repetition_guard = false;
    // For each token of the answer its log probability, and so many of the likeliest; negative: not
    // at all.
    int32_t logprobs = -1;
};

enum class Finish { kStop, kLength, kToolCalls, kCancelled, kDeadline };

struct Usage {
    int32_t prompt_tokens = 0;
    int32_t cached_tokens = 0;
    int32_t completion_tokens = 0;
    int32_t reasoning_tokens = 0;
    double prefill_ms = 0;
    double decode_ms = 0;
};

struct GenerationEvent {
    enum class Kind { kProgress, kThought, kThoughtRetracted, kText, kToolCall, kLogprobs, kEnd };
    Kind kind = Kind::kText;
    std::string text =
        {};  // kThought, kText: new text; kLogprobs: a token's, as JSON; kEnd: the stop string
    std::shared_ptr<const ToolCall> call = {};  // kToolCall
    int32_t done = 0, total = 0;                // kProgress: prompt tokens
    Finish finish = Finish::kStop;              // kEnd
    Usage usage = {};                           // kEnd
};

// Receives events in order; false cancels.
using EventSink = std::function<bool(const GenerationEvent&)>;

// How the output is read: as a chat reply (thoughts, calls, text) or as plain text.
struct ReplyFormat {
    bool chat = true;
    Json tools = {};  // the request's, or null
    bool prompt_opened_thought = false;
    ReplyRules rules = {};
};

class Generation {
  public:
    // tokens: the most the reply may have. The model must outlive it. Errors: an option out of
    // range, a model without tokenizer.
    static Result<std::unique_ptr<Generation>> create(const LoadedModel& model,
                                                      std::span<const int32_t> prompt,
                                                      const GenerationOptions& options,
                                                      ReplyFormat format, int32_t tokens,
                                                      EventSink sink);

    // What next() needs to know of the logits, until the next take().
    LogitWish wish();
    // The next id, from the answer to the last wish(): all logits [V], which are changed in place,
    // or a list. Errors: broken logits, a grammar beyond its limits.
    Result<int32_t> next(std::span<float> all, std::span<const Logit> best);
    // Hands an id on; says whether and how the reply ends with it.
    std::optional<Finish> take(int32_t id);
    // The last events. Nothing may follow.
    void end(Finish finish);

    // True once the sink has refused an event.
    bool refused() const { return refused_; }
    // Ids of the reply so far, an end token included.
    const std::vector<int32_t>& output() const { return output_; }
    // What a chat's reply has said, after end(). Nothing for other output, and where a stop string
    // cut the text: ids and text are not the same then.
    std::optional<AssistantMessage> said() const;
    // The parts that it does not know by itself are set by who computes.
    Usage& usage() { return usage_; }
    void progress(int32_t done, int32_t total);

  private:
    Generation(const LoadedModel& model, const Tokenizer& tokenizer,
               std::span<const int32_t> prompt, const GenerationOptions& options,
               ReplyFormat format, int32_t tokens, EventSink sink);
    void close_long_thought();
    void emit(const std::vector<ReplyEvent>& events);
    void emit_logprobs(int32_t id);
    void emit_text(const std::string& text);
    void send(GenerationEvent::Kind kind, std::string text);
    void deliver(const GenerationEvent& event);

    const LoadedModel& model_;
    const Tokenizer& tokenizer_;
    const GenerationOptions options_;
    const ReplyFormat format_;
    EventSink sink_;
    Sampler sampler_;
    StopStrings stops_;
    Detokenizer detokenizer_;
    std::optional<ReplyParser> parser_;
    std::optional<ReplyConstraint> constraint_;
    Status constraint_status_;
    std::optional<TokenLogprobs> logprobs_;
    bool wished_all_ = false;
    std::deque<int32_t> forced_;
    std::vector<int32_t> output_;
    AssistantMessage said_;
    int32_t tokens_left_ = 0;
    bool refused_ = false;
    Usage usage_;
};

// True if the newest tokens repeat one n-gram over and over (8 times and 32 tokens at least).
bool repeats_itself(std::span<const int32_t> ids);

}  // namespace facet
