// Small text files that a user writes: settings, keys.
//
// Owns: reading one within bounds, and its lines without comments. Knows no options.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace facet::serve {

// Errors: a file that can not be read, or of more than a megabyte.
Result<std::string> read_setting_file(const std::string& path);

// Calls take(line, number) for each line that is neither empty nor begins with #, without the
// blanks at its ends, until one is refused.
Status for_each_setting_line(std::string_view text,
                             const std::function<Status(std::string_view, size_t)>& take);

}  // namespace facet::serve
