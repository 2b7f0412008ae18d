// A regular expression's tree to rules.
//
// Owns: the direct translation, which keeps counts as counts. `^` and `$` must stand at the ends of
// the whole expression's alternatives; for others there is string_automaton.h.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/regex_syntax.h"

namespace facet {

// What an expression without anchors means: the whole text, or any text that contains a match (JSON
// Schema's `pattern`).
enum class RegexMatch { kWhole, kContained };

// How one character of a set is written; plain UTF-8, or escaped as in a JSON string.
using WriteCharacter = std::function<GrammarSymbol(const CodePointSet&)>;

// Nothing if an anchor stands inside the expression.
std::optional<GrammarSymbol> add_regex(GrammarBuilder& builder, const Regex& regex,
                                       RegexMatch match, const WriteCharacter& write);

// A grammar of the texts that the expression matches as a whole.
// Errors: parse_regex()'s, an anchor inside the expression, the limits of GrammarBuilder.
Result<Grammar> compile_regex(std::string_view pattern);

}  // namespace facet
