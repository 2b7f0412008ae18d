// Which model a command uses, and opening it without leaving the user in front of a silent screen.
#pragma once

#include <string>

#include "api.h"
#include "base/result.h"
#include "options.h"

namespace facet::app {

// `asked` (-m) if given, else FACET_MODEL, else the demo model that comes with the project; the
// latter is said on stderr. Errors: none given and no demo model found.
Result<std::string> find_model_file(const std::string& asked);

enum class ModelUse { kRun, kTextOnly };

// The options as the C API takes them. Reads FACET_ISA where no --isa was given.
class ApiModelOptions {
  public:
    explicit ApiModelOptions(const ModelOptions& options);
    // For a server: replies at once, and requests that may wait; 0 = the default.
    void set_queue(int32_t parallel, int32_t queue) {
        options_.parallel = parallel;
        options_.queue = queue;
    }
    facet_model_options* get() { return &options_; }
    const facet_model_options* get() const { return &options_; }

  private:
    std::string device_;
    std::string isa_, kv_, cache_dir_;
    facet_model_options options_ = facet_model_options_default();
};

// Finds and opens; a terminal shows how far it is, Ctrl-C gives up. Errors: as facet_model_open.
Result<Model> open_model(const ModelOptions& options, ModelUse use);

}  // namespace facet::app
