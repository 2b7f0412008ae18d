// Lists: prefixItems, items, their number, uniqueItems.
#include <fmt/format.h>

#include <algorithm>

#include "grammar/schema_compiler.h"

namespace facet {

namespace {

// Of uniqueItems: each subset of the values is a rule.
constexpr size_t kUniqueValuesMax = 10;
constexpr size_t kPrefixMax = 2000;

}  // namespace

std::optional<SchemaSet> SchemaCompiler::item_schemas(const SchemaFacts& facts, size_t index) {
    SchemaSet set;
    for (const SchemaFacts::ArraySource& source : facts.arrays) {
        const Json* schema = index < source.prefix.size() ? source.prefix[index] : source.rest;
        if (!add_schema(set, schema)) return std::nullopt;
    }
    return set;
}

Result<GrammarSymbol> SchemaCompiler::array_of(const SchemaFacts& facts) {
    size_t prefix = 0;
    for (const SchemaFacts::ArraySource& source : facts.arrays)
        prefix = std::max(prefix, source.prefix.size());
    if (prefix > kPrefixMax)
        return reader_.refuse(document_.root(),
                              fmt::format("more than {} prefixItems", kPrefixMax));
    if (facts.unique_items != nullptr && facts.items_max > 1 && !reader_.is_loose()) {
        const std::optional<SchemaSet> items = item_schemas(facts, 0);
        if (prefix > 0 || !items)
            return reader_.refuse(*facts.unique_items,
                                  "uniqueItems beside prefixItems is not supported");
        return unique_array(facts, *items);
    }
    if (facts.items_max < facts.items_min) return builder_.nothing();
    const GrammarSymbol open = builder_.byte('['), close = builder_.byte(']');
    const size_t possible = std::min<size_t>(prefix, facts.items_max);
    // From the back: what may follow when `index` items have been written.
    const std::optional<SchemaSet> rest = item_schemas(facts, prefix);
    const auto left = [&](uint32_t bound, size_t index) {
        return bound == kRepeatUnbounded ? bound
               : bound <= index          ? 0
                                         : bound - static_cast<uint32_t>(index);
    };
    GrammarSequence tail;
    const GrammarSymbol item = rest ? value_of(*rest) : builder_.nothing();
    if (facts.items_max > possible) {
        GrammarSequence next;
        append_separator(next);
        next.push_back(item);
        const GrammarSymbol more = builder_.group(std::move(next));
        if (prefix == 0) {
            tail = {item,
                    builder_.repeat(more, left(facts.items_min, 1), left(facts.items_max, 1))};
            syntax_.append_space(tail);
            if (facts.items_min == 0) tail = {builder_.optional(builder_.group(std::move(tail)))};
        } else {
            tail = {builder_.repeat(more, left(facts.items_min, prefix),
                                    left(facts.items_max, prefix))};
        }
    }
    for (size_t index = possible; index-- > 0;) {
        const std::optional<SchemaSet> schemas = item_schemas(facts, index);
        GrammarSequence next;
        if (index > 0) append_separator(next);
        next.push_back(schemas ? value_of(*schemas) : builder_.nothing());
        next.insert(next.end(), tail.begin(), tail.end());
        if (index == 0) syntax_.append_space(next);
        const GrammarSymbol symbol = builder_.group(std::move(next));
        tail = {index >= facts.items_min ? builder_.optional(symbol) : symbol};
    }
    GrammarSequence sequence = {open};
    syntax_.append_space(sequence);
    sequence.insert(sequence.end(), tail.begin(), tail.end());
    sequence.push_back(close);
    return builder_.group(std::move(sequence));
}

// Items of a few constants: the rule of a set of values writes one that is not in it.
Result<GrammarSymbol> SchemaCompiler::unique_array(const SchemaFacts& facts,
                                                   const SchemaSet& items) {
    std::vector<const Json*> values;
    for (const SchemaSet& alternative : FACET_TRY(reader_.alternatives(items))) {
        const SchemaFacts item = FACET_TRY(reader_.facts(alternative));
        static const Json kWords[] = {Json::of(true), Json::of(false), Json::null()};
        std::vector<const Json*> own;
        if (item.values) {
            own = *item.values;
        } else if ((item.written_types() & ~(kBooleanType | kNullType)) == 0) {
            for (const Json& word : kWords) {
                if ((item.types & type_of_value(word)) != 0) own.push_back(&word);
            }
        } else {
            return reader_.refuse(*facts.unique_items,
                                  "uniqueItems is supported for items of a few constants");
        }
        for (const Json* value : own) {
            if (std::none_of(values.begin(), values.end(),
                             [&](const Json* other) { return equal_values(*value, *other); }))
                values.push_back(value);
        }
    }
    if (values.size() > kUniqueValuesMax)
        return reader_.refuse(
            *facts.unique_items,
            fmt::format("uniqueItems is supported for items of at most {} constants",
                        kUniqueValuesMax));
    const size_t subsets = size_t{1} << values.size();
    std::vector<uint32_t> rules;  // by the values written so far
    for (size_t written = 0; written < subsets; ++written) rules.push_back(builder_.add_rule());
    for (size_t written = 0; written < subsets; ++written) {
        const auto count = static_cast<uint32_t>(__builtin_popcountll(written));
        if (count >= facts.items_min && count <= facts.items_max) {
            GrammarSequence end;
            if (count > 0) syntax_.append_space(end);
            builder_.add_alternative(rules[written], std::move(end));
        }
        for (size_t v = 0; v < values.size(); ++v) {
            if ((written >> v & 1) != 0 || count >= facts.items_max) continue;
            GrammarSequence next;
            if (count > 0) append_separator(next);
            if (!syntax_.append_value(next, *values[v]))
                return reader_.refuse(*values[v], "a tool call can not have such a key");
            next.push_back(GrammarBuilder::call(rules[written | size_t{1} << v]));
            builder_.add_alternative(rules[written], std::move(next));
        }
    }
    GrammarSequence sequence = {builder_.byte('[')};
    syntax_.append_space(sequence);
    sequence.push_back(GrammarBuilder::call(rules[0]));
    sequence.push_back(builder_.byte(']'));
    return builder_.group(std::move(sequence));
}

}  // namespace facet
