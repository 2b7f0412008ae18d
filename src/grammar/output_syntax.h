// How values are written: JSON, or the arguments of a Gemma 4 tool call. The same schema compiles
// to both.
//
// Owns: quotes, keys, separators, white space and the spelling of characters. Must not know:
// schemas.
//
//              JSON                                Gemma call
//   string     "text", escapes                     <|"|>text<|"|>, no escapes
//   key        "key":                              key: (bare; between delimiters if it must be)
//   space      none, one, or a line break and at    none
//              most 32 blanks, between all tokens
// Source: RFC 8259; docs gemma4-chat 2.6, 3.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "grammar/code_points.h"
#include "grammar/grammar.h"
#include "grammar/string_automaton.h"

namespace facet {

class OutputSyntax {
  public:
    enum class Kind { kJson, kCompactJson, kGemmaCall };

    //   quote_id  of the token <|"|>; for kGemmaCall only
    OutputSyntax(GrammarBuilder& builder, Kind kind, int32_t quote_id = -1);

    bool is_json() const { return kind_ != Kind::kGemmaCall; }
    GrammarSymbol quote() const { return quote_; }
    // Any character of a string, in any of its spellings.
    GrammarSymbol any_character();
    // A character of the set, each in one spelling.
    GrammarSymbol character(const CodePointSet& set);
    WriteCharacter write_character() {
        return [this](const CodePointSet& set) { return character(set); };
    }

    void append_space(GrammarSequence& sequence);
    // False if the syntax can not write this key.
    bool append_key(GrammarSequence& sequence, std::string_view key);
    // The keys that can be written where any may stand; nothing if all can.
    std::optional<StringAutomaton> writable_keys() const;
    // A key of the set (of writable keys), with its colon.
    void append_key(GrammarSequence& sequence, const StringAutomaton& keys);
    // A key of any text, or of all writable keys.
    void append_any_key(GrammarSequence& sequence);
    // A constant. False if the syntax can not write it.
    bool append_value(GrammarSequence& sequence, const Json& value);

  private:
    void append_string(GrammarSequence& sequence, std::string_view text);
    void append_colon(GrammarSequence& sequence);

    GrammarBuilder& builder_;
    CodePointRules code_points_;
    Kind kind_;
    GrammarSymbol quote_;
    std::optional<GrammarSymbol> any_character_, space_, any_key_;
    std::map<CodePointSet, GrammarSymbol> characters_;
};

}  // namespace facet
