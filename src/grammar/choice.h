// A list of texts of which one must be given, to a Grammar.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"

namespace facet {

// Errors: an empty list, the limits of GrammarBuilder.
Result<Grammar> compile_choice(std::vector<std::string> texts);

}  // namespace facet
