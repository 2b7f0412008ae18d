// What Python's str() and str methods do, as far as the chat template depends on it.
//
// The official templates run in Jinja2, so their bytes are Python's: str.strip() decides what
// trimming removes, repr() how a float looks, str() what a list printed by accident looks like.
// Letter case is mapped for ASCII only: JSON Schema's type names and argument names in practice are
// ASCII. Must not know: the chat format. Source: gemma4-chat 2.2, 2.6, 2.8; the Python 3 language
// reference.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace facet {

// str.lstrip(), str.rstrip() and str.strip(): views into `text`.
std::string_view strip_start(std::string_view text);
std::string_view strip_end(std::string_view text);
std::string_view strip(std::string_view text);

// str.lower() and str.upper() of the ASCII letters; all other bytes stay.
std::string lower_ascii(std::string_view text);
std::string upper_ascii(std::string_view text);

// repr() of a finite float: shortest digits that read back the same; 2.0, 1e-07, 1e+22, -0.0.
std::string python_float(double value);

// A JSON number as Python prints it after json.loads: an integer as written (any size), else
// python_float().
std::string python_number(const Json& number);

// str() of a value: a string is itself, None, True, lists and dicts as Python displays them.
std::string python_str(const Json& value);

// bool() of a value; a missing one (null pointer) is false.
bool python_truth(const Json* value);

}  // namespace facet
