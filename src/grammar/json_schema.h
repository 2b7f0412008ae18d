// JSON, and JSON Schema, to a Grammar.
//
// Owns: the public entry. What a compiled schema lets through satisfies it (under the validation of
// JSON Schema 2020-12 and draft-07); a keyword that can not be kept to exactly is refused, with its
// path. It does not let everything through that satisfies the schema:
//   - members come in the order in which `properties` declares them (a tool call's: sorted), then
//   others;
//   - members that are not declared are written only if `additionalProperties` (or
//   patternProperties)
//     says so, or if nothing is declared at all;
//   - a schema without `type` is of the types that its keywords speak of;
//   - numbers are as long as number_language.h says, strings of some formats as string_formats.h
//   says;
//   - in strings under a pattern or format, and in other members' keys beside declared ones, each
//     character has one spelling.
// Must not know: requests, tokenizers.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/output_syntax.h"

namespace facet {

struct SchemaOptions {
    // Compact: no white space between tokens.
    OutputSyntax::Kind syntax = OutputSyntax::Kind::kJson;
    int32_t quote_id = -1;  // the token <|"|>; for OutputSyntax::Kind::kGemmaCall
    // What can not be enforced is left out instead of refused: for tools whose declaration does not
    // ask for `strict`.
    bool loose = false;
};

// Errors: kUnsupported or kInvalidInput with the keyword and its path; the limits of
// GrammarBuilder; a schema that nothing satisfies.
Result<Grammar> compile_json_schema(const Json& schema, const SchemaOptions& options = {});

// Any JSON object: response_format json_object.
Result<Grammar> compile_json_object(const SchemaOptions& options = {});

// Adds a schema's rules to a grammar in the making.
Result<GrammarSymbol> add_json_schema(GrammarBuilder& builder, OutputSyntax& syntax,
                                      const Json& schema, bool loose);

}  // namespace facet
