#include "engine/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "model/synthetic_weights.h"
#include "model/type_mix.h"

namespace facet {

namespace {

std::vector<int32_t> find_suppressed(const Vocabulary& vocabulary) {
    std::vector<int32_t> ids;
    for (const Special special :
         {Special::kPad, Special::kBos, Special::kUnk, Special::kMask, Special::kToolBegin,
          Special::kToolEnd, Special::kToolResponseEnd, Special::kThink, Special::kImageBegin,
          Special::kAudioBegin, Special::kImage, Special::kAudio, Special::kImageEnd,
          Special::kAudioEnd, Special::kVideo}) {
        if (vocabulary.id_of(special) >= 0) ids.push_back(vocabulary.id_of(special));
    }
    for (int32_t id = 0; id < vocabulary.size(); ++id) {
        if (vocabulary.is_unused(id)) ids.push_back(id);
    }
    return ids;
}

}  // namespace

Status check_token_ids(std::span<const int32_t> ids, int32_t vocabulary) {
    for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || ids[i] >= vocabulary) {
            return invalid_input(fmt::format("token id {} at position {}: expected 0 to {}", ids[i],
                                             i, vocabulary - 1));
        }
    }
    return {};
}

Result<std::shared_ptr<LoadedModel>> LoadedModel::open(const std::string& path,
                                                       const ModelOptions& options) {
    GgufFile file = FACET_TRY(GgufFile::open(path));
    std::shared_ptr<LoadedModel> model(new LoadedModel(std::move(file)));
    const Status text = model->load_text();
    if (!text.ok()) {
        if (options.vocab_only) return text.error();
        model->tokenizer_error_ = text.error().message;
    }
    if (!options.vocab_only) FACET_TRY(model->load_weights(options.device));
    model->read_sampling_defaults();
    return model;
}

Result<std::shared_ptr<LoadedModel>> LoadedModel::synthetic(const std::string& variant,
                                                            const std::string& type_mix,
                                                            const DeviceOptions& options) {
    std::shared_ptr<LoadedModel> model(new LoadedModel());
    model->tokenizer_error_ = "a synthetic model has no tokenizer";
    model->config_ = FACET_TRY(ModelConfig::of_variant(variant));
    const TypeMix mix = FACET_TRY(TypeMix::named(type_mix));
    SyntheticWeights made = FACET_TRY(make_synthetic_weights(model->config_, mix));
    model->weights_ = std::move(made.weights);
    model->blocks_ = std::move(made.blocks);
    model->device_ = FACET_TRY(make_device(options, model->config_, model->weights_));
    return model;
}

Status LoadedModel::load_text() {
    vocabulary_ = FACET_TRY(Vocabulary::from_gguf(file_));
    tokenizer_.emplace(*vocabulary_);
    suppressed_ids_ = find_suppressed(*vocabulary_);
    return {};
}

Status LoadedModel::load_weights(const DeviceOptions& options) {
    config_ = FACET_TRY(ModelConfig::from_gguf(file_));
    weights_ = FACET_TRY(bind_weights(file_, config_));
    warnings_ = weights_.warnings;
    if (vocabulary_ && vocabulary_->size() != config_.vocabulary) {
        return invalid_input(
            fmt::format("{}: key tokenizer.ggml.tokens: expected {} entries, one a row of tensor "
                        "token_embd.weight, found {}",
                        file_.path(), config_.vocabulary, vocabulary_->size()));
    }
    device_ = FACET_TRY(make_device(options, config_, weights_));
    return {};
}

void LoadedModel::read_sampling_defaults() {
    SamplingOptions options;
    const auto number = [this](std::string_view key, auto& value) {
        const auto found = file_.number(key);
        using Value = std::remove_reference_t<decltype(value)>;
        if (found.ok() && found.value() && std::abs(*found.value()) < 1e6)
            value = static_cast<Value>(*found.value());
    };
    number("general.sampling.temp", options.temperature);
    number("general.sampling.top_k", options.top_k);
    number("general.sampling.top_p", options.top_p);
    number("general.sampling.min_p", options.min_p);
    const Status valid = check_sampling_options(options, vocabulary_size());
    if (valid.ok()) {
        sampling_defaults_ = options;
    } else {
        warnings_.push_back("the file's sampling defaults are ignored: " + valid.error().message);
    }
}

Result<Device*> LoadedModel::device() const {
    if (device_ == nullptr) {
        return invalid_input(
            fmt::format("{}: opened for its vocabulary only, it can not run", file_.path()));
    }
    return device_.get();
}

Result<const Tokenizer*> LoadedModel::tokenizer() const {
    if (!tokenizer_) return invalid_input(tokenizer_error_);
    return &*tokenizer_;
}

bool LoadedModel::ends_reply(int32_t id) const {
    if (!vocabulary_) return false;
    const int special = vocabulary_->special_of(id);
    return std::any_of(kReplyEnds.begin(), kReplyEnds.end(),
                       [&](Special end) { return special == static_cast<int>(end); });
}

int32_t LoadedModel::vocabulary_size() const {
    return device_ != nullptr ? config_.vocabulary : vocabulary_ ? vocabulary_->size() : 0;
}

}  // namespace facet
