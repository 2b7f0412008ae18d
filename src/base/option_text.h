// Values and names that a user types, on a command line or in a file of settings.
//
// Owns: strict numbers and the guess at what a mistyped name meant. Knows no options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace facet {

// The candidate nearest to a mistyped word, or nothing if none is near.
std::optional<std::string> closest(std::string_view word,
                                   const std::vector<std::string>& candidates);

// A whole number within a range, written in decimal. Errors: anything else.
Result<int64_t> parse_integer(std::string_view text, int64_t min, int64_t max);

}  // namespace facet
