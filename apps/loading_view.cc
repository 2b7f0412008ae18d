// See loading_view.h.
#include "loading_view.h"

#include <filesystem>

#include "terminal_text.h"

namespace facet::app {

LoadingView::LoadingView(const std::string& model_path, facet_model_options& options)
    : label_("loading " + neutralize(std::filesystem::path(model_path).filename().string())) {
    options.on_load = on_load;
    options.load_user = this;
}

void LoadingView::end() {
    bar_.reset();
    interrupts_.reset();
}

int LoadingView::on_load(uint64_t done, uint64_t total, void* view) {
    return static_cast<LoadingView*>(view)->show(done, total) ? 0 : 1;
}

bool LoadingView::show(uint64_t done, uint64_t total) {
    constexpr uint64_t kMegabyte = 1'000'000;
    if (!bar_) {
        bar_.emplace(label_, " MB");
        interrupts_.emplace(nullptr);
    }
    if (InterruptScope::pending() > 0) return false;
    bar_->update(static_cast<int>(done / kMegabyte), static_cast<int>(total / kMegabyte));
    // The same call may go on to do other things.
    if (done == total) end();
    return true;
}

}  // namespace facet::app
