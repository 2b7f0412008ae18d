// See model_file.h. An installed program finds its models next to itself, one that was just built
// in FACET_MODELS_DIR, which the build sets.
#include "model_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "console.h"
#include "environment.h"
#include "loading_view.h"

namespace facet::app {

namespace {

constexpr const char* kDemoModel = "facet-demo-Q8_0.gguf";

}  // namespace

Result<std::string> find_model_file(const std::string& asked) {
    if (!asked.empty()) return asked;
    const std::string from_environment = read_environment().model;
    if (!from_environment.empty()) return from_environment;

    std::error_code ignored;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    for (const auto& folder : {program / "../share/facet/models",
                               std::filesystem::path(FACET_MODELS_DIR), program / "../models"}) {
        const auto path = (folder / kDemoModel).lexically_normal();
        if (!std::filesystem::is_regular_file(path, ignored)) continue;
        note("using the demo model, a toy that knows a few things; use -m FILE for a real one");
        return path.string();
    }
    return Error{ErrorKind::kNotFound,
                 fmt::format("no model: -m and FACET_MODEL are not given, and the demo model {} is "
                             "not in {}",
                             kDemoModel, FACET_MODELS_DIR)};
}

ApiModelOptions::ApiModelOptions(const ModelOptions& options)
    : device_(options.device), isa_(options.isa), kv_(options.kv) {
    // The environment chooses among the CPU's tables only; the reference device has none.
    if (isa_.empty() && device_ != "reference") isa_ = read_environment().isa;
    options_.device = device_.empty() ? nullptr : device_.c_str();
    options_.isa = isa_.empty() ? nullptr : isa_.c_str();
    options_.kv = kv_.empty() ? nullptr : kv_.c_str();
    options_.threads = options.threads;
    options_.mmap = options.mmap ? 1 : 0;
    options_.context = options.context;
    cache_dir_ = options.cache_dir.empty() ? read_environment().cache_dir : options.cache_dir;
    options_.cache_dir = cache_dir_.empty() ? nullptr : cache_dir_.c_str();
}

Result<Model> open_model(const ModelOptions& options, ModelUse use) {
    const std::string path = FACET_TRY(find_model_file(options.path));
    ApiModelOptions api_options(options);
    api_options.get()->vocab_only = use == ModelUse::kTextOnly ? 1 : 0;
    const LoadingView view(path, *api_options.get());
    facet_model* model = nullptr;
    const Status opened = api_status(facet_model_open(path.c_str(), api_options.get(), &model));
    if (!opened.ok()) return Error(opened.error());
    return Model(model);
}

}  // namespace facet::app
