// One conversation: the ids it has computed and their KV cache. Give it the whole id list; it
// computes what is new.
//
// Owns: prefix reuse (longest common prefix, rollback when a suffix changed), chunked prefill,
// cancellation. Must not know: text, sampling.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/loaded_model.h"
#include "model/kv_cache.h"

namespace facet {

// The context of a session on this model: `asked`, or the default for 0. Errors: beyond the
// model's.
Result<int32_t> choose_context(const ModelConfig& config, int32_t asked);

// Errors: an id outside [0, vocabulary); names it and its position.
Status check_token_ids(std::span<const int32_t> ids, int32_t vocabulary);

class Session {
  public:
    // context 0 = the default. Errors: beyond the model's context, not enough memory.
    static Result<std::unique_ptr<Session>> create(std::shared_ptr<LoadedModel> model,
                                                   int32_t context);

    // Null if the device takes no times.
    const PhaseTimes* phase_times() const { return device_->phase_times(); }
    // Null if the device does not count.
    const HeadCounts* head_counts() const { return device_->head_counts(); }
    const LoadedModel& model() const { return *model_; }
    int32_t context() const { return cache_.context(); }
    // The ids whose KV is held.
    const std::vector<int32_t>& ids() const { return ids_; }

    // Brings the session to hold exactly `ids` and gives the logits of the last one (see logits()).
    // progress(done, total) after each chunk; returning false cancels.
    // Returns how many ids were known already. Errors: no ids, an id outside the vocabulary, more
    // than the context. After a cancel the session holds a valid prefix and cancelled() is true.
    Result<int32_t> set_ids(std::span<const int32_t> ids,
                            const std::function<bool(int32_t, int32_t)>& progress);
    // Adds one id (with room left in the context) and gives its logits.
    void append(int32_t id);
    // Drops all ids; the next call starts from nothing.
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

    // Any thread or signal handler; reset at the start of the next call by reset_cancel().
    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
    bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
    void reset_cancel() { cancelled_.store(false, std::memory_order_relaxed); }

  private:
    Session(std::shared_ptr<LoadedModel> model, Device* device, KvCache cache);
    Status check_ids(std::span<const int32_t> ids) const;
    // Keeps at most `wanted` ids of the common prefix with `ids`; returns how many are kept.
    int32_t keep_prefix(std::span<const int32_t> ids, int32_t wanted);
    // Computes `tokens` behind what is held, with the logits of `wanted` (row 0 is the first
    // token).
    void compute(std::span<const int32_t> tokens, std::span<const WantedRow> wanted);
    // What is wanted of the last of `count` tokens.
    WantedRow wanted_of_last(int32_t count) {
        return {count - 1, wish_, logits_.data(), &best_logits_};
    }

    std::shared_ptr<LoadedModel> model_;
    Device* device_;
    KvCache cache_;
    std::vector<int32_t> ids_;
    LogitWish wish_;
    std::vector<float> logits_;
    std::vector<Logit> best_logits_;
    std::atomic<bool> cancelled_{false};
};

}  // namespace facet
