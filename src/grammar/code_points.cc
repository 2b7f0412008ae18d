#include "grammar/code_points.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/utf8.h"

namespace facet {

namespace {

// Splits a range of characters of the same UTF-8 length into products of byte ranges.
class Utf8Splitter {
  public:
    using Product = std::vector<std::pair<uint8_t, uint8_t>>;

    std::vector<Product> split(char32_t first, char32_t last) {
        // Ranges left to do; each cut makes them more regular, at most a dozen for a range.
        std::vector<CodePointSet::Range> open = {{first, last}};
        while (!open.empty()) {
            const CodePointSet::Range range = open.back();
            open.pop_back();
            if (cut(range, open)) continue;
            std::string low, high;
            append_utf8(low, range.first);
            append_utf8(high, range.last);
            Product& product = products_.emplace_back();
            for (size_t i = 0; i < low.size(); ++i)
                product.emplace_back(static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i]));
        }
        return std::move(products_);
    }

  private:
    static bool cut(CodePointSet::Range range, std::vector<CodePointSet::Range>& open) {
        for (const char32_t end : {0x7fu, 0x7ffu, 0xffffu}) {
            if (range.first <= end && range.last > end) {
                open.push_back({static_cast<char32_t>(end + 1), range.last});
                open.push_back({range.first, static_cast<char32_t>(end)});
                return true;
            }
        }
        if (range.first < 0x80) return false;
        // Where the leading bits differ, what follows must be whole blocks of 64, 4,096, 262,144.
        for (const uint32_t shift : {6u, 12u, 18u}) {
            const char32_t mask = (char32_t{1} << shift) - 1;
            if ((range.first & ~mask) == (range.last & ~mask)) continue;
            if ((range.first & mask) != 0) {
                open.push_back({(range.first | mask) + 1, range.last});
                open.push_back({range.first, range.first | mask});
                return true;
            }
            if ((range.last & mask) != mask) {
                open.push_back({range.last & ~mask, range.last});
                open.push_back({range.first, (range.last & ~mask) - 1});
                return true;
            }
        }
        return false;
    }

    std::vector<Product> products_;
};

}  // namespace

CodePointSet CodePointSet::of(std::vector<Range> ranges) {
    CodePointSet set;
    set.ranges_ = std::move(ranges);
    set.normalize();
    return set;
}

CodePointSet CodePointSet::of(std::string_view characters) {
    CodePointSet set;
    for (const char c : characters) {
        const auto code_point = static_cast<char32_t>(static_cast<unsigned char>(c));
        set.ranges_.push_back({code_point, code_point});
    }
    set.normalize();
    return set;
}

void CodePointSet::add(char32_t first, char32_t last) {
    if (first > last) return;
    ranges_.push_back({first, std::min(last, kCodePointMax)});
    normalize();
}

void CodePointSet::add(const CodePointSet& other) {
    ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    normalize();
}

void CodePointSet::normalize() {
    // Surrogates are cut out first.
    std::vector<Range> parts;
    for (const Range& range : ranges_) {
        if (range.first < 0xd800)
            parts.push_back({range.first, std::min<char32_t>(range.last, 0xd7ff)});
        if (range.last > 0xdfff)
            parts.push_back({std::max<char32_t>(range.first, 0xe000), range.last});
    }
    std::sort(parts.begin(), parts.end());
    ranges_.clear();
    for (const Range& part : parts) {
        if (!ranges_.empty() && part.first <= ranges_.back().last + 1) {
            ranges_.back().last = std::max(ranges_.back().last, part.last);
        } else {
            ranges_.push_back(part);
        }
    }
}

CodePointSet CodePointSet::complement() const {
    CodePointSet result;
    char32_t next = 0;
    for (const Range& range : ranges_) {
        if (range.first > next) result.ranges_.push_back({next, range.first - 1});
        next = range.last + 1;
    }
    if (next <= kCodePointMax) result.ranges_.push_back({next, kCodePointMax});
    result.normalize();
    return result;
}

CodePointSet CodePointSet::intersection(const CodePointSet& other) const {
    CodePointSet result;
    size_t a = 0, b = 0;
    while (a < ranges_.size() && b < other.ranges_.size()) {
        const char32_t first = std::max(ranges_[a].first, other.ranges_[b].first);
        const char32_t last = std::min(ranges_[a].last, other.ranges_[b].last);
        if (first <= last) result.ranges_.push_back({first, last});
        if (ranges_[a].last < other.ranges_[b].last) {
            ++a;
        } else {
            ++b;
        }
    }
    return result;
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
    return intersection(other.complement());
}

bool CodePointSet::contains(char32_t code_point) const {
    const auto after =
        std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                         [](char32_t value, const Range& range) { return value < range.first; });
    return after != ranges_.begin() && code_point <= std::prev(after)->last;
}

GrammarSymbol CodePointRules::symbol(const CodePointSet& set) {
    if (const auto known = known_.find(set); known != known_.end()) return known->second;
    ByteSet ascii;
    std::vector<GrammarSequence> alternatives;
    for (const CodePointSet::Range& range : set.ranges()) {
        for (const Utf8Splitter::Product& product : Utf8Splitter().split(range.first, range.last)) {
            if (product.size() == 1) {
                ascii |= byte_range(product[0].first, product[0].second);
                continue;
            }
            GrammarSequence& sequence = alternatives.emplace_back();
            for (const auto& [first, last] : product)
                sequence.push_back(builder_.bytes(byte_range(first, last)));
        }
        if (builder_.is_full()) break;
    }
    if (ascii.any() || alternatives.empty()) alternatives.push_back({builder_.bytes(ascii)});
    const GrammarSymbol symbol = builder_.choice(std::move(alternatives));
    known_.emplace(set, symbol);
    return symbol;
}

}  // namespace facet
