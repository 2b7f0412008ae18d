#include "engine/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "engine/stop_strings.h"
#include "text/detokenizer.h"

namespace facet {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// One run of generate(): the state between two tokens.
class Run {
  public:
    Run(Session& session, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
        const GenerationOptions& options, const ReplyFormat& format, const EventSink& sink)
        : session_(session),
          tokenizer_(tokenizer),
          prompt_(prompt),
          options_(options),
          sink_(sink),
          sampler_(options.sampling, session.model().vocabulary_size(),
                   session.model().suppressed_ids(), prompt),
          stops_(options.stop),
          detokenizer_(tokenizer.vocabulary()) {
        if (format.chat)
            parser_.emplace(tokenizer.vocabulary(), format.tools, format.prompt_opened_thought);
        const auto room = session.context() - static_cast<int32_t>(prompt.size());
        tokens_left_ = options.max_tokens > 0 ? std::min(options.max_tokens, room) : room;
    }

    // The session's wish refers to the sampler.
    ~Run() { session_.want({}); }

    Status run() {
        FACET_TRY(prefill());
        const Clock::time_point start = Clock::now();
        std::optional<Finish> finish;
        if (session_.cancelled()) finish = Finish::kCancelled;
        while (!finish) {
            const int32_t id = FACET_TRY(next_token());
            output_.push_back(id);
            finish = take(id);
            if (finish) break;
            session_.want(sampler_.wish());
            session_.append(id);
        }
        usage_.decode_ms = milliseconds_since(start);
        end(*finish);
        return {};
    }

    std::vector<int32_t> take_output() { return std::move(output_); }

  private:
    Status prefill() {
        const Clock::time_point start = Clock::now();
        session_.want(sampler_.wish());
        usage_.prompt_tokens = static_cast<int32_t>(prompt_.size());
        usage_.cached_tokens =
            FACET_TRY(session_.set_ids(prompt_, [this](int32_t done, int32_t total) {
                GenerationEvent event{GenerationEvent::Kind::kProgress};
                event.done = done;
                event.total = total;
                return sink_(event);
            }));
        usage_.prefill_ms = milliseconds_since(start);
        return {};
    }

    Result<int32_t> next_token() {
        if (forced_.empty()) close_long_thought();
        if (!forced_.empty()) {
            const int32_t id = forced_.front();
            forced_.pop_front();
            return id;
        }
        return sampler_.wish().all ? sampler_.sample(session_.logits())
                                   : sampler_.sample(session_.best_logits());
    }

    // The thinking budget: a newline and the end of the channel are put into the model's mouth.
    void close_long_thought() {
        if (!parser_ || !parser_->in_thought() || options_.thinking_budget < 0) return;
        if (usage_.reasoning_tokens < options_.thinking_budget) return;
        const int32_t newline = tokenizer_.vocabulary().find("\n");
        if (newline >= 0) forced_.push_back(newline);
        forced_.push_back(tokenizer_.vocabulary().id_of(Special::kChannelEnd));
    }

    // Hands a token on; says whether and how the reply ends with it.
    std::optional<Finish> take(int32_t id) {
        sampler_.accept(id);
        ++usage_.completion_tokens;
        const bool was_thought = parser_ && parser_->in_thought();
        const bool ends = session_.model().ends_reply(id);
        if (parser_) {
            emit(parser_->push(id));
            if (was_thought || parser_->in_thought()) ++usage_.reasoning_tokens;
        } else if (!ends) {
            emit_text(detokenizer_.push(id));
        }
        if (session_.cancelled()) return Finish::kCancelled;
        if (stops_.stopped() || ends) return Finish::kStop;
        if (--tokens_left_ <= 0) return Finish::kLength;
        if (options_.repetition_guard && repeats_itself(output_)) return Finish::kLength;
        return std::nullopt;
    }

    void end(Finish finish) {
        if (parser_) {
            const bool cut = finish == Finish::kLength || finish == Finish::kCancelled;
            emit(parser_->finish(cut ? EndedBy::kLength : EndedBy::kStop));
            if (finish == Finish::kStop && parser_->finish_reason() == FinishReason::kToolCalls) {
                finish = Finish::kToolCalls;
            }
        } else {
            emit_text(detokenizer_.finish());
        }
        send(GenerationEvent::Kind::kText, stops_.finish());
        GenerationEvent event{GenerationEvent::Kind::kEnd};
        event.finish = finish;
        event.usage = usage_;
        sink_(event);
    }

    void emit(const std::vector<ReplyEvent>& events) {
        for (const ReplyEvent& reply : events) {
            switch (reply.kind) {
                case ReplyEvent::Kind::kThought:
                    send(GenerationEvent::Kind::kThought, reply.text);
                    break;
                case ReplyEvent::Kind::kThoughtRetracted:
                    send(GenerationEvent::Kind::kThoughtRetracted, {});
                    break;
                case ReplyEvent::Kind::kText: emit_text(reply.text); break;
                case ReplyEvent::Kind::kToolCall: {
                    if (stops_.stopped()) break;
                    GenerationEvent event{GenerationEvent::Kind::kToolCall};
                    event.call = &reply.call;
                    deliver(event);
                    break;
                }
            }
        }
    }

    void emit_text(const std::string& text) {
        send(GenerationEvent::Kind::kText, stops_.push(text));
    }

    void send(GenerationEvent::Kind kind, std::string text) {
        if (text.empty() && kind != GenerationEvent::Kind::kThoughtRetracted) return;
        deliver({kind, std::move(text)});
    }

    void deliver(const GenerationEvent& event) {
        if (!sink_(event)) session_.cancel();
    }

    Session& session_;
    const Tokenizer& tokenizer_;
    std::span<const int32_t> prompt_;
    const GenerationOptions& options_;
    const EventSink& sink_;
    Sampler sampler_;
    StopStrings stops_;
    Detokenizer detokenizer_;
    std::optional<ReplyParser> parser_;
    std::deque<int32_t> forced_;
    std::vector<int32_t> output_;
    int32_t tokens_left_ = 0;
    Usage usage_;
};

}  // namespace

Status generate(Session& session, std::span<const int32_t> prompt, const GenerationOptions& options,
                const ReplyFormat& format, const EventSink& sink, std::vector<int32_t>* output) {
    const Tokenizer* tokenizer = FACET_TRY(session.model().tokenizer());
    FACET_TRY(check_sampling_options(options.sampling, session.model().vocabulary_size()));
    if (prompt.size() >= static_cast<size_t>(session.context())) {
        return invalid_input(
            fmt::format("the prompt of {} tokens leaves no room for an answer in the context of {}",
                        prompt.size(), session.context()));
    }
    session.reset_cancel();
    Run run(session, *tokenizer, prompt, options, format, sink);
    FACET_TRY(run.run());
    if (output != nullptr) *output = run.take_output();
    return {};
}

bool repeats_itself(std::span<const int32_t> ids) {
    constexpr size_t kRepeats = 8, kTokens = 32, kLongest = 64;
    for (size_t period = 1; period <= kLongest; ++period) {
        const size_t span = std::max(kRepeats * period, kTokens);
        if (span > ids.size()) return false;
        const auto tail = ids.last(span);
        if (std::equal(tail.begin() + static_cast<std::ptrdiff_t>(period), tail.end(),
                       tail.begin()))
            return true;
    }
    return false;
}

}  // namespace facet
