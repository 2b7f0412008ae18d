// A model with all that runs it: the memory for keys and values, what is known of earlier
// conversations, and the scheduler that computes replies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fair_mutex.h"
#include "base/result.h"
#include "engine/loaded_model.h"
#include "engine/memory_plan.h"
#include "engine/prefix_tree.h"
#include "engine/reply_memory.h"
#include "engine/reply_rules.h"
#include "engine/saved_prefixes.h"
#include "engine/scheduler.h"

namespace facet {

struct EngineOptions {
    ModelOptions model;
    MemoryWishes memory;
    SchedulerOptions scheduler;
    CacheOptions cache;
    // Instead of a file: a model of that shape with random weights (LoadedModel::synthetic).
    std::string synthetic, type_mix;
};

class Engine {
  public:
    // `path` does not matter for a synthetic model. Errors: the model's, the plan's, not enough
    // memory.
    static Result<std::shared_ptr<Engine>> open(const std::string& path,
                                                const EngineOptions& options);

    // What open() of these would take, without loading or allocating. Errors: as open().
    static Result<MemoryPlan> plan(const std::string& path, const EngineOptions& options);

    const LoadedModel& model() const { return *model_; }
    // Errors: opened for the vocabulary only.
    Result<Scheduler*> scheduler() const;
    const MemoryPlan& plan() const { return plan_; }
    const ReplyMemory& reply_memory() const { return reply_memory_; }
    // Any thread. Only of a model with a tokenizer.
    ReplyGrammars& reply_grammars() { return *reply_grammars_; }
    // What is worth saying about how it was opened.
    const std::vector<std::string>& warnings() const { return warnings_; }

    // For who computes beside the scheduler (Session), with the mutex held.
    FairMutex& device_mutex() { return device_mutex_; }
    PrefixTree& tree() { return *tree_; }

  private:
    explicit Engine(std::shared_ptr<LoadedModel> model) : model_(std::move(model)) {}

    std::shared_ptr<LoadedModel> model_;
    MemoryPlan plan_;
    std::vector<std::string> warnings_;
    FairMutex device_mutex_;
    std::optional<PageStore> store_;
    std::optional<PrefixTree> tree_;
    ReplyMemory reply_memory_;
    std::optional<ReplyGrammars> reply_grammars_;
    std::unique_ptr<SavedPrefixes> saved_;
    std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace facet
