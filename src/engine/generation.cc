#include "engine/generation.h"

#include <algorithm>

#include "text/python_text.h"

namespace facet {

Result<std::unique_ptr<Generation>> Generation::create(const LoadedModel& model,
                                                       std::span<const int32_t> prompt,
                                                       const GenerationOptions& options,
                                                       ReplyFormat format, int32_t tokens,
                                                       EventSink sink) {
    const Tokenizer* tokenizer = FACET_TRY(model.tokenizer());
    FACET_TRY(check_sampling_options(options.sampling, model.vocabulary_size()));
    return std::unique_ptr<Generation>(new Generation(model, *tokenizer, prompt, options,
                                                      std::move(format), tokens, std::move(sink)));
}

Generation::Generation(const LoadedModel& model, const Tokenizer& tokenizer,
                       std::span<const int32_t> prompt, const GenerationOptions& options,
                       ReplyFormat format, int32_t tokens, EventSink sink)
    : model_(model),
      tokenizer_(tokenizer),
      options_(options),
      format_(std::move(format)),
      sink_(std::move(sink)),
      sampler_(options.sampling, model.vocabulary_size(), model.suppressed_ids(), prompt),
      stops_(options.stop),
      detokenizer_(tokenizer.vocabulary()),
      tokens_left_(tokens) {
    if (format_.chat) {
        parser_.emplace(tokenizer.vocabulary(), format_.tools.is_null() ? nullptr : &format_.tools,
                        format_.prompt_opened_thought);
    }
    if (format_.rules.bind()) constraint_.emplace(format_.rules, tokenizer.vocabulary());
    if (options_.logprobs >= 0) logprobs_.emplace(tokenizer.vocabulary(), options_.logprobs);
    usage_.prompt_tokens = static_cast<int32_t>(prompt.size());
}

LogitWish Generation::wish() {
    if (constraint_ && constraint_status_.ok()) {
        const Result<IdBits> allowed = constraint_->allowed(parser_ && parser_->in_thought());
        if (!allowed.ok()) {
            constraint_status_ = allowed.error();
        } else if (!allowed.value().empty()) {
            sampler_.allow(allowed.value());
        }
    }
    const LogitWish wish = logprobs_ ? LogitWish() : sampler_.wish();
    wished_all_ = wish.all;
    return wish;
}

Result<int32_t> Generation::next(std::span<float> all, std::span<const Logit> best) {
    FACET_TRY(Status(constraint_status_));
    if (logprobs_) logprobs_->note(all);
    if (forced_.empty()) close_long_thought();
    if (!forced_.empty()) {
        const int32_t id = forced_.front();
        forced_.pop_front();
        return id;
    }
    return wished_all_ ? sampler_.sample(all) : sampler_.sample(best);
}

// The thinking budget: a newline and the end of the channel are put into the model's mouth.
void Generation::close_long_thought() {
    if (!parser_ || !parser_->in_thought() || options_.thinking_budget < 0) return;
    if (usage_.reasoning_tokens < options_.thinking_budget) return;
    const int32_t newline = tokenizer_.vocabulary().find("\n");
    if (newline >= 0) forced_.push_back(newline);
    forced_.push_back(tokenizer_.vocabulary().id_of(Special::kChannelEnd));
}

std::optional<Finish> Generation::take(int32_t id) {
    output_.push_back(id);
    sampler_.accept(id);
    ++usage_.completion_tokens;
    const bool was_thought = parser_ && parser_->in_thought();
    const bool was_text = !parser_ || !(was_thought || parser_->in_call());
    const bool ends = model_.ends_reply(id);
    if (constraint_) constraint_status_ = constraint_->take(id, was_thought);
    if (logprobs_ && was_text && !ends) emit_logprobs(id);
    if (parser_) {
        emit(parser_->push(id));
        if (was_thought || parser_->in_thought()) ++usage_.reasoning_tokens;
    } else if (!ends) {
        emit_text(detokenizer_.push(id));
    }
    if (refused_) return Finish::kCancelled;
    if (stops_.stopped() || ends) return Finish::kStop;
    if (constraint_ && constraint_status_.ok() && constraint_->is_finished()) return Finish::kStop;
    if (--tokens_left_ <= 0) return Finish::kLength;
    if (options_.repetition_guard && repeats_itself(output_)) return Finish::kLength;
    return std::nullopt;
}

void Generation::end(Finish finish) {
    if (parser_) {
        emit(parser_->finish(finish == Finish::kStop ? EndedBy::kStop : EndedBy::kLength));
        if (finish == Finish::kStop && parser_->finish_reason() == FinishReason::kToolCalls) {
            finish = Finish::kToolCalls;
        }
    } else {
        emit_text(detokenizer_.finish());
    }
    send(GenerationEvent::Kind::kText, stops_.finish());
    GenerationEvent event{GenerationEvent::Kind::kEnd};
    event.text = stops_.found();
    event.finish = finish;
    event.usage = usage_;
    sink_(event);
}

void Generation::progress(int32_t done, int32_t total) {
    GenerationEvent event{GenerationEvent::Kind::kProgress};
    event.done = done;
    event.total = total;
    deliver(event);
}

void Generation::emit(const std::vector<ReplyEvent>& events) {
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
                event.call = std::make_shared<const ToolCall>(reply.call);
                deliver(event);
                break;
            }
        }
    }
}

void Generation::emit_logprobs(int32_t id) {
    if (tokenizer_.vocabulary().special_of(id) >= 0 || stops_.stopped()) return;
    send(GenerationEvent::Kind::kLogprobs, logprobs_->of(id).dump());
}

void Generation::emit_text(const std::string& text) {
    send(GenerationEvent::Kind::kText, stops_.push(text));
}

void Generation::send(GenerationEvent::Kind kind, std::string text) {
    if (text.empty() && kind != GenerationEvent::Kind::kThoughtRetracted) return;
    deliver({kind, std::move(text)});
}

void Generation::deliver(const GenerationEvent& event) {
    using Kind = GenerationEvent::Kind;
    if (event.kind == Kind::kThought) said_.reasoning += event.text;
    if (event.kind == Kind::kThoughtRetracted) said_.reasoning.clear();
    if (event.kind == Kind::kText) said_.content += event.text;
    if (event.kind == Kind::kToolCall) said_.add_call(event.call->name, event.call->arguments);
    if (!sink_(event)) refused_ = true;
}

std::optional<AssistantMessage> Generation::said() const {
    if (!parser_ || stops_.stopped()) return std::nullopt;
    AssistantMessage said = said_;
    said.reasoning = strip(said.reasoning);
    said.content = strip(said.content);
    return said;
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
