// Regular expressions as text to a tree.
//
// Owns: the language, a subset of ECMAScript's with flag u: characters, `.`, classes with ranges,
// groups (capturing, (?:..), (?<name>..)), `|`, `* + ? {m} {m,} {m,n}` and their lazy forms (the
// same language), `^`, `$`, and the escapes \d \D \w \W \s \S \t \n \v \f \r \0 \cX \xHH \uHHHH
// \u{H..} and \ before punctuation. Refused by name: \b \B, look-around, back references, \p, flags
// in the pattern, possessive quantifiers. Must not know: what the expression is for. Source:
// ECMA-262, 22.2 (patterns).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/code_points.h"

namespace facet {

inline constexpr size_t kRegexBytesMax = 1u << 16;

struct RegexNode {
    enum class Kind : uint8_t { kSet, kConcatenation, kAlternation, kRepeat, kTextStart, kTextEnd };
    Kind kind = Kind::kConcatenation;
    std::vector<uint32_t> children;  // nodes before this one; each node has one parent
    CodePointSet set;                // kSet
    uint32_t min = 0, max = 0;       // kRepeat
};

struct Regex {
    std::vector<RegexNode> nodes;  // children first, the root last
    uint32_t root() const { return static_cast<uint32_t>(nodes.size() - 1); }
};

// Errors: wrong syntax, what is refused above; both say what and where.
Result<Regex> parse_regex(std::string_view pattern);

}  // namespace facet
