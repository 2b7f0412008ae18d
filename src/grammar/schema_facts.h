// What one or several schemas that hold together say, keyword by keyword.
//
// Owns: the keywords: which are enforced, which are annotations, which are refused; and the merging
// of what several schemas say. References, allOf, anyOf and oneOf are resolved here: a schema
// becomes a list of alternatives, each a set of schemas whose own keywords hold together. Must not
// know: grammars.
//
// Source: JSON Schema 2020-12 and draft-07, core and validation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "grammar/number_language.h"
#include "grammar/schema_document.h"
#include "grammar/string_automaton.h"

namespace facet {

// Types as bits. A number that is an integer has both number bits in what a schema allows, one in
// what a value is.
enum SchemaType : uint8_t {
    kNullType = 1,
    kBooleanType = 2,
    kIntegerType = 4,
    kNumberType = 8,  // numbers that are no integers
    kStringType = 16,
    kArrayType = 32,
    kObjectType = 64,
    kAllTypes = 127,
};

// Limits of one schema.
inline constexpr size_t kSchemaAlternativesMax = 1000;  // of one place, after anyOf and oneOf
inline constexpr size_t kSchemaWorkMax = 200'000;       // schemas looked at, in all
inline constexpr size_t kSchemaOneOfDepthMax = 30;      // of oneOf that depends on oneOf
inline constexpr size_t kSchemaPatternsMax = 4;         // of patternProperties of one object

// Schemas that hold together; sorted by address, without those that say nothing.
using SchemaSet = std::vector<const Json*>;

struct SchemaFacts {
    struct ArraySource {
        std::vector<const Json*> prefix;
        const Json* rest = nullptr;  // null: anything
    };
    struct ObjectSource {
        const Json* properties = nullptr;
        const Json* patterns = nullptr;
        const Json* additional = nullptr;
    };

    uint8_t types = kAllTypes;
    bool has_type = false;
    // Types that the other keywords speak of: what a schema without `type` most likely means.
    uint8_t spoken_types = 0;
    std::optional<std::vector<const Json*>> values;  // enum, const

    NumberBounds numbers;
    uint32_t length_min = 0, length_max = kRepeatUnbounded;
    std::vector<const Json*> patterns, formats;
    uint32_t items_min = 0, items_max = kRepeatUnbounded;
    const Json* unique_items = nullptr;
    std::vector<ArraySource> arrays;
    uint32_t properties_min = 0, properties_max = kRepeatUnbounded;
    std::vector<std::string> required;
    std::vector<ObjectSource> objects;

    // The types to write: those declared, or spoken of, or all.
    uint8_t written_types() const {
        return has_type || values || spoken_types == 0 ? types : types & spoken_types;
    }
};

class SchemaReader {
  public:
    //   loose  what can not be enforced is left out instead of refused
    SchemaReader(const SchemaDocument& document, bool loose) : document_(document), loose_(loose) {}

    // The alternatives of schemas that hold together. Empty if nothing satisfies them.
    // Errors: a keyword that is refused, with its path; wrong references; limits.
    Result<std::vector<SchemaSet>> alternatives(const SchemaSet& schemas);
    // Of one alternative.
    Result<SchemaFacts> facts(const SchemaSet& alternative);

    // Whether no value can satisfy both, as far as that can be seen.
    Result<bool> are_disjoint(const Json* a, const Json* b, size_t depth = 0);

    // An expression's automaton; of a pattern or, matched as a whole, of a format.
    Result<const StringAutomaton*> automaton(const Json& keyword);

    Error refuse(const Json& part, std::string_view why) const;
    bool is_loose() const { return loose_; }

  private:
    struct Fork;
    Status resolve_one(Fork& fork, std::vector<Fork>& forks, const Json& schema, size_t entry);
    Status check_exclusive(const Json& branches);
    Status read_keyword(SchemaFacts& facts, const Json& schema, const std::string& key,
                        const Json& value);
    Status read_number_keyword(SchemaFacts& facts, const std::string& key, const Json& value);
    Status read_types(SchemaFacts& facts, const Json& schema, const Json& value);
    Status read_values(SchemaFacts& facts, std::vector<const Json*> values);
    Status read_array_keywords(SchemaFacts& facts, const Json& schema);
    Status read_object_keywords(SchemaFacts& facts, const Json& schema);
    Status read_format(SchemaFacts& facts, const Json& value);
    Result<bool> allows(const SchemaFacts& facts, const Json& value);
    Status keep_allowed_values(SchemaFacts& facts);
    Result<uint32_t> read_count(const Json& value);
    bool facts_are_disjoint(const SchemaFacts& a, const SchemaFacts& b);
    Result<bool> properties_are_disjoint(const SchemaFacts& a, const SchemaFacts& b, size_t depth);

    const SchemaDocument& document_;
    const bool loose_;
    size_t work_ = 0;
    std::set<const Json*> exclusive_;  // oneOf that has been checked
    size_t exclusive_depth_ = 0;
    std::map<const Json*, StringAutomaton> automata_;
};

// Adds a schema to a set; false if it is the schema `false`.
bool add_schema(SchemaSet& set, const Json* schema);
uint8_t type_of_value(const Json& value);
bool equal_values(const Json& a, const Json& b);

}  // namespace facet
