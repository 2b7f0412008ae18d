// How a name that came out of a file appears in a message.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace facet {

// The name in double quotes, control characters escaped and long names cut, so that a hostile file
// can neither steer the terminal nor flood it.
inline std::string quoted_name(std::string_view name) {
    constexpr size_t kShownBytesMax = 120;
    std::string out;
    append_json_string(out, name.substr(0, kShownBytesMax));
    if (name.size() > kShownBytesMax) out += "...";
    return out;
}

}  // namespace facet
