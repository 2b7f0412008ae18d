// References, allOf, anyOf and oneOf: from a schema to alternatives of plain schemas.
#include <fmt/format.h>

#include <algorithm>

#include "grammar/schema_facts.h"

namespace facet {

namespace {

// A schema to resolve and the one that asked for it, to see references that go in circles.
struct Entry {
    const Json* schema;
    size_t parent;
};
constexpr size_t kNoParent = SIZE_MAX;

}  // namespace

// One alternative in the making.
struct SchemaReader::Fork {
    SchemaSet done;
    std::vector<Entry> entries;  // all that were ever asked for
    size_t next = 0;
    bool is_dead = false;  // nothing satisfies it
};

Result<std::vector<SchemaSet>> SchemaReader::alternatives(const SchemaSet& schemas) {
    std::vector<Fork> forks(1);
    for (const Json* schema : schemas) forks[0].entries.push_back({schema, kNoParent});
    std::vector<SchemaSet> results;
    while (!forks.empty()) {
        Fork fork = std::move(forks.back());
        forks.pop_back();
        while (fork.next < fork.entries.size() && !fork.is_dead) {
            const size_t entry = fork.next++;
            if (++work_ > kSchemaWorkMax)
                return refuse(document_.root(), "the schema has too many combinations");
            FACET_TRY(resolve_one(fork, forks, *fork.entries[entry].schema, entry));
            if (forks.size() + results.size() > kSchemaAlternativesMax)
                return refuse(
                    document_.root(),
                    fmt::format("more than {} alternatives in one place", kSchemaAlternativesMax));
        }
        if (!fork.is_dead) results.push_back(std::move(fork.done));
    }
    // Forks are taken from the back; the first alternative shall come first again.
    std::reverse(results.begin(), results.end());
    return results;
}

Status SchemaReader::resolve_one(Fork& fork, std::vector<Fork>& forks, const Json& schema,
                                 size_t entry) {
    if (schema.is_bool()) {
        fork.is_dead = !schema.boolean;
        return {};
    }
    if (!schema.is_object()) return refuse(schema, "expected a schema");
    // A schema that needs itself before anything is read adds nothing that ends.
    for (size_t at = fork.entries[entry].parent; at != kNoParent; at = fork.entries[at].parent) {
        if (fork.entries[at].schema == &schema) {
            fork.is_dead = true;
            return {};
        }
    }
    if (std::binary_search(fork.done.begin(), fork.done.end(), &schema)) return {};
    add_schema(fork.done, &schema);
    if (const Json* reference = schema.find("$ref"); reference != nullptr) {
        if (!reference->is_string()) return refuse(*reference, "expected a string");
        const Result<const Json*> target = document_.resolve(reference->text);
        if (target.ok()) {
            fork.entries.push_back({target.value(), entry});
        } else if (!loose_) {
            return refuse(*reference, target.error().message);
        }
    }
    if (const Json* all = schema.find("allOf"); all != nullptr) {
        if (!all->is_array()) return refuse(*all, "expected a list of schemas");
        for (const Json& part : all->items) fork.entries.push_back({&part, entry});
    }
    std::vector<const Json*> choices;
    for (const char* key : {"anyOf", "oneOf"}) {
        const Json* branches = schema.find(key);
        if (branches == nullptr) continue;
        if (!branches->is_array() || branches->items.empty())
            return refuse(*branches, "expected a list of schemas");
        if (key == std::string_view("oneOf") && !loose_) FACET_TRY(check_exclusive(*branches));
        choices.push_back(branches);
    }
    if (choices.empty()) return {};
    // All combinations of branches but the first become forks of their own.
    std::vector<std::vector<const Json*>> combinations = {{}};
    for (const Json* branches : choices) {
        std::vector<std::vector<const Json*>> longer;
        for (const std::vector<const Json*>& combination : combinations) {
            for (const Json& branch : branches->items) {
                longer.push_back(combination);
                longer.back().push_back(&branch);
            }
            if (longer.size() > kSchemaAlternativesMax)
                return refuse(*branches, fmt::format("more than {} alternatives in one place",
                                                     kSchemaAlternativesMax));
        }
        combinations = std::move(longer);
    }
    const Fork base = fork;
    for (size_t i = 0; i < combinations.size(); ++i) {
        Fork copy = base;
        for (const Json* branch : combinations[i]) copy.entries.push_back({branch, entry});
        if (i + 1 < combinations.size()) {
            forks.push_back(std::move(copy));
        } else {
            fork = std::move(copy);
        }
    }
    return {};
}

// oneOf is anyOf where no value can satisfy two branches; that has to be seen, or it is refused.
Status SchemaReader::check_exclusive(const Json& branches) {
    if (!exclusive_.insert(&branches).second) return {};
    if (exclusive_depth_ == kSchemaOneOfDepthMax)
        return refuse(branches, "oneOf is nested too deep");
    ++exclusive_depth_;
    for (size_t i = 0; i < branches.items.size(); ++i) {
        for (size_t j = i + 1; j < branches.items.size(); ++j) {
            if (FACET_TRY(are_disjoint(&branches.items[i], &branches.items[j]))) continue;
            return refuse(branches,
                          fmt::format("oneOf is supported where no value can satisfy two "
                                      "branches; {} and {} are not seen to exclude each other",
                                      i, j));
        }
    }
    --exclusive_depth_;
    return {};
}

Result<bool> SchemaReader::are_disjoint(const Json* a, const Json* b, size_t depth) {
    SchemaSet set_a, set_b;
    if (!add_schema(set_a, a) || !add_schema(set_b, b)) return true;
    std::vector<SchemaFacts> facts_b;
    for (const SchemaSet& alternative : FACET_TRY(alternatives(set_b)))
        facts_b.push_back(FACET_TRY(facts(alternative)));
    for (const SchemaSet& alternative : FACET_TRY(alternatives(set_a))) {
        const SchemaFacts facts_a = FACET_TRY(facts(alternative));
        for (const SchemaFacts& other : facts_b) {
            work_ += 1;
            if (!facts_are_disjoint(facts_a, other) &&
                !FACET_TRY(properties_are_disjoint(facts_a, other, depth)))
                return false;
        }
    }
    return true;
}

bool SchemaReader::facts_are_disjoint(const SchemaFacts& a, const SchemaFacts& b) {
    uint8_t types_a = a.types, types_b = b.types;
    if (a.values && b.values) {
        for (const Json* value : *a.values) {
            for (const Json* other : *b.values) {
                if (equal_values(*value, *other)) return false;
            }
        }
        return true;
    }
    for (const SchemaFacts* one : {&a, &b}) {
        if (!one->values) continue;
        const SchemaFacts& other = one == &a ? b : a;
        return std::none_of(one->values->begin(), one->values->end(), [&](const Json* value) {
            const Result<bool> allowed = allows(other, *value);
            return !allowed.ok() || allowed.value();
        });
    }
    // A number keyword says nothing of other types.
    constexpr uint8_t kNumbers = kIntegerType | kNumberType;
    const auto is_below = [](const NumberBounds& low, const NumberBounds& high) {
        if (!low.max || !high.min) return false;
        const int order = compare(*low.max, *high.min);
        return order < 0 || (order == 0 && (low.max_exclusive || high.min_exclusive));
    };
    if (is_below(a.numbers, b.numbers) || is_below(b.numbers, a.numbers))
        types_a = static_cast<uint8_t>(types_a & ~kNumbers);
    if (a.length_max < b.length_min || b.length_max < a.length_min)
        types_a = static_cast<uint8_t>(types_a & ~kStringType);
    if (a.items_max < b.items_min || b.items_max < a.items_min)
        types_a = static_cast<uint8_t>(types_a & ~kArrayType);
    return (types_a & types_b) == 0;
}

// Objects only, and one has a member that the other can not have.
Result<bool> SchemaReader::properties_are_disjoint(const SchemaFacts& a, const SchemaFacts& b,
                                                   size_t depth) {
    if ((a.types & b.types) != kObjectType || depth > 4) return false;
    for (const SchemaFacts* one : {&a, &b}) {
        const SchemaFacts& other = one == &a ? b : a;
        for (const std::string& name : one->required) {
            for (const SchemaFacts::ObjectSource& source : other.objects) {
                const Json* theirs =
                    source.properties == nullptr ? nullptr : source.properties->find(name);
                if (theirs == nullptr) {
                    const bool is_closed =
                        source.additional != nullptr && source.additional->is_bool() &&
                        !source.additional->boolean && source.patterns == nullptr;
                    if (is_closed) return true;
                    continue;
                }
                for (const SchemaFacts::ObjectSource& own : one->objects) {
                    const Json* ours =
                        own.properties == nullptr ? nullptr : own.properties->find(name);
                    if (ours != nullptr && FACET_TRY(are_disjoint(ours, theirs, depth + 1)))
                        return true;
                }
            }
        }
    }
    return false;
}

}  // namespace facet
