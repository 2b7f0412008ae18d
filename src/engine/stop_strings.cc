#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

namespace facet {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
    std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopStrings::push(std::string_view text) {
    if (stopped_) return {};
    held_ += text;
    // The earliest occurrence of any stop string wins.
    size_t found = std::string::npos;
    for (const std::string& stop : stops_) {
        const size_t place = held_.find(stop);
        if (place < found) found_ = stop;
        found = std::min(found, place);
    }
    if (found != std::string::npos) {
        stopped_ = true;
        held_.resize(found);
        return std::exchange(held_, {});
    }
    size_t hold = 0;  // the longest suffix that begins a stop string
    for (const std::string& stop : stops_) {
        for (size_t length = std::min(stop.size() - 1, held_.size()); length > hold; --length) {
            if (held_.ends_with(std::string_view(stop).substr(0, length))) hold = length;
        }
    }
    std::string certain = held_.substr(0, held_.size() - hold);
    held_.erase(0, certain.size());
    return certain;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace facet
