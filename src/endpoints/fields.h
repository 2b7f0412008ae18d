// Members of a request's JSON, read with a check.
//
// Owns: what a member may be, and the sentence if it is something else, which begins with its name.
// Null counts as absent, as clients send it for what they leave open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace facet::endpoints {

// The member, or null if it is absent or JSON's null.
const Json* field(const Json& object, std::string_view name);

// Errors, of all below: another type, a value out of range.
Result<std::optional<bool>> bool_field(const Json& object, std::string_view name);
Result<std::optional<int64_t>> integer_field(const Json& object, std::string_view name, int64_t min,
                                             int64_t max);
Result<std::optional<double>> number_field(const Json& object, std::string_view name, double min,
                                           double max);
Result<std::optional<std::string>> text_field(const Json& object, std::string_view name);
// A text, or a list of texts, of `most` at most.
Result<std::vector<std::string>> texts_field(const Json& object, std::string_view name,
                                             size_t most);
// A member that has to be there. Errors: it is not.
Result<const Json*> required_field(const Json& object, std::string_view name);

// Parses a body. Errors: no JSON object.
Result<Json> parse_body(std::string_view body);

// Fields that would change the answer and that nobody here acts on. Errors: one of them is given
// with a value other than null, false or an empty list.
Status refuse_fields(const Json& object, std::initializer_list<std::string_view> names);

}  // namespace facet::endpoints
