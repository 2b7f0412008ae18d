// One conversation given as ids, computed for its logits: benchmarks, `facet logits`, tests.
// Replies are the scheduler's business.
//
// Owns: chunks, prefix reuse through the engine's tree. Must not know: text, sampling.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/sequence.h"

namespace facet {

class Session {
  public:
    // Errors: opened for the vocabulary only.
    static Result<std::unique_ptr<Session>> create(std::shared_ptr<Engine> engine);
    ~Session();

    // Null if the device takes no times.
    const PhaseTimes* phase_times() const { return device_->phase_times(); }
    // Null if the device does not count.
    const HeadCounts* head_counts() const { return device_->head_counts(); }
    const LoadedModel& model() const { return engine_->model(); }
    int32_t context() const { return engine_->plan().context; }

    // Brings the session to hold exactly `ids` and gives the logits of the last one (see logits()).
    // Returns how many ids were known already. Errors: no ids, an id outside the vocabulary, more
    // than the context, no memory beside other conversations.
    Result<int32_t> set_ids(std::span<const int32_t> ids);
    // Adds one id and gives its logits. Errors: the context or the memory is full.
    Status append(int32_t id);
    // Drops what nobody uses of all that is known, so that the next call computes from nothing.
    void forget();
    // What is wanted of the last id's logits from the next call on: all, or less. What the wish
    // refers to must stay until then.
    void want(const LogitWish& wish) { wish_ = wish; }
    // Logits after the last id, [V]; may be changed in place. Where all were wanted.
    std::span<float> logits() { return logits_; }
    // Else: those that were (LogitWish), in order.
    std::span<const Logit> best_logits() const { return best_logits_; }

    // Logits of chosen positions (ascending) of `ids`, out [positions, V]. The session holds `ids`
    // afterwards.
    Status logits_at(std::span<const int32_t> ids, std::span<const int32_t> positions, float* out);

  private:
    Session(std::shared_ptr<Engine> engine, Device* device);
    Status check_ids(std::span<const int32_t> ids) const;
    // Starts with what is known of `ids`, at most `most` of them.
    Status start(std::span<const int32_t> ids, int32_t most);
    // Computes `tokens` behind what is held, with the logits of `wanted` (row 0 is the first
    // token).
    Status compute(std::span<const int32_t> tokens, std::span<const WantedRow> wanted);
    // What is wanted of the last of `count` tokens.
    WantedRow wanted_of_last(int32_t count) {
        return {count - 1, wish_, logits_.data(), &best_logits_};
    }
    void drop_sequence();

    std::shared_ptr<Engine> engine_;
    Device* device_;
    std::unique_ptr<Sequence> sequence_;
    LogitWish wish_;
    std::vector<float> logits_;
    std::vector<Logit> best_logits_;
};

}  // namespace facet
