// See logits_request.h.
#include "logits_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "api.h"

namespace facet::app {

namespace {

Result<std::vector<int32_t>> parse_positions(const Json* positions, size_t count) {
    const auto refused = [count](const std::string& found) {
        return invalid_input(fmt::format(
            "\"positions\" must be \"all\", \"last\" or a list of numbers below {}, found {}",
            count, found));
    };
    const auto last = static_cast<int32_t>(count - 1);
    if (positions == nullptr || positions->is_null()) return std::vector<int32_t>{last};
    if (positions->is_string() && positions->text == "last") return std::vector<int32_t>{last};
    if (positions->is_string() && positions->text == "all") {
        std::vector<int32_t> all(count);
        std::iota(all.begin(), all.end(), 0);
        return all;
    }
    if (!positions->is_array()) return refused(positions->dump());
    std::vector<int32_t> list;
    for (const Json& item : positions->items) {
        const auto position = item.to_integer();
        if (!position.ok() || position.value() < 0 || position.value() > last)
            return refused(item.dump());
        list.push_back(static_cast<int32_t>(position.value()));
    }
    return list;
}

}  // namespace

Result<LogitsRequest> parse_logits_request(const Json& request) {
    const Json* images = request.find("images");
    if (images != nullptr && !images->is_null() && !(images->is_array() && images->items.empty())) {
        return unsupported("pictures are not supported yet");
    }
    LogitsRequest out;
    out.ids = FACET_TRY(ids_from_json(request.find("ids")));
    if (out.ids.empty()) return invalid_input("\"ids\" is empty; expected at least one token id");
    if (const Json* top = request.find("top"); top != nullptr && !top->is_null()) {
        const auto count = top->to_integer();
        if (!count.ok() || count.value() < 0) {
            return invalid_input(
                fmt::format("\"top\" must be a number from 0, found {}", top->dump()));
        }
        out.top = static_cast<size_t>(count.value());
    }
    out.positions = FACET_TRY(parse_positions(request.find("positions"), out.ids.size()));
    return out;
}

Result<std::vector<std::pair<int32_t, float>>> top_logits(const float* row, size_t vocabulary,
                                                          size_t count) {
    // A NaN has no place in an order; sorting it would be undefined.
    if (std::any_of(row, row + vocabulary, [](float logit) { return std::isnan(logit); })) {
        return Error{ErrorKind::kInvalidInput,
                     "the model gave a logit that is not a number; the file may be damaged"};
    }
    std::vector<int32_t> order(vocabulary);
    std::iota(order.begin(), order.end(), 0);
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, vocabulary));
    std::partial_sort(order.begin(), end, order.end(), [row](int32_t a, int32_t b) {
        return row[a] != row[b] ? row[a] > row[b] : a < b;
    });
    std::vector<std::pair<int32_t, float>> top;
    for (auto id = order.begin(); id != end; ++id) top.emplace_back(*id, row[*id]);
    return top;
}

void append_position(std::string& out, int32_t position,
                     const std::vector<std::pair<int32_t, float>>& top) {
    auto at = std::back_inserter(out);
    fmt::format_to(at, "{{\"pos\":{},\"top\":[", position);
    for (size_t i = 0; i < top.size(); ++i) {
        const char* separator = i == 0 ? "" : ",";
        if (std::isinf(top[i].second)) {
            fmt::format_to(at, "{}[{},null]", separator, top[i].first);  // JSON has no infinity
        } else {
            fmt::format_to(at, "{}[{},{}]", separator, top[i].first, top[i].second);
        }
    }
    out += "]}";
}

}  // namespace facet::app
