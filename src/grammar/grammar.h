// A grammar over bytes and single token ids: what every front end (GBNF, regex, choice, JSON
// Schema) compiles to, and what the automaton runs.
//
// Owns: rules, and what is known about them before any text is seen: which can be empty, which call
// which at their start, which bytes no rule tells apart. Must not know: where the rules came from,
// vocabularies.
//
// A rule is a list of alternatives, an alternative a sequence of symbols. A repetition {min,max} is
// a rule of its own with two counters, never a copy of its body, so a count costs nothing.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace facet {

using ByteSet = std::bitset<256>;
ByteSet byte_range(uint8_t first, uint8_t last);  // both included

// Limits of one grammar; they bound its memory and the time to compile it.
inline constexpr size_t kGrammarRulesMax = 200'000;
inline constexpr size_t kGrammarSymbolsMax = 1'000'000;
inline constexpr size_t kGrammarByteSetsMax = 20'000;
inline constexpr uint32_t kRepeatUnbounded = UINT32_MAX;
inline constexpr uint32_t kRepeatMax = 1'000'000'000;  // the largest finite count

struct GrammarSymbol {
    enum class Kind : uint8_t {
        kBytes,  // one byte of set `value`
        kToken,  // the token id `value`, which no bytes can spell
        kCall,   // rule `value`
        // What the automaton finds at the end of a sequence; front ends do not write these.
        kEnd,        // the rule ends
        kRepeatEnd,  // one round of the repetition `value` ends
        kAccept,     // the whole text ends
        kUnknown,    // whatever follows is not known (masks that hold in any context)
    };
    Kind kind = Kind::kEnd;
    uint32_t value = 0;
    bool operator==(const GrammarSymbol&) const = default;
};

using GrammarSequence = std::vector<GrammarSymbol>;

struct GrammarRule {
    // Positions of alternatives in Grammar::alternatives.
    uint32_t alternatives_begin = 0, alternatives_end = 0;
    // A repetition has one alternative of one symbol.
    bool is_repeat = false;
    uint32_t min = 0, max = 0;
    bool is_nullable = false;
    // Rules that a rule may call before it has read anything have a higher rank.
    uint32_t rank = 0;
};

struct Grammar {
    static constexpr uint32_t kAcceptPosition = 0;
    static constexpr uint32_t kUnknownPosition = 1;

    std::vector<GrammarSymbol> symbols;  // all sequences, each closed by kEnd or kRepeatEnd
    std::vector<uint32_t> alternatives;  // where in `symbols` each begins
    std::vector<GrammarRule> rules;
    std::vector<ByteSet> byte_sets;
    uint32_t root = 0;
    std::array<uint8_t, 256> byte_class{};  // bytes of one class are in the same sets
    uint32_t byte_class_count = 1;
    bool has_counters = false;        // some repetition has a bound other than 0, 1 and none
    std::vector<uint32_t> token_ids;  // that kToken symbols name; sorted
};

// Collects rules, then checks them. Exceeding a limit is remembered and reported by finish(), so
// front ends need not look after each call; they stop early when is_full().
class GrammarBuilder {
  public:
    GrammarBuilder();

    // A rule without alternatives: it matches nothing until it gets some. The name is for errors.
    uint32_t add_rule(std::string_view name = {});
    void add_alternative(uint32_t rule, GrammarSequence sequence);
    // A rule with these alternatives, called. One alternative of one symbol is that symbol.
    GrammarSymbol choice(std::vector<GrammarSequence> alternatives);
    // `symbol` min to max times.
    GrammarSymbol repeat(GrammarSymbol symbol, uint32_t min, uint32_t max);
    GrammarSymbol optional(GrammarSymbol symbol) { return repeat(symbol, 0, 1); }
    // A sequence as one symbol.
    GrammarSymbol group(GrammarSequence sequence) { return choice({std::move(sequence)}); }
    // Any one of these texts, as a tree over their common beginnings.
    GrammarSymbol one_of(std::vector<std::string> texts);

    GrammarSymbol bytes(const ByteSet& set);
    GrammarSymbol byte(uint8_t value);
    GrammarSymbol nothing() { return bytes({}); }  // matches no text
    void append_text(GrammarSequence& sequence, std::string_view text);

    static GrammarSymbol call(uint32_t rule) { return {GrammarSymbol::Kind::kCall, rule}; }
    static GrammarSymbol token(uint32_t id) { return {GrammarSymbol::Kind::kToken, id}; }

    bool is_full() const { return is_full_; }
    size_t symbol_count() const { return symbol_count_; }

    // Errors: a limit exceeded, no text at all matches, a rule that calls itself before it has read
    // anything (left recursion).
    Result<Grammar> finish(uint32_t root);

  private:
    struct Draft {
        std::string name;
        std::vector<GrammarSequence> alternatives;
        bool is_repeat = false;
        uint32_t min = 0, max = 0;
    };
    // Rules of which some alternative consists of symbols that hold; a terminal holds or not.
    template <typename Terminal>
    std::vector<bool> least_fixed_point(Terminal holds) const;
    void drop_unproductive();
    Status rank_rules(const std::vector<bool>& nullable, std::vector<uint32_t>& rank) const;
    std::vector<uint32_t> left_calls(size_t rule, const std::vector<bool>& nullable) const;
    Grammar flatten(uint32_t root, const std::vector<bool>& nullable,
                    const std::vector<uint32_t>& rank) const;

    std::vector<Draft> rules_;
    std::vector<ByteSet> byte_sets_;
    std::map<std::string, uint32_t> byte_set_index_;
    size_t symbol_count_ = 0;
    bool is_full_ = false;
};

}  // namespace facet
