// Sets of Unicode characters, and how UTF-8 spells them.
//
// Owns: the set as sorted ranges, and its compilation to rules over bytes. Surrogates (U+D800 to
// U+DFFF) are no characters and never in a set. Must not know: who asks.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace facet {

inline constexpr char32_t kCodePointMax = 0x10ffff;

class CodePointSet {
  public:
    struct Range {
        char32_t first = 0, last = 0;
        auto operator<=>(const Range&) const = default;
    };

    CodePointSet() = default;
    CodePointSet(char32_t first, char32_t last) { add(first, last); }
    static CodePointSet all() { return {0, kCodePointMax}; }
    // Of many ranges at once, in any order.
    static CodePointSet of(std::vector<Range> ranges);
    // The characters of an ASCII text.
    static CodePointSet of(std::string_view characters);

    void add(char32_t first, char32_t last);
    void add(const CodePointSet& other);
    CodePointSet complement() const;
    CodePointSet without(const CodePointSet& other) const;
    CodePointSet intersection(const CodePointSet& other) const;
    bool contains(char32_t code_point) const;
    bool empty() const { return ranges_.empty(); }
    const std::vector<Range>& ranges() const { return ranges_; }  // sorted, apart from each other
    auto operator<=>(const CodePointSet&) const = default;

  private:
    void normalize();
    std::vector<Range> ranges_;
};

// Compiles sets to symbols, each set once.
class CodePointRules {
  public:
    explicit CodePointRules(GrammarBuilder& builder) : builder_(builder) {}
    // One character of the set, in UTF-8.
    GrammarSymbol symbol(const CodePointSet& set);

  private:
    GrammarBuilder& builder_;
    std::map<CodePointSet, GrammarSymbol> known_;
};

}  // namespace facet
