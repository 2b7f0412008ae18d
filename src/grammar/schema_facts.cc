#include "grammar/schema_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/utf8.h"
#include "grammar/string_formats.h"

namespace facet {

namespace {

// Keywords of JSON Schema, any draft, that say something about values and are not enforced.
constexpr std::array<std::string_view, 19> kRefused = {"not",
                                                       "if",
                                                       "dependentRequired",
                                                       "dependentSchemas",
                                                       "dependencies",
                                                       "contains",
                                                       "minContains",
                                                       "maxContains",
                                                       "propertyNames",
                                                       "unevaluatedItems",
                                                       "$dynamicRef",
                                                       "$recursiveRef",
                                                       "divisibleBy",
                                                       "disallow",
                                                       "extends",
                                                       "contentSchema",
                                                       "unevaluatedProperties",
                                                       "$dynamicAnchor",
                                                       "$recursiveAnchor"};

struct TypeName {
    std::string_view name;
    uint8_t types;
};
constexpr std::array<TypeName, 7> kTypeNames = {{{"null", kNullType},
                                                 {"boolean", kBooleanType},
                                                 {"integer", kIntegerType},
                                                 {"number", kIntegerType | kNumberType},
                                                 {"string", kStringType},
                                                 {"array", kArrayType},
                                                 {"object", kObjectType}}};

uint8_t types_spoken_of(std::string_view key) {
    static const std::map<std::string_view, uint8_t> kSpoken = {
        {"minimum", kIntegerType | kNumberType},
        {"maximum", kIntegerType | kNumberType},
        {"exclusiveMinimum", kIntegerType | kNumberType},
        {"exclusiveMaximum", kIntegerType | kNumberType},
        {"multipleOf", kIntegerType | kNumberType},
        {"minLength", kStringType},
        {"maxLength", kStringType},
        {"pattern", kStringType},
        {"items", kArrayType},
        {"prefixItems", kArrayType},
        {"additionalItems", kArrayType},
        {"minItems", kArrayType},
        {"maxItems", kArrayType},
        {"uniqueItems", kArrayType},
        {"properties", kObjectType},
        {"patternProperties", kObjectType},
        {"additionalProperties", kObjectType},
        {"required", kObjectType},
        {"minProperties", kObjectType},
        {"maxProperties", kObjectType},
    };
    const auto found = kSpoken.find(key);
    return found == kSpoken.end() ? uint8_t{0} : found->second;
}

size_t character_count(std::string_view text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

}  // namespace

bool add_schema(SchemaSet& set, const Json* schema) {
    if (schema == nullptr || schema->is_true()) return true;
    if (schema->is_bool()) return false;
    if (schema->is_object() && schema->members.empty()) return true;
    const auto place = std::lower_bound(set.begin(), set.end(), schema);
    if (place == set.end() || *place != schema) set.insert(place, schema);
    return true;
}

uint8_t type_of_value(const Json& value) {
    switch (value.kind) {
        case Json::Kind::kNull: return kNullType;
        case Json::Kind::kBool: return kBooleanType;
        case Json::Kind::kString: return kStringType;
        case Json::Kind::kArray: return kArrayType;
        case Json::Kind::kObject: return kObjectType;
        case Json::Kind::kNumber: break;
    }
    const std::optional<Decimal> decimal = Decimal::parse(value.text);
    return decimal && !decimal->is_integer() ? kNumberType : kIntegerType;
}

// Recursive: nesting is bounded by kJsonDepthMax.
bool equal_values(const Json& a, const Json& b) {
    if (a.kind != b.kind) return false;
    if (a.is_number()) {
        const std::optional<Decimal> x = Decimal::parse(a.text), y = Decimal::parse(b.text);
        return x && y ? compare(*x, *y) == 0 : a.text == b.text;
    }
    if (a.boolean != b.boolean || a.text != b.text || a.items.size() != b.items.size() ||
        a.members.size() != b.members.size())
        return false;
    for (size_t i = 0; i < a.items.size(); ++i) {
        if (!equal_values(a.items[i], b.items[i])) return false;
    }
    for (const auto& [key, value] : a.members) {
        const Json* other = b.find(key);
        if (other == nullptr || !equal_values(value, *other)) return false;
    }
    return true;
}

Error SchemaReader::refuse(const Json& part, std::string_view why) const {
    return unsupported(fmt::format("json schema, {}: {}", document_.path_of(part), why));
}

Result<uint32_t> SchemaReader::read_count(const Json& value) {
    const std::optional<Decimal> count =
        value.is_number() ? Decimal::parse(value.text) : std::nullopt;
    if (!count || count->negative || !count->is_integer())
        return refuse(value, "expected a whole number of at least 0");
    if (count->integer.size() > 9)
        return refuse(value, "counts beyond 999999999 are not supported");
    return static_cast<uint32_t>(std::stoul(count->integer));
}

Result<SchemaFacts> SchemaReader::facts(const SchemaSet& alternative) {
    SchemaFacts facts;
    for (const Json* schema : alternative) {
        for (const auto& [key, value] : schema->members) {
            facts.spoken_types |= types_spoken_of(key);
            FACET_TRY(read_keyword(facts, *schema, key, value));
        }
        FACET_TRY(read_array_keywords(facts, *schema));
        FACET_TRY(read_object_keywords(facts, *schema));
    }
    FACET_TRY(keep_allowed_values(facts));
    return facts;
}

Status SchemaReader::read_keyword(SchemaFacts& facts, const Json& schema, const std::string& key,
                                  const Json& value) {
    const auto raise = [](uint32_t& bound, uint32_t to) { bound = std::max(bound, to); };
    const auto lower = [](uint32_t& bound, uint32_t to) { bound = std::min(bound, to); };
    if (key == "type") return read_types(facts, schema, value);
    if (key == "enum") {
        if (!value.is_array()) return refuse(value, "expected a list");
        std::vector<const Json*> values;
        for (const Json& item : value.items) values.push_back(&item);
        return read_values(facts, std::move(values));
    }
    if (key == "const") return read_values(facts, {&value});
    if (key == "minLength") raise(facts.length_min, FACET_TRY(read_count(value)));
    if (key == "maxLength") lower(facts.length_max, FACET_TRY(read_count(value)));
    if (key == "minItems") raise(facts.items_min, FACET_TRY(read_count(value)));
    if (key == "maxItems") lower(facts.items_max, FACET_TRY(read_count(value)));
    if (key == "minProperties") raise(facts.properties_min, FACET_TRY(read_count(value)));
    if (key == "maxProperties") lower(facts.properties_max, FACET_TRY(read_count(value)));
    if (key == "uniqueItems" && value.is_true()) facts.unique_items = &value;
    if (key == "pattern") {
        if (!value.is_string()) return refuse(value, "expected a string");
        const Result<Regex> regex = parse_regex(value.text);
        if (regex.ok()) {
            facts.patterns.push_back(&value);
        } else if (!loose_) {
            return refuse(value, regex.error().message);
        }
    }
    if (key == "format") return read_format(facts, value);
    if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
        key == "exclusiveMaximum" || key == "multipleOf")
        return read_number_keyword(facts, key, value);
    if (loose_) return {};
    if (key == "$id" && &schema != &document_.root() &&
        !(value.is_string() && value.text.starts_with('#')))
        return refuse(value, "$id inside of a schema is not supported");
    if (key == "if" && schema.find("then") == nullptr && schema.find("else") == nullptr) return {};
    if (key == "unevaluatedProperties" || key == "unevaluatedItems") {
        if (value.is_true()) return {};
    }
    if (std::find(kRefused.begin(), kRefused.end(), key) != kRefused.end())
        return refuse(value, fmt::format("the keyword {} is not supported", key));
    return {};
}

Status SchemaReader::read_types(SchemaFacts& facts, const Json& schema, const Json& value) {
    uint8_t types = 0;
    const auto add = [&](const Json& name) {
        for (const TypeName& known : kTypeNames) {
            if (name.is_string() && name.text == known.name) {
                types |= known.types;
                return true;
            }
        }
        return false;
    };
    bool is_known = value.is_array() && !value.items.empty();
    for (const Json& name : value.items) is_known = add(name) && is_known;
    if (!value.is_array()) is_known = add(value);
    if (!is_known) {
        // In a loose schema (a tool's) types may be written in capitals or be something else.
        if (loose_) return {};
        return refuse(value, fmt::format("the type {} is not known", value.dump()));
    }
    const Json* nullable = schema.find("nullable");
    if (nullable != nullptr && nullable->is_true()) types |= kNullType;
    facts.types &= types;
    facts.has_type = true;
    return {};
}

Status SchemaReader::read_values(SchemaFacts& facts, std::vector<const Json*> values) {
    if (facts.values) {
        std::erase_if(values, [&](const Json* value) {
            return std::none_of(facts.values->begin(), facts.values->end(),
                                [&](const Json* other) { return equal_values(*value, *other); });
        });
    }
    facts.values = std::move(values);
    return {};
}

Status SchemaReader::read_format(SchemaFacts& facts, const Json& value) {
    if (!value.is_string()) return refuse(value, "expected a string");
    const std::string& name = value.text;
    if (is_loose_format(name)) return {};
    if (name == "int32" || name == "int64") {
        if (name == "int64") return {};
        NumberBounds& numbers = facts.numbers;
        const Decimal min = *Decimal::parse("-2147483648"), max = *Decimal::parse("2147483647");
        if (!numbers.min || compare(*numbers.min, min) < 0) numbers.min = min;
        if (!numbers.max || compare(*numbers.max, max) > 0) numbers.max = max;
        return {};
    }
    if (string_format(name)) {
        facts.formats.push_back(&value);
        facts.spoken_types |= kStringType;
    } else if (!loose_) {
        return refuse(value, fmt::format("the format {} is not supported", name));
    }
    return {};
}

Status SchemaReader::read_number_keyword(SchemaFacts& facts, const std::string& key,
                                         const Json& value) {
    if (value.is_bool()) {
        if (loose_) return {};
        return refuse(value, fmt::format("draft 4's form of {} is not supported", key));
    }
    if (!value.is_number()) return refuse(value, "expected a number");
    const std::optional<Decimal> number = Decimal::parse(value.text);
    NumberBounds& numbers = facts.numbers;
    if (key == "multipleOf") {
        const bool is_small = number && number->is_integer() && number->integer.size() <= 4 &&
                              !number->negative && std::stoul(number->integer) <= kMultipleMax;
        if (!is_small || number->is_zero() || numbers.multiple_of > 1) {
            if (loose_) return {};
            return refuse(value,
                          fmt::format("multipleOf is supported once, for whole numbers up to {}",
                                      kMultipleMax));
        }
        numbers.multiple_of = static_cast<uint32_t>(std::stoul(number->integer));
        return {};
    }
    const bool is_exclusive = key.starts_with("exclusive");
    if (!number || (is_exclusive && number->integer.size() + number->fraction.size() > 15)) {
        if (loose_) return {};
        return refuse(value, fmt::format("{} of so many digits is not supported", key));
    }
    if (key == "minimum" || key == "exclusiveMinimum") {
        const int order = numbers.min ? compare(*number, *numbers.min) : 1;
        if (order > 0 || (order == 0 && is_exclusive)) numbers.min_exclusive = is_exclusive;
        if (order > 0) numbers.min = number;
    } else {
        const int order = numbers.max ? compare(*number, *numbers.max) : -1;
        if (order < 0 || (order == 0 && is_exclusive)) numbers.max_exclusive = is_exclusive;
        if (order < 0) numbers.max = number;
    }
    return {};
}

Status SchemaReader::read_array_keywords(SchemaFacts& facts, const Json& schema) {
    const Json* prefix = schema.find("prefixItems");
    const Json* items = schema.find("items");
    // Before 2020-12 a list of items was the prefix, and additionalItems the rest.
    const bool is_old = items != nullptr && items->is_array();
    const Json* list = is_old ? items : prefix;
    const Json* rest = is_old ? schema.find("additionalItems") : items;
    if (list == nullptr && rest == nullptr) return {};
    SchemaFacts::ArraySource source;
    if (list != nullptr) {
        if (!list->is_array()) return refuse(*list, "expected a list of schemas");
        for (const Json& item : list->items) source.prefix.push_back(&item);
    }
    source.rest = rest;
    facts.arrays.push_back(std::move(source));
    return {};
}

Status SchemaReader::read_object_keywords(SchemaFacts& facts, const Json& schema) {
    if (const Json* required = schema.find("required"); required != nullptr) {
        if (!required->is_array()) {
            if (loose_) return {};
            return refuse(*required, "expected a list of names");
        }
        for (const Json& name : required->items) {
            if (!name.is_string()) return refuse(name, "expected a name");
            facts.required.push_back(name.text);
        }
    }
    SchemaFacts::ObjectSource source;
    source.properties = schema.find("properties");
    source.patterns = schema.find("patternProperties");
    source.additional = schema.find("additionalProperties");
    for (const Json* part : {source.properties, source.patterns}) {
        if (part != nullptr && !part->is_object())
            return refuse(*part, "expected an object of schemas");
    }
    if (source.properties == nullptr && source.patterns == nullptr && source.additional == nullptr)
        return {};
    facts.objects.push_back(source);
    return {};
}

Result<const StringAutomaton*> SchemaReader::automaton(const Json& keyword) {
    if (const auto known = automata_.find(&keyword); known != automata_.end())
        return &known->second;
    const std::optional<std::string_view> format = string_format(keyword.text);
    // A pattern may happen to read like the name of a format.
    const bool is_format = format && document_.path_of(keyword).ends_with("/format");
    const Result<Regex> regex = parse_regex(is_format ? *format : std::string_view(keyword.text));
    if (!regex.ok()) return refuse(keyword, regex.error().message);
    std::optional<StringAutomaton> result =
        StringAutomaton::of(regex.value(), is_format ? RegexMatch::kWhole : RegexMatch::kContained);
    if (!result)
        return refuse(keyword, "this is too large to be enforced together with other keywords");
    return &automata_.emplace(&keyword, std::move(*result)).first->second;
}

// Whether a constant satisfies the other keywords.
Result<bool> SchemaReader::allows(const SchemaFacts& facts, const Json& value) {
    if ((facts.types & type_of_value(value)) == 0) return false;
    if (value.is_number()) {
        const std::optional<Decimal> number = Decimal::parse(value.text);
        return number ? facts.numbers.allows(*number) : true;
    }
    if (value.is_string()) {
        const size_t length = character_count(value.text);
        if (length < facts.length_min || length > facts.length_max) return false;
        for (const auto* list : {&facts.patterns, &facts.formats}) {
            for (const Json* keyword : *list) {
                if (!FACET_TRY(automaton(*keyword))->contains(value.text)) return false;
            }
        }
    }
    return true;
}

Status SchemaReader::keep_allowed_values(SchemaFacts& facts) {
    if (!facts.values) return {};
    std::vector<const Json*> kept;
    for (const Json* value : *facts.values) {
        const bool is_container = value->is_array() || value->is_object();
        const uint8_t spoken = value->is_array() ? kArrayType : kObjectType;
        if (is_container && (facts.spoken_types & spoken) != 0 && !loose_ &&
            (facts.types & spoken) != 0)
            return refuse(*value,
                          "enum or const beside keywords for lists or objects is not supported");
        if (FACET_TRY(allows(facts, *value))) kept.push_back(value);
    }
    facts.values = std::move(kept);
    return {};
}

}  // namespace facet
