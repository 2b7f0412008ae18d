// A set of texts as a deterministic automaton over characters: where several constraints on one
// string (a pattern and a length, a key that is none of those declared) have to hold together.
//
// Owns: the automaton, its making from a regular expression, a length or a list of texts, and the
// set operations. Its size is bounded; what would be larger is refused. Must not know: how
// characters are written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/code_points.h"
#include "grammar/grammar.h"
#include "grammar/regex_grammar.h"

namespace facet {

inline constexpr size_t kStringStatesMax = 20'000;
inline constexpr size_t kStringTransitionsMax = 4'000'000;

class StringAutomaton {
  public:
    // All give nothing if the automaton would have more than kStringStatesMax states.
    static std::optional<StringAutomaton> of(const Regex& regex, RegexMatch match);
    static std::optional<StringAutomaton> of(const std::vector<std::string>& texts);
    // Texts of min to max characters; kRepeatUnbounded for any number.
    static std::optional<StringAutomaton> of_length(uint32_t min, uint32_t max);
    static StringAutomaton of_everything();

    StringAutomaton complement() const;
    std::optional<StringAutomaton> intersection(const StringAutomaton& other) const;

    bool contains(std::string_view text) const;  // of valid UTF-8
    bool is_empty() const;
    // A symbol for one text of the set.
    GrammarSymbol add_to(GrammarBuilder& builder, const WriteCharacter& write) const;

  private:
    size_t interval_of(char32_t code_point) const;
    uint32_t next(uint32_t state, size_t interval) const {
        return transitions_[state * starts_.size() + interval];
    }

    std::vector<char32_t> starts_ = {0};  // of intervals that no state tells apart inside
    std::vector<uint32_t> transitions_;   // [state, interval]; all states have all transitions
    std::vector<bool> accepts_;           // state 0 is the start

    friend class SubsetConstruction;
};

}  // namespace facet
