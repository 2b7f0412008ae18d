#include "endpoints/call_metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace facet::endpoints {

void Histogram::note(double seconds) {
    const auto place = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
    ++counts_[static_cast<size_t>(place - kBounds.begin())];
    microseconds_ += static_cast<uint64_t>(std::max(seconds, 0.0) * 1e6);
}

void Histogram::append_to(std::string& out, std::string_view name, std::string_view help) const {
    out += fmt::format("# HELP {} {}\n# TYPE {} histogram\n", name, help, name);
    uint64_t count = 0;
    for (size_t i = 0; i < kBounds.size(); ++i) {
        count += counts_[i];
        out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], count);
    }
    count += counts_.back();
    out += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {:.6f}\n{}_count {}\n", name, count,
                       name, static_cast<double>(microseconds_) * 1e-6, name, count);
}

CallTimes::CallTimes(CallMetrics& metrics, size_t replies) : metrics_(metrics), last_(replies) {}

void CallTimes::note(size_t index, const api::Event& event) {
    if (event.kind != FACET_EVENT_THOUGHT && event.kind != FACET_EVENT_TEXT &&
        event.kind != FACET_EVENT_TOOL_CALL)
        return;
    const Clock::time_point now = Clock::now();
    Clock::time_point& last = last_[index];
    const bool is_first = last == Clock::time_point();
    const std::chrono::duration<double> passed = now - (is_first ? start_ : last);
    (is_first ? metrics_.first_token : metrics_.token_gap).note(passed.count());
    last = now;
}

void CallTimes::end() {
    metrics_.request.note(std::chrono::duration<double>(Clock::now() - start_).count());
}

}  // namespace facet::endpoints
