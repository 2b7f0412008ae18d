// The request and answer of `facet logits --batch` (docs/cli.md), apart from the model that fills
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace facet::app {

struct LogitsRequest {
    std::vector<int32_t> ids;
    std::vector<int32_t> positions;  // as asked: in any order, each below ids.size()
    size_t top = 10;
};

// Errors: no ids, positions out of range, pictures.
Result<LogitsRequest> parse_logits_request(const Json& request);

// The `count` best of a row, descending; of equal logits the lower id comes first. Errors: a logit
// that is no number.
Result<std::vector<std::pair<int32_t, float>>> top_logits(const float* row, size_t vocabulary,
                                                          size_t count);

// Appends {"pos": .., "top": [[id, logit], ..]}; a logit is the shortest decimal that reads back as
// the same f32.
void append_position(std::string& out, int32_t position,
                     const std::vector<std::pair<int32_t, float>>& top);

}  // namespace facet::app
