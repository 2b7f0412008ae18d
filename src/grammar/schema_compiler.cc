#include "grammar/schema_compiler.h"

#include <fmt/format.h>

#include <algorithm>

#include "grammar/json_schema.h"
#include "grammar/string_formats.h"

namespace facet {

GrammarSymbol SchemaCompiler::value_of(const SchemaSet& set) {
    const auto [place, is_new] = rules_.try_emplace(set, 0);
    if (is_new) {
        place->second = builder_.add_rule(set.empty() ? "" : document_.path_of(*set[0]));
        open_.emplace_back(place->second, set);
    }
    return GrammarBuilder::call(place->second);
}

Result<GrammarSymbol> SchemaCompiler::compile() {
    SchemaSet root;
    if (!add_schema(root, &document_.root()))
        return invalid_input("json schema: nothing satisfies it");
    const GrammarSymbol symbol = value_of(root);
    while (!open_.empty() && !builder_.is_full()) {
        const auto [rule, set] = std::move(open_.back());
        open_.pop_back();
        FACET_TRY(write_rule(rule, set));
    }
    return symbol;
}

Status SchemaCompiler::write_rule(uint32_t rule, const SchemaSet& set) {
    std::vector<GrammarSequence> alternatives;
    for (const SchemaSet& alternative : FACET_TRY(reader_.alternatives(set)))
        FACET_TRY(write_values(alternatives, FACET_TRY(reader_.facts(alternative))));
    for (GrammarSequence& alternative : alternatives)
        builder_.add_alternative(rule, std::move(alternative));
    return {};
}

Status SchemaCompiler::write_values(std::vector<GrammarSequence>& alternatives,
                                    const SchemaFacts& facts) {
    const uint8_t types = facts.written_types();
    if (facts.values) {
        std::vector<std::string> plain;  // as a tree; there may be thousands
        for (const Json* value : *facts.values) {
            if ((types & type_of_value(*value)) == 0) continue;
            GrammarSequence sequence;
            if (!syntax_.append_value(sequence, *value))
                return reader_.refuse(*value, "a tool call can not have such a key");
            const bool is_plain = !value->is_array() && !value->is_object();
            if (is_plain && syntax_.is_json()) {
                plain.push_back(value->dump());
            } else {
                alternatives.push_back(std::move(sequence));
            }
        }
        if (!plain.empty()) alternatives.push_back({builder_.one_of(std::move(plain))});
        return {};
    }
    const auto add_word = [&](std::string_view word) {
        builder_.append_text(alternatives.emplace_back(), word);
    };
    if ((types & kObjectType) != 0) alternatives.push_back({FACET_TRY(object_of(facts))});
    if ((types & kArrayType) != 0) alternatives.push_back({FACET_TRY(array_of(facts))});
    if ((types & kStringType) != 0) alternatives.push_back({FACET_TRY(string_of(facts))});
    if ((types & (kNumberType | kIntegerType)) != 0)
        alternatives.push_back({add_number(builder_, facts.numbers, (types & kNumberType) == 0)});
    if ((types & kBooleanType) != 0) {
        add_word("true");
        add_word("false");
    }
    if ((types & kNullType) != 0) add_word("null");
    return {};
}

Result<GrammarSymbol> SchemaCompiler::string_of(const SchemaFacts& facts) {
    GrammarSymbol text;
    if (facts.patterns.empty() && facts.formats.empty()) {
        if (facts.length_max < facts.length_min) return builder_.nothing();
        text = builder_.repeat(syntax_.any_character(), facts.length_min, facts.length_max);
    } else {
        text = FACET_TRY(constrained_string(facts));
    }
    return builder_.group({syntax_.quote(), text, syntax_.quote()});
}

Result<GrammarSymbol> SchemaCompiler::constrained_string(const SchemaFacts& facts) {
    const bool has_length = facts.length_min > 0 || facts.length_max != kRepeatUnbounded;
    if (!has_length && facts.patterns.size() + facts.formats.size() == 1) {
        // Alone, it need not become an automaton, and its counts stay counts.
        const bool is_format = facts.patterns.empty();
        const Regex regex = FACET_TRY(parse_regex(is_format ? *string_format(facts.formats[0]->text)
                                                            : facts.patterns[0]->text));
        const std::optional<GrammarSymbol> symbol =
            add_regex(builder_, regex, is_format ? RegexMatch::kWhole : RegexMatch::kContained,
                      syntax_.write_character());
        if (symbol) return *symbol;
    }
    std::vector<const Json*> keywords = facts.patterns;
    keywords.insert(keywords.end(), facts.formats.begin(), facts.formats.end());
    StringAutomaton texts = StringAutomaton::of_everything();
    const Error too_large = reader_.refuse(
        *keywords[0], "this is too large to be enforced together with other keywords");
    for (const Json* keyword : keywords) {
        std::optional<StringAutomaton> both =
            texts.intersection(*FACET_TRY(reader_.automaton(*keyword)));
        if (!both) return too_large;
        texts = std::move(*both);
    }
    if (has_length) {
        const std::optional<StringAutomaton> length =
            StringAutomaton::of_length(facts.length_min, facts.length_max);
        if (!length) return too_large;
        std::optional<StringAutomaton> both = texts.intersection(*length);
        if (!both) return too_large;
        texts = std::move(*both);
    }
    return texts.add_to(builder_, syntax_.write_character());
}

void SchemaCompiler::append_separator(GrammarSequence& sequence) {
    sequence.push_back(builder_.byte(','));
    syntax_.append_space(sequence);
}

Result<GrammarSymbol> add_json_schema(GrammarBuilder& builder, OutputSyntax& syntax,
                                      const Json& schema, bool loose) {
    const SchemaDocument document(schema);
    return SchemaCompiler(builder, syntax, document, loose).compile();
}

Result<Grammar> compile_json_schema(const Json& schema, const SchemaOptions& options) {
    GrammarBuilder builder;
    OutputSyntax syntax(builder, options.syntax, options.quote_id);
    const GrammarSymbol symbol = FACET_TRY(add_json_schema(builder, syntax, schema, options.loose));
    const uint32_t root = builder.add_rule();
    builder.add_alternative(root, {symbol});
    Result<Grammar> grammar = builder.finish(root);
    if (!grammar.ok())
        return Error{grammar.error().kind, "json schema: " + grammar.error().message};
    return grammar;
}

Result<Grammar> compile_json_object(const SchemaOptions& options) {
    return compile_json_schema(Json::object().set("type", Json::of("object")), options);
}

}  // namespace facet
