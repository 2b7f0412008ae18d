#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace facet {

namespace {

// Left for the rest of the system, of what it can give.
constexpr double kShareForUs = 0.9;
// Of what remains for keys and values, one conversation gets this much at most, so that others
// have room beside it.
constexpr double kShareOfOne = 0.75;
// The context is a multiple of this, unless it is the model's.
constexpr int32_t kContextStep = 1024;

class Planner {
  public:
    Planner(const ModelConfig& config, const DevicePlan& device)
        : config_(config), device_(device) {}

    KvPlan conversation(int32_t context) const {
        return plan_kv(config_, context, device_.batch_rows, device_.kv_row_bytes);
    }
    uint64_t work(int32_t context) const {
        // Beside the device: logits of the rows of a step.
        constexpr uint64_t kLogitRows = 8;
        return device_.work_bytes +
               device_.work_bytes_per_position * static_cast<uint64_t>(context) +
               kLogitRows * static_cast<uint64_t>(config_.vocabulary) * sizeof(float);
    }
    uint64_t needed(int32_t context) const { return conversation(context).bytes() + work(context); }

    // The largest context that takes at most `bytes`; 0 if not even the smallest does.
    int32_t largest_context(uint64_t bytes) const {
        int32_t low = 0, high = (config_.context_length + kContextStep - 1) / kContextStep;
        while (low < high) {
            const int32_t middle = low + (high - low + 1) / 2;
            if (needed(of_steps(middle)) <= bytes) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return of_steps(low);
    }

  private:
    int32_t of_steps(int32_t steps) const {
        return static_cast<int32_t>(
            std::min<int64_t>(int64_t{steps} * kContextStep, config_.context_length));
    }

    const ModelConfig& config_;
    const DevicePlan& device_;
};

}  // namespace

Result<MemoryPlan> plan_memory(const ModelConfig& config, const DevicePlan& device,
                               uint64_t weights_bytes, const MemoryWishes& wishes,
                               uint64_t available) {
    const int32_t limit = config.context_length;
    if (wishes.context < 0 || wishes.context > limit) {
        return invalid_input(fmt::format(
            "context of {}: expected 1 to {}, what the model was made for", wishes.context, limit));
    }
    const Planner planner(config, device);
    const auto ours = static_cast<uint64_t>(static_cast<double>(available) * kShareForUs);
    const uint64_t room = ours > weights_bytes ? ours - weights_bytes : 0;
    MemoryPlan plan;
    plan.weights_bytes = weights_bytes;
    plan.available_bytes = available;
    plan.context = wishes.context;
    if (plan.context == 0) {
        uint64_t bytes = static_cast<uint64_t>(static_cast<double>(room) * kShareOfOne);
        if (wishes.kv_bytes > 0) bytes = std::min(room, wishes.kv_bytes + planner.work(0));
        plan.context = available == UINT64_MAX ? 0 : planner.largest_context(bytes);
        if (plan.context == 0) plan.context = std::min(limit, kModestContext);
    }
    plan.conversation = planner.conversation(plan.context);
    plan.work_bytes = planner.work(plan.context);
    const uint64_t one = plan.conversation.bytes();
    if (wishes.kv_bytes > 0) {
        if (wishes.kv_bytes < one) {
            return invalid_input(
                fmt::format("{} bytes for keys and values: one conversation of {} tokens takes {}",
                            wishes.kv_bytes, plan.context, one));
        }
        plan.kv_bytes = wishes.kv_bytes;
        return plan;
    }
    // As much again for other conversations, if it is there.
    constexpr uint64_t kAtLeast = uint64_t{1} << 30;
    const uint64_t wanted = one + std::max(one, kAtLeast);
    const uint64_t rest = room > plan.work_bytes ? room - plan.work_bytes : 0;
    plan.kv_bytes = std::max(one, std::min(wanted, rest));
    return plan;
}

}  // namespace facet
