// The rules of a schema's values, one kind of value a file.
//
// Owns: which schemas have a rule already, and which rules still wait to be written: a list, so
// that neither nested nor referring schemas take stack. Must not know: how keywords are read
// (schema_facts.h), how values are spelled (output_syntax.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/output_syntax.h"
#include "grammar/schema_facts.h"

namespace facet {

class SchemaCompiler {
  public:
    SchemaCompiler(GrammarBuilder& builder, OutputSyntax& syntax, const SchemaDocument& document,
                   bool loose)
        : builder_(builder), syntax_(syntax), document_(document), reader_(document, loose) {}

    Result<GrammarSymbol> compile();

  private:
    // A member of an object.
    struct Member {
        std::string name;
        SchemaSet value;
        bool is_possible = true;  // no schema says that it must not be
        bool is_required = false;
    };

    // The rule for values that satisfy all of the set.
    GrammarSymbol value_of(const SchemaSet& set);
    Status write_rule(uint32_t rule, const SchemaSet& set);
    Status write_values(std::vector<GrammarSequence>& alternatives, const SchemaFacts& facts);

    Result<GrammarSymbol> string_of(const SchemaFacts& facts);
    Result<GrammarSymbol> constrained_string(const SchemaFacts& facts);

    Result<GrammarSymbol> array_of(const SchemaFacts& facts);
    Result<GrammarSymbol> unique_array(const SchemaFacts& facts, const SchemaSet& items);
    // The schemas of item `index`; nothing if it must not be.
    static std::optional<SchemaSet> item_schemas(const SchemaFacts& facts, size_t index);

    Result<GrammarSymbol> object_of(const SchemaFacts& facts);
    Result<std::vector<Member>> declared_members(const SchemaFacts& facts);
    Result<std::vector<GrammarSequence>> other_members(const SchemaFacts& facts,
                                                       const std::vector<Member>& declared);
    Status add_other_members(const SchemaFacts& facts, const std::vector<Member>& declared,
                             std::vector<GrammarSequence>& members);
    GrammarSymbol members_in_order(const std::vector<GrammarSequence>& declared,
                                   const std::vector<bool>& required,
                                   std::optional<GrammarSymbol> other, const SchemaFacts& facts);

    void append_separator(GrammarSequence& sequence);

    GrammarBuilder& builder_;
    OutputSyntax& syntax_;
    const SchemaDocument& document_;
    SchemaReader reader_;
    std::map<SchemaSet, uint32_t> rules_;
    std::vector<std::pair<uint32_t, SchemaSet>> open_;
};

}  // namespace facet
