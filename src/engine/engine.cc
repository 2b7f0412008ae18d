#include "engine/engine.h"

#include "base/hash.h"
#include "base/memory.h"
#include "format/gguf_identity.h"

namespace facet {

namespace {

// Of weights that the device keeps in memory of its own; mapped ones can be given up any time.
uint64_t resident_bytes(const GgufFile& file, const DeviceOptions& device) {
    return device.mapped || device.name == "reference" ? 0 : file.tensor_bytes();
}

// Of what keys and values follow from: the weights, and how the device computes.
Result<Hash128> cache_identity(const GgufFile& file, const Device& device) {
    const Hash128 model = FACET_TRY(gguf_identity(file));
    const std::string text = to_hex(model) + ' ' + std::string(device.arithmetic());
    return hash128({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

Result<MemoryPlan> Engine::plan(const std::string& path, const EngineOptions& options) {
    const GgufFile file = FACET_TRY(GgufFile::open(path));
    const ModelConfig config = FACET_TRY(ModelConfig::from_gguf(file));
    return plan_memory(config, FACET_TRY(plan_device(options.model.device, config)),
                       resident_bytes(file, options.model.device), options.memory,
                       available_memory_bytes());
}

Result<std::shared_ptr<Engine>> Engine::open(const std::string& path,
                                             const EngineOptions& options) {
    const bool is_synthetic = !options.synthetic.empty();
    // Before the weights are there, which would count as memory that is gone.
    MemoryPlan plan;
    if (!is_synthetic && !options.model.vocab_only) plan = FACET_TRY(Engine::plan(path, options));
    auto model =
        FACET_TRY(is_synthetic ? LoadedModel::synthetic(options.synthetic, options.type_mix,
                                                        options.model.device)
                               : LoadedModel::open(path, options.model));
    std::shared_ptr<Engine> engine(new Engine(std::move(model)));
    if (options.model.vocab_only) return engine;
    const ModelConfig& config = engine->model().config();
    const DevicePlan device_plan = FACET_TRY(plan_device(options.model.device, config));
    if (is_synthetic) {
        plan = FACET_TRY(
            plan_memory(config, device_plan, 0, options.memory, available_memory_bytes()));
    }
    engine->plan_ = plan;
    Device* device = FACET_TRY(engine->model().device());
    const PerPart<uint64_t> page_bytes = kv_page_bytes(config, device_plan.kv_row_bytes);
    engine->store_ = FACET_TRY(PageStore::create(*device, page_bytes, plan.context, plan.kv_bytes));
    const auto tokenizer = engine->model().tokenizer();
    engine->tree_.emplace(
        config, *engine->store_,
        tokenizer.ok() ? tokenizer.value()->vocabulary().id_of(Special::kTurnBegin) : -1);
    engine->warnings_ = engine->model().warnings();
    if (!options.cache.folder.empty() && !is_synthetic) {
        KvBinding binding;
        binding.model = FACET_TRY(cache_identity(engine->model().file(), *device));
        binding.kv_type = static_cast<uint32_t>(options.model.device.kv);
        binding.global_block_bytes = page_bytes[KvPart::kGlobal];
        binding.sliding_block_bytes = page_bytes[KvPart::kSliding];
        engine->saved_ = FACET_TRY(SavedPrefixes::open(options.cache, binding, *engine->tree_));
        if (!engine->saved_->warning().empty())
            engine->warnings_.push_back(engine->saved_->warning());
    }
    if (tokenizer.ok()) engine->reply_grammars_.emplace(tokenizer.value()->vocabulary());
    engine->scheduler_ = std::make_unique<Scheduler>(
        engine->model(), *device, *engine->tree_, engine->device_mutex_, engine->reply_memory_,
        engine->saved_.get(), plan.context, options.scheduler);
    return engine;
}

Result<Scheduler*> Engine::scheduler() const {
    FACET_TRY(model_->device());
    return scheduler_.get();
}

}  // namespace facet
