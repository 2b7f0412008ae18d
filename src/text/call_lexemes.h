// Single lexemes of a tool call's body: numbers and literals, and JSON's escapes in strings that
// should have had none.
//
// Must not know: the grammar around them (tool_call.h). Source: RFC 8259.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace facet {

// true, false, null, or a number in JSON's grammar (no leading zeros), which keeps its spelling;
// else nothing.
std::optional<Json> read_scalar(std::string_view lexeme);

// The text between quotes with JSON's escapes decoded. A backslash before anything else is a
// backslash; half of a surrogate pair is U+FFFD.
std::string unescape(std::string_view text);

}  // namespace facet
