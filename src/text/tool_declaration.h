// A tool's JSON Schema as the declaration in the system turn (gemma4-chat 2.8).
//
// What the official template drops is dropped here (defaults, ranges, patterns, anyOf, $ref, ...):
// schemas are never simplified before rendering. Must not know: messages.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "text/template_values.h"

namespace facet {

// Checks what write_declaration() relies on. `name` stands for the tool in messages ("tools[0]").
// Errors: no "function" object, a function without a name, parameters that are no object.
Status check_tool(const Json& tool, const std::string& name);

// Writes <|tool>declaration:...<tool|> of a checked tool.
// exact: as the official template, which leaves braces open where parameters have no type or a
// response is no object; otherwise parameters without a type are an OBJECT and braces balance.
void write_declaration(PieceWriter& out, const Json& tool, bool exact);

}  // namespace facet
