// GBNF, the grammar language of llama.cpp, to a Grammar.
//
// Owns: the language: rules `name ::= alternatives`, "text", [classes], [^classes], `.`, groups,
// `* + ? {m} {m,} {m,n}`, comments, the escapes \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH.
// Characters are Unicode's and are matched as UTF-8. Left recursion is refused, as llama.cpp does.
// Must not know: what the grammar is for. Source: llama.cpp grammars/README.md.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"

namespace facet {

inline constexpr size_t kGbnfBytesMax = 1u << 20;
inline constexpr size_t kGbnfNestingMax = 100'000;

// The grammar that begins with the rule `root`.
// Errors: wrong syntax (with the line), a rule that is missing or defined twice, the limits of
// GrammarBuilder.
Result<Grammar> compile_gbnf(std::string_view text);

}  // namespace facet
