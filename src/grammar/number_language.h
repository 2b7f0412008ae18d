// Numbers within bounds, as rules over digits.
//
// Owns: decimal bounds of any length, exact comparison digit by digit, remainders of whole numbers.
// Must not know: schemas.
//
// Numbers are kept short enough that a reader's double compares with the bounds as the decimal
// does, and that no digit repeats forever: 20 digits before the point, 12 after it, with a bound at
// most 15 in all, exponents (without bounds only) of two digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"

namespace facet {

// A decimal number, exactly.
struct Decimal {
    bool negative = false;
    std::string integer = "0";  // no leading zeros
    std::string fraction;       // no trailing zeros

    // Of a JSON number; nothing if it has more than 60 digits on a side when written out.
    static std::optional<Decimal> parse(std::string_view number);
    bool is_zero() const { return integer == "0" && fraction.empty(); }
    bool is_integer() const { return fraction.empty(); }
};
int compare(const Decimal& a, const Decimal& b);

inline constexpr uint32_t kMultipleMax = 1000;

struct NumberBounds {
    std::optional<Decimal> min, max;
    bool min_exclusive = false, max_exclusive = false;
    uint32_t multiple_of =
        0;  // 0: of anything; otherwise at most kMultipleMax, and only whole numbers

    bool allows(const Decimal& value) const;
};

// A symbol for the numbers that the bounds allow; for no number at all if they allow none.
GrammarSymbol add_number(GrammarBuilder& builder, const NumberBounds& bounds, bool integers_only);

}  // namespace facet
