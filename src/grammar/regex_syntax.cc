#include "grammar/regex_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace facet {

namespace {

using Kind = RegexNode::Kind;

CodePointSet digits() { return {'0', '9'}; }

CodePointSet word_characters() {
    CodePointSet set = digits();
    set.add('a', 'z');
    set.add('A', 'Z');
    set.add('_', '_');
    return set;
}

// ECMAScript's white space and line ends.
CodePointSet spaces() {
    return CodePointSet::of(std::vector<CodePointSet::Range>{{0x09, 0x0d},
                                                             {0x20, 0x20},
                                                             {0xa0, 0xa0},
                                                             {0x1680, 0x1680},
                                                             {0x2000, 0x200a},
                                                             {0x2028, 0x2029},
                                                             {0x202f, 0x202f},
                                                             {0x205f, 0x205f},
                                                             {0x3000, 0x3000},
                                                             {0xfeff, 0xfeff}});
}

CodePointSet line_ends() {
    CodePointSet set = CodePointSet::of("\n\r");
    set.add(0x2028, 0x2029);
    return set;
}

class RegexParser {
  public:
    explicit RegexParser(std::string_view pattern) : pattern_(pattern) {}

    Result<Regex> parse() {
        std::vector<Group> open(1);
        while (at_ < pattern_.size()) {
            const char c = pattern_[at_];
            if (c == '(') {
                ++at_;
                FACET_TRY(parse_group_head());
                open.emplace_back();
            } else if (c == ')') {
                ++at_;
                if (open.size() == 1) return error("a ) without its (");
                const uint32_t group = close(open.back());
                open.pop_back();
                open.back().parts.push_back(FACET_TRY(parse_quantifiers(group)));
            } else if (c == '|') {
                ++at_;
                open.back().alternatives.push_back(
                    concatenation(std::exchange(open.back().parts, {})));
            } else {
                const uint32_t atom = FACET_TRY(parse_atom());
                open.back().parts.push_back(FACET_TRY(parse_quantifiers(atom)));
            }
        }
        if (open.size() > 1) return error("a ( without its )");
        const uint32_t root = close(open.back());
        if (root != regex_.root()) concatenation({root});
        return std::move(regex_);
    }

  private:
    struct Group {
        std::vector<uint32_t> alternatives, parts;
    };

    Error error(std::string_view what) const {
        return invalid_input(fmt::format("regular expression, byte {}: {}", at_, what));
    }
    Error refused(std::string_view what) const {
        return unsupported(
            fmt::format("regular expression, byte {}: {} is not supported", at_, what));
    }
    char peek() const { return at_ < pattern_.size() ? pattern_[at_] : '\0'; }
    bool take(std::string_view text) {
        if (!pattern_.substr(at_).starts_with(text)) return false;
        at_ += text.size();
        return true;
    }

    uint32_t add(RegexNode node) {
        regex_.nodes.push_back(std::move(node));
        return regex_.root();
    }
    uint32_t concatenation(std::vector<uint32_t> parts) {
        if (parts.size() == 1) return parts[0];
        RegexNode node;
        node.children = std::move(parts);
        return add(std::move(node));
    }
    uint32_t close(Group& group) {
        const uint32_t last = concatenation(std::move(group.parts));
        if (group.alternatives.empty()) return last;
        RegexNode node;
        node.kind = Kind::kAlternation;
        node.children = std::move(group.alternatives);
        node.children.push_back(last);
        return add(std::move(node));
    }
    uint32_t add_set(CodePointSet set) {
        RegexNode node;
        node.kind = Kind::kSet;
        node.set = std::move(set);
        return add(std::move(node));
    }

    Status parse_group_head() {
        if (peek() != '?') return {};
        if (take("?:")) return {};
        if (take("?=") || take("?!")) return refused("look-ahead");
        if (take("?<=") || take("?<!")) return refused("look-behind");
        if (take("?<") || take("?P<")) {
            const size_t end = pattern_.find('>', at_);
            if (end == std::string_view::npos) return error("the name of a group has no >");
            at_ = end + 1;
            return {};
        }
        return refused("a group with flags");
    }

    Result<uint32_t> parse_atom() {
        const char c = pattern_[at_];
        if (take("^") || take("$")) {
            RegexNode node;
            node.kind = c == '^' ? Kind::kTextStart : Kind::kTextEnd;
            return add(std::move(node));
        }
        if (take(".")) return add_set(line_ends().complement());
        if (take("[")) return add_set(FACET_TRY(parse_class()));
        if (c == '*' || c == '+' || c == '?')
            return error("a quantifier without anything to repeat");
        if (c == '{' && counts_end()) return error("a quantifier without anything to repeat");
        if (c != '\\') return add_set(single(FACET_TRY(parse_plain())));
        ++at_;
        if (peek() == 'b' || peek() == 'B') return refused(fmt::format("\\{}", peek()));
        return add_set(FACET_TRY(parse_escape()));
    }

    static CodePointSet single(char32_t code_point) { return {code_point, code_point}; }

    Result<char32_t> parse_plain() {
        const Utf8Character character = decode_utf8(pattern_.substr(at_));
        if (!character.valid) return error("text that is no UTF-8");
        at_ += character.bytes;
        return character.code_point;
    }

    // After the backslash: a class or a character.
    Result<CodePointSet> parse_escape() {
        const char c = peek();
        switch (c) {
            case 'd': ++at_; return digits();
            case 'D': ++at_; return digits().complement();
            case 'w': ++at_; return word_characters();
            case 'W': ++at_; return word_characters().complement();
            case 's': ++at_; return spaces();
            case 'S': ++at_; return spaces().complement();
            case 'p':
            case 'P': return refused(fmt::format("\\{}", c));
            default: break;
        }
        if ((c >= '1' && c <= '9') || c == 'k') return refused("a back reference");
        return single(FACET_TRY(parse_character_escape()));
    }

    Result<char32_t> parse_character_escape() {
        const char c = peek();
        if (at_ == pattern_.size()) return error("a \\ at the end");
        if (static_cast<unsigned char>(c) >= 0x80) return parse_plain();
        ++at_;
        switch (c) {
            case 't': return U'\t';
            case 'n': return U'\n';
            case 'v': return U'\v';
            case 'f': return U'\f';
            case 'r': return U'\r';
            case '0':
                if (peek() >= '0' && peek() <= '9') return refused("an octal escape");
                return U'\0';
            case 'c': {
                const char letter = static_cast<char>(peek() | 0x20);
                if (letter < 'a' || letter > 'z') return error("\\c without a letter");
                ++at_;
                return static_cast<char32_t>(letter - 'a' + 1);
            }
            case 'x': return parse_hex(2, 2);
            case 'u': return parse_unicode_escape();
            default: break;
        }
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            --at_;
            return refused(fmt::format("\\{}", c));
        }
        return static_cast<char32_t>(c);
    }

    Result<char32_t> parse_unicode_escape() {
        char32_t value = 0;
        if (take("{")) {
            value = FACET_TRY(parse_hex(1, 6));
            if (!take("}")) return error("\\u{ without its }");
        } else {
            value = FACET_TRY(parse_hex(4, 4));
            if (value >= 0xd800 && value <= 0xdbff && take("\\u")) {
                const char32_t low = FACET_TRY(parse_hex(4, 4));
                if (low < 0xdc00 || low > 0xdfff) return error("half of a surrogate pair");
                value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        if (value > kCodePointMax || (value >= 0xd800 && value <= 0xdfff))
            return error("an escape that is no character");
        return value;
    }

    Result<char32_t> parse_hex(size_t digits_min, size_t digits_max) {
        constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
        char32_t value = 0;
        size_t count = 0;
        while (count < digits_max && at_ < pattern_.size()) {
            const size_t digit = kDigits.find(pattern_[at_]);
            if (digit == std::string_view::npos) break;
            value = value * 16 + static_cast<char32_t>(digit % 16);
            ++at_;
            ++count;
        }
        if (count < digits_min) return error("hexadecimal digits are missing");
        return value;
    }

    // After the bracket.
    Result<CodePointSet> parse_class() {
        const bool is_negated = take("^");
        std::vector<CodePointSet::Range> ranges;
        while (!take("]")) {
            if (at_ == pattern_.size()) return error("a [ without its ]");
            const CodePointSet first = FACET_TRY(parse_class_atom());
            const bool is_range =
                peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
            if (!is_range || !is_single(first)) {
                if (is_range && !is_single(first)) return error("a range that begins with a class");
                ranges.insert(ranges.end(), first.ranges().begin(), first.ranges().end());
                continue;
            }
            ++at_;
            const CodePointSet last = FACET_TRY(parse_class_atom());
            if (!is_single(last)) return error("a range that ends with a class");
            const CodePointSet::Range range{first.ranges()[0].first, last.ranges()[0].first};
            if (range.last < range.first) return error("a range that ends before it begins");
            ranges.push_back(range);
        }
        const CodePointSet set = CodePointSet::of(std::move(ranges));
        return is_negated ? set.complement() : set;
    }

    static bool is_single(const CodePointSet& set) {
        return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
    }

    Result<CodePointSet> parse_class_atom() {
        if (peek() != '\\') return single(FACET_TRY(parse_plain()));
        ++at_;
        if (take("b")) return single(U'\b');
        return parse_escape();
    }

    // The end of {m}, {m,} or {m,n} at the present place; nothing if there is none, and { is plain.
    std::optional<size_t> counts_end() const {
        size_t at = at_ + 1;
        const auto skip_digits = [&] {
            const size_t begin = at;
            while (at < pattern_.size() && pattern_[at] >= '0' && pattern_[at] <= '9') ++at;
            return at > begin;
        };
        if (!skip_digits()) return std::nullopt;
        if (at < pattern_.size() && pattern_[at] == ',') {
            ++at;
            skip_digits();
        }
        if (at == pattern_.size() || pattern_[at] != '}') return std::nullopt;
        return at + 1;
    }

    Result<uint32_t> parse_count() {
        uint64_t value = 0;
        while (peek() >= '0' && peek() <= '9') {
            value =
                std::min<uint64_t>(value * 10 + static_cast<uint64_t>(peek() - '0'), UINT32_MAX);
            ++at_;
        }
        if (value > kRepeatMax)
            return refused(fmt::format("a repetition of more than {} times", kRepeatMax));
        return static_cast<uint32_t>(value);
    }

    Result<uint32_t> parse_quantifiers(uint32_t atom) {
        uint32_t min = 0, max = kRepeatUnbounded;
        if (take("*")) {
        } else if (take("+")) {
            min = 1;
        } else if (take("?")) {
            max = 1;
        } else if (peek() == '{' && counts_end()) {
            ++at_;
            min = max = FACET_TRY(parse_count());
            if (take(",")) max = peek() == '}' ? kRepeatUnbounded : FACET_TRY(parse_count());
            ++at_;
            if (max < min) return error("a quantifier of fewer at most than at least");
        } else {
            return atom;
        }
        const Kind kind = regex_.nodes[atom].kind;
        if (kind == Kind::kTextStart || kind == Kind::kTextEnd)
            return error("a quantifier after ^ or $");
        if (take("+")) return refused("a possessive quantifier");
        take("?");  // lazy: another match, but the same language
        if (peek() == '*' || peek() == '+' || peek() == '?' || (peek() == '{' && counts_end()))
            return error("a quantifier after a quantifier");
        RegexNode node;
        node.kind = Kind::kRepeat;
        node.children = {atom};
        node.min = min;
        node.max = max;
        return add(std::move(node));
    }

    std::string_view pattern_;
    size_t at_ = 0;
    Regex regex_;
};

}  // namespace

Result<Regex> parse_regex(std::string_view pattern) {
    if (pattern.size() > kRegexBytesMax)
        return unsupported(fmt::format("a regular expression of {} bytes, expected at most {}",
                                       pattern.size(), kRegexBytesMax));
    return RegexParser(pattern).parse();
}

}  // namespace facet
