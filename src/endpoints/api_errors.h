// Errors in the form of OpenAI's API: {"error": {"message", "type", "param", "code"}}.
//
// Owns: which status and type an error has, and which field it names. Anthropic's clients read the
// same body (serve/http_message.h).
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "facet/facet.h"
#include "serve/http_message.h"

namespace facet::endpoints {

// An error of the engine as a Result's.
Error error_of(facet_status status, std::string message);

// The field that a sentence begins with, as "response_format.type" in "response_format.type:
// expected a text"; empty if it names none.
std::string_view named_field(std::string_view message);

int status_of(const Error& error);
// {"type": "error", "error": {...}}.
Json error_json(const Error& error);
serve::Response error_answer(const Error& error);

}  // namespace facet::endpoints
