// A model that is open: its file, its tokenizer, its weights and the device that runs it; shared by
// all sessions.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/repeated_memory.h"
#include "base/result.h"
#include "engine/devices.h"
#include "engine/sampler.h"
#include "format/gguf.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace facet {

// Errors: an id outside [0, vocabulary); names it and its position.
Status check_token_ids(std::span<const int32_t> ids, int32_t vocabulary);

// What ends a reply (gemma4-chat 1.7).
inline constexpr std::array kReplyEnds = {Special::kEos, Special::kTurnEnd,
                                          Special::kToolResponseBegin, Special::kTurnBegin};

struct ModelOptions {
    DeviceOptions device;
    bool vocab_only = false;
};

class LoadedModel {
  public:
    // Errors: the file's, the configuration's, the weights', the device's. A file without a usable
    // tokenizer opens (its numbers can be computed); text() then gives the reason.
    static Result<std::shared_ptr<LoadedModel>> open(const std::string& path,
                                                     const ModelOptions& options);

    // A model of a variant's shapes with random weights (synthetic_weights.h): runs, has no
    // tokenizer, and says nothing. Errors: an unknown variant or mix of types, the device's.
    static Result<std::shared_ptr<LoadedModel>> synthetic(const std::string& variant,
                                                          const std::string& type_mix,
                                                          const DeviceOptions& options);

    // Empty in a synthetic model.
    const GgufFile& file() const { return file_; }
    const ModelConfig& config() const { return config_; }
    const Weights& weights() const { return weights_; }
    // Errors: opened with vocab_only.
    Result<Device*> device() const;
    // Errors: the file has no Gemma 4 tokenizer.
    Result<const Tokenizer*> tokenizer() const;
    // Ids that are never legitimate output (gemma4-chat 1.7); empty without a tokenizer.
    const std::vector<int32_t>& suppressed_ids() const { return suppressed_ids_; }
    // True for the ids of kReplyEnds.
    bool ends_reply(int32_t id) const;
    int32_t vocabulary_size() const;
    ChatOptions default_chat_options() const { return {}; }
    // What the file recommends (general.sampling.*), else the model card's.
    const SamplingOptions& sampling_defaults() const { return sampling_defaults_; }
    const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    LoadedModel() = default;
    explicit LoadedModel(GgufFile file) : file_(std::move(file)) {}
    Status load_text();
    void read_sampling_defaults();
    Status load_weights(const DeviceOptions& options);

    GgufFile file_;
    std::optional<Vocabulary> vocabulary_;
    std::optional<Tokenizer> tokenizer_;
    std::string tokenizer_error_;
    std::vector<int32_t> suppressed_ids_;
    ModelConfig config_;
    std::vector<RepeatedMemory> blocks_;  // what synthetic weights point into
    Weights weights_;
    SamplingOptions sampling_defaults_;
    std::vector<std::string> warnings_;
    std::unique_ptr<Device> device_;
};

}  // namespace facet
