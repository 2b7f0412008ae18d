#include "grammar/number_language.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace facet {

namespace {

constexpr size_t kDecimalDigitsMax = 60;
constexpr size_t kIntegerDigitsMax = 20;
constexpr size_t kFractionDigitsMax = 12;
// Decimals of so many digits are different doubles, in the same order.
constexpr size_t kDoubleDigits = 15;

int compare_magnitudes(const Decimal& a, const Decimal& b) {
    if (a.integer.size() != b.integer.size()) return a.integer.size() < b.integer.size() ? -1 : 1;
    if (const int order = a.integer.compare(b.integer); order != 0) return order;
    return a.fraction.compare(b.fraction);  // without trailing zeros, as texts
}

// Magnitudes between two bounds, written with a fixed number of digits before the point.
class Magnitudes {
  public:
    struct Bounds {
        const Decimal* min;  // never null
        const Decimal* max;  // null: none
        bool min_exclusive, max_exclusive;
    };

    Magnitudes(GrammarBuilder& builder, const Bounds& bounds, uint32_t multiple_of,
               bool integers_only, size_t digits)
        : builder_(builder),
          bounds_(bounds),
          multiple_of_(std::max(1u, multiple_of)),
          digits_(digits),
          fraction_max_(integers_only || multiple_of > 0 || digits >= kDoubleDigits
                            ? 0
                            : std::min(kFractionDigitsMax, kDoubleDigits - digits)) {}

    GrammarSymbol add() {
        State start;
        start.at_min = digits_ == bounds_.min->integer.size();
        start.at_max = bounds_.max != nullptr && digits_ == bounds_.max->integer.size();
        const uint32_t rule = rule_of(start);
        while (!open_.empty() && !builder_.is_full()) {
            const auto [state, id] = open_.back();
            open_.pop_back();
            add_alternatives(state, id);
        }
        return GrammarBuilder::call(rule);
    }

  private:
    struct State {
        bool in_fraction = false;
        size_t place = 0;
        // So far equal to the bound's digits.
        bool at_min = false, at_max = false;
        uint32_t remainder = 0;
        auto operator<=>(const State&) const = default;
    };

    uint32_t rule_of(const State& state) {
        const auto [place, is_new] = rules_.try_emplace(state, 0);
        if (is_new) {
            place->second = builder_.add_rule();
            open_.emplace_back(state, place->second);
        }
        return place->second;
    }

    static char digit_of(const Decimal& bound, const State& state) {
        const std::string& digits = state.in_fraction ? bound.fraction : bound.integer;
        return state.place < digits.size() ? digits[state.place] : '0';
    }

    // Whether the number may end with the digits read; zeros are as good as read.
    bool may_end(const State& state) const {
        if (state.remainder != 0) return false;
        const auto has_more = [&](const Decimal& bound) {
            return bound.fraction.size() > (state.in_fraction ? state.place : 0);
        };
        if (state.at_min && (has_more(*bounds_.min) || bounds_.min_exclusive)) return false;
        if (state.at_max && !has_more(*bounds_.max) && bounds_.max_exclusive) return false;
        return true;
    }

    void add_alternatives(const State& state, uint32_t rule) {
        const size_t end = state.in_fraction ? fraction_max_ : digits_;
        if (state.in_fraction ? state.place > 0 : state.place == digits_) {
            if (may_end(state)) builder_.add_alternative(rule, {});
        }
        if (!state.in_fraction && state.place == digits_ && fraction_max_ > 0) {
            State next = state;
            next.in_fraction = true;
            next.place = 0;
            builder_.add_alternative(rule, {builder_.byte('.'), builder_.call(rule_of(next))});
        }
        if (state.place == end) return;
        std::map<State, ByteSet> moves;
        const bool no_zero = !state.in_fraction && state.place == 0 && digits_ > 1;
        for (char digit = no_zero ? '1' : '0'; digit <= '9'; ++digit) {
            State next = state;
            ++next.place;
            if (state.at_min) {
                const char low = digit_of(*bounds_.min, state);
                if (digit < low) continue;
                next.at_min = digit == low;
            }
            if (state.at_max) {
                const char high = digit_of(*bounds_.max, state);
                if (digit > high) continue;
                next.at_max = digit == high;
            }
            if (!state.in_fraction)
                next.remainder =
                    (state.remainder * 10 + static_cast<uint32_t>(digit - '0')) % multiple_of_;
            moves[next].set(static_cast<uint8_t>(digit));
        }
        for (const auto& [next, digits] : moves)
            builder_.add_alternative(rule, {builder_.bytes(digits), builder_.call(rule_of(next))});
    }

    GrammarBuilder& builder_;
    const Bounds bounds_;
    const uint32_t multiple_of_;
    const size_t digits_;
    const size_t fraction_max_;
    std::map<State, uint32_t> rules_;
    std::vector<std::pair<State, uint32_t>> open_;
};

void add_magnitudes(GrammarBuilder& builder, const Magnitudes::Bounds& bounds,
                    const NumberBounds& number, bool integers_only, bool negative,
                    std::vector<GrammarSequence>& alternatives) {
    const size_t longest = number.multiple_of > 0 ? kDoubleDigits : kIntegerDigitsMax;
    const size_t first = bounds.min->integer.size();
    const size_t last =
        bounds.max != nullptr ? bounds.max->integer.size() : std::max(longest, first + 1);
    for (size_t digits = first; digits <= last && !builder.is_full(); ++digits) {
        GrammarSequence sequence;
        if (negative) sequence.push_back(builder.byte('-'));
        sequence.push_back(
            Magnitudes(builder, bounds, number.multiple_of, integers_only, digits).add());
        alternatives.push_back(std::move(sequence));
    }
}

GrammarSymbol add_unbounded(GrammarBuilder& builder, bool integers_only) {
    const GrammarSymbol digit = builder.bytes(byte_range('0', '9'));
    const GrammarSymbol minus = builder.optional(builder.byte('-'));
    const GrammarSymbol whole = builder.choice(
        {{builder.byte('0')},
         {builder.bytes(byte_range('1', '9')), builder.repeat(digit, 0, kIntegerDigitsMax - 1)}});
    if (integers_only) return builder.group({minus, whole});
    ByteSet e, sign;
    e.set('e');
    e.set('E');
    sign.set('+');
    sign.set('-');
    const GrammarSymbol fraction = builder.optional(
        builder.group({builder.byte('.'), builder.repeat(digit, 1, kIntegerDigitsMax)}));
    const GrammarSymbol exponent = builder.optional(builder.group(
        {builder.bytes(e), builder.optional(builder.bytes(sign)), builder.repeat(digit, 1, 2)}));
    return builder.group({minus, whole, fraction, exponent});
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view number) {
    Decimal decimal;
    if (number.starts_with('-')) {
        decimal.negative = true;
        number.remove_prefix(1);
    }
    const size_t e = number.find_first_of("eE");
    long exponent = 0;
    if (e != std::string_view::npos) {
        std::string_view digits = number.substr(e + 1);
        const bool down = digits.starts_with('-');
        if (down || digits.starts_with('+')) digits.remove_prefix(1);
        for (const char c : digits) exponent = std::min(exponent * 10 + (c - '0'), 100'000L);
        if (down) exponent = -exponent;
        number = number.substr(0, e);
    }
    const size_t point = std::min(number.find('.'), number.size());
    std::string digits(number.substr(0, point));
    if (point < number.size()) digits += number.substr(point + 1);
    if (digits.size() > 1000) return std::nullopt;
    // Where the point is among the digits.
    long place = static_cast<long>(point) + exponent;
    const size_t zeros = std::min(digits.find_first_not_of('0'), digits.size());
    digits.erase(0, zeros);
    place -= static_cast<long>(zeros);
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.empty()) return Decimal{};  // -0 is 0
    const auto limit = static_cast<long>(kDecimalDigitsMax);
    if (place > limit || static_cast<long>(digits.size()) - place > limit) return std::nullopt;
    if (place <= 0) {
        decimal.fraction = std::string(static_cast<size_t>(-place), '0') + digits;
    } else if (const auto whole = static_cast<size_t>(place); whole >= digits.size()) {
        decimal.integer = digits + std::string(whole - digits.size(), '0');
    } else {
        decimal.integer = digits.substr(0, whole);
        decimal.fraction = digits.substr(whole);
    }
    return decimal;
}

int compare(const Decimal& a, const Decimal& b) {
    if (a.negative != b.negative) return a.negative ? -1 : 1;
    return a.negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

bool NumberBounds::allows(const Decimal& value) const {
    if (min && (compare(value, *min) < 0 || (min_exclusive && compare(value, *min) == 0)))
        return false;
    if (max && (compare(value, *max) > 0 || (max_exclusive && compare(value, *max) == 0)))
        return false;
    if (multiple_of == 0) return true;
    uint32_t remainder = 0;
    for (const char c : value.integer)
        remainder = (remainder * 10 + static_cast<uint32_t>(c - '0')) % multiple_of;
    return value.is_integer() && remainder == 0;
}

GrammarSymbol add_number(GrammarBuilder& builder, const NumberBounds& bounds, bool integers_only) {
    if (!bounds.min && !bounds.max && bounds.multiple_of <= 1)
        return add_unbounded(builder, integers_only || bounds.multiple_of == 1);
    const Decimal zero;
    std::vector<GrammarSequence> alternatives;
    if (!bounds.max || !bounds.max->negative) {
        const bool from_zero = !bounds.min || bounds.min->negative;
        add_magnitudes(builder,
                       {from_zero ? &zero : &*bounds.min, bounds.max ? &*bounds.max : nullptr,
                        !from_zero && bounds.min_exclusive, bounds.max_exclusive},
                       bounds, integers_only, false, alternatives);
    }
    if (!bounds.min || bounds.min->negative) {
        // No -0: it would be a zero below zero.
        const bool from_zero = !bounds.max || !bounds.max->negative;
        add_magnitudes(builder,
                       {from_zero ? &zero : &*bounds.max, bounds.min ? &*bounds.min : nullptr,
                        from_zero || bounds.max_exclusive, bounds.min_exclusive},
                       bounds, integers_only, true, alternatives);
    }
    return builder.choice(std::move(alternatives));
}

}  // namespace facet
