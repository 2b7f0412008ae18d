// JSON Schema's `format` of strings, as regular expressions.
#pragma once

#include <optional>
#include <string_view>

namespace facet {

// An expression, matched as a whole, whose texts all have the format (not always all that have it:
// host names end before 250 characters, URIs name a host). Nothing for a format that is not known.
// Source: RFC 3339, 4122, 5321, 1123, 3986, 4291, 6901, 4648.
std::optional<std::string_view> string_format(std::string_view format);

// Formats that say nothing that could be checked, of strings or of numbers.
bool is_loose_format(std::string_view format);

}  // namespace facet
