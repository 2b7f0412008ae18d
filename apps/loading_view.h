// What a user sees and can do while a model opens: a bar on a terminal, and Ctrl-C.
#pragma once

#include <optional>
#include <string>

#include "facet/facet.h"
#include "interrupt.h"
#include "progress.h"

namespace facet::app {

class LoadingView {
  public:
    // Follows the next open with these options, which must not outlive the view.
    LoadingView(const std::string& model_path, facet_model_options& options);
    LoadingView(const LoadingView&) = delete;
    LoadingView& operator=(const LoadingView&) = delete;

    // Takes the bar off the screen and gives Ctrl-C back its usual meaning.
    void end();

  private:
    static int on_load(uint64_t done, uint64_t total, void* view);
    bool show(uint64_t done, uint64_t total);

    std::string label_;
    std::optional<ProgressBar> bar_;
    std::optional<InterruptScope> interrupts_;
};

}  // namespace facet::app
