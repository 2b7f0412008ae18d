#include "endpoints/fields.h"

#include <fmt/format.h>

namespace facet::endpoints {

namespace {

// Values of all kinds in one request; bounds its memory.
constexpr size_t kValuesMax = 4'000'000;

Error expected(std::string_view name, std::string_view what) {
    return invalid_input(fmt::format("{}: expected {}", name, what));
}

}  // namespace

const Json* field(const Json& object, std::string_view name) {
    const Json* member = object.find(name);
    return member == nullptr || member->is_null() ? nullptr : member;
}

Result<std::optional<bool>> bool_field(const Json& object, std::string_view name) {
    const Json* member = field(object, name);
    if (member == nullptr) return std::optional<bool>();
    if (!member->is_bool()) return expected(name, "true or false");
    return std::optional<bool>(member->boolean);
}

Result<std::optional<int64_t>> integer_field(const Json& object, std::string_view name, int64_t min,
                                             int64_t max) {
    const Json* member = field(object, name);
    if (member == nullptr) return std::optional<int64_t>();
    const auto value = member->to_integer();
    if (!value.ok() || value.value() < min || value.value() > max)
        return expected(name, fmt::format("a whole number from {} to {}", min, max));
    return std::optional<int64_t>(value.value());
}

Result<std::optional<double>> number_field(const Json& object, std::string_view name, double min,
                                           double max) {
    const Json* member = field(object, name);
    if (member == nullptr) return std::optional<double>();
    const auto value = member->to_double();
    if (!value.ok() || !(value.value() >= min && value.value() <= max))
        return expected(name, fmt::format("a number from {} to {}", min, max));
    return std::optional<double>(value.value());
}

Result<std::optional<std::string>> text_field(const Json& object, std::string_view name) {
    const Json* member = field(object, name);
    if (member == nullptr) return std::optional<std::string>();
    if (!member->is_string()) return expected(name, "a text");
    return std::optional<std::string>(member->text);
}

Result<std::vector<std::string>> texts_field(const Json& object, std::string_view name,
                                             size_t most) {
    const Json* member = field(object, name);
    if (member == nullptr) return std::vector<std::string>();
    if (member->is_string()) return std::vector<std::string>{member->text};
    const Error error = expected(name, fmt::format("a text or a list of at most {} texts", most));
    if (!member->is_array() || member->items.size() > most) return error;
    std::vector<std::string> texts;
    for (const Json& item : member->items) {
        if (!item.is_string()) return error;
        texts.push_back(item.text);
    }
    return texts;
}

Result<const Json*> required_field(const Json& object, std::string_view name) {
    const Json* member = field(object, name);
    if (member == nullptr) return invalid_input(fmt::format("{}: missing", name));
    return member;
}

Result<Json> parse_body(std::string_view body) {
    JsonLimits limits;
    limits.value_count_max = kValuesMax;
    Result<Json> json = Json::parse(body, limits);
    if (!json.ok())
        return Error{json.error().kind, "the body is no valid JSON: " + json.error().message};
    if (!json.value().is_object()) return invalid_input("the body has to be a JSON object");
    return json;
}

Status refuse_fields(const Json& object, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        const Json* member = field(object, name);
        if (member == nullptr || (member->is_bool() && !member->boolean) ||
            (member->is_array() && member->items.empty()))
            continue;
        return unsupported(fmt::format("{}: not supported", name));
    }
    return {};
}

}  // namespace facet::endpoints
