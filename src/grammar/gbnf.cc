#include "grammar/gbnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "grammar/code_points.h"

namespace facet {

namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

class GbnfParser {
  public:
    explicit GbnfParser(std::string_view text) : text_(text), code_points_(builder_) {}

    Result<Grammar> parse() {
        skip_space(true);
        while (!at_end()) FACET_TRY(parse_rule());
        for (const auto& [name, rule] : rules_) {
            if (!rule.is_defined)
                return invalid_input(
                    fmt::format("grammar: the rule {} is used but not defined", name));
        }
        const auto root = rules_.find("root");
        if (root == rules_.end()) return invalid_input("grammar: there is no rule named root");
        return builder_.finish(root->second.id);
    }

  private:
    struct NamedRule {
        uint32_t id = 0;
        bool is_defined = false;
    };
    // What stands between an opening parenthesis, or the start of a rule, and its end.
    struct Group {
        std::vector<GrammarSequence> alternatives;
        GrammarSequence sequence;
    };

    bool at_end() const { return at_ == text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool take(char c) {
        if (at_end() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    Error error(std::string_view what) const {
        const auto end = text_.begin() + static_cast<std::ptrdiff_t>(at_);
        return invalid_input(
            fmt::format("grammar, line {}: {}", 1 + std::count(text_.begin(), end, '\n'), what));
    }

    void skip_space(bool newlines) {
        while (!at_end()) {
            const char c = text_[at_];
            if (c == '#') {
                while (!at_end() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
            } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
                ++at_;
            } else {
                return;
            }
        }
    }

    std::string_view take_name() {
        const size_t begin = at_;
        while (!at_end() && is_name_character(text_[at_])) ++at_;
        return text_.substr(begin, at_ - begin);
    }

    NamedRule& rule_named(std::string_view name) {
        const auto [place, is_new] = rules_.try_emplace(std::string(name));
        if (is_new) place->second.id = builder_.add_rule(name);
        return place->second;
    }

    Status parse_rule() {
        const std::string_view name = take_name();
        if (name.empty()) return error("expected the name of a rule");
        skip_space(false);
        if (!text_.substr(at_).starts_with("::="))
            return error(fmt::format("expected ::= after {}", name));
        at_ += 3;
        skip_space(true);
        NamedRule& rule = rule_named(name);
        if (rule.is_defined) return error(fmt::format("the rule {} is defined twice", name));
        rule.is_defined = true;
        const uint32_t id = rule.id;
        FACET_TRY(parse_alternatives(id));
        skip_space(true);
        return {};
    }

    // Through the end of the rule: a line that ends outside of parentheses, unless `|` follows.
    Status parse_alternatives(uint32_t rule) {
        std::vector<Group> open(1);
        while (true) {
            if (builder_.is_full()) break;  // finish() says so
            const size_t before = at_;
            skip_space(true);
            const bool is_new_line =
                text_.substr(before, at_ - before).find_first_of("\n\r") != std::string_view::npos;
            if (is_new_line && open.size() == 1 && peek() != '|' && !needs_element_) {
                break;
            }
            if (at_end()) break;
            if (take('|')) {
                open.back().alternatives.push_back(std::exchange(open.back().sequence, {}));
                needs_element_ = true;
                continue;
            }
            needs_element_ = false;
            if (take('(')) {
                if (open.size() > kGbnfNestingMax) return error("groups are nested too deep");
                open.emplace_back();
                continue;
            }
            GrammarSequence element;
            if (take(')')) {
                if (open.size() == 1) return error("a ) without its (");
                Group group = std::move(open.back());
                open.pop_back();
                group.alternatives.push_back(std::move(group.sequence));
                element = {builder_.choice(std::move(group.alternatives))};
            } else {
                element = FACET_TRY(parse_element());
            }
            FACET_TRY(parse_repetition(element));
            GrammarSequence& sequence = open.back().sequence;
            sequence.insert(sequence.end(), element.begin(), element.end());
        }
        needs_element_ = false;
        if (open.size() > 1 && !builder_.is_full()) return error("a ( without its )");
        open[0].alternatives.push_back(std::move(open[0].sequence));
        for (GrammarSequence& alternative : open[0].alternatives)
            builder_.add_alternative(rule, std::move(alternative));
        if (builder_.is_full()) at_ = text_.size();
        return {};
    }

    Result<GrammarSequence> parse_element() {
        if (take('"')) return parse_text();
        if (take('[')) return parse_class();
        if (take('.')) return GrammarSequence{code_points_.symbol(CodePointSet::all())};
        const std::string_view name = take_name();
        if (name.empty())
            return error(
                fmt::format("unexpected \"{}\"", replace_invalid_utf8(text_.substr(at_, 1))));
        return GrammarSequence{GrammarBuilder::call(rule_named(name).id)};
    }

    Result<GrammarSequence> parse_text() {
        GrammarSequence sequence;
        while (!take('"')) {
            if (at_end() || peek() == '\n') return error("a \" is missing");
            std::string character;
            append_utf8(character, FACET_TRY(parse_character()));
            builder_.append_text(sequence, character);
        }
        return sequence;
    }

    Result<GrammarSequence> parse_class() {
        const bool is_negated = take('^');
        std::vector<CodePointSet::Range> ranges;
        while (!take(']')) {
            if (at_end()) return error("a ] is missing");
            const char32_t first = FACET_TRY(parse_character());
            char32_t last = first;
            if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                last = FACET_TRY(parse_character());
                if (last < first) return error("a range of characters that ends before it begins");
            }
            ranges.push_back({first, last});
        }
        const CodePointSet result = CodePointSet::of(std::move(ranges));
        return GrammarSequence{code_points_.symbol(is_negated ? result.complement() : result)};
    }

    Result<char32_t> parse_character() {
        if (!take('\\')) {
            const Utf8Character character = decode_utf8(text_.substr(at_));
            if (!character.valid) return error("text that is no UTF-8");
            at_ += character.bytes;
            return character.code_point;
        }
        const char escape = peek();
        if (!at_end()) ++at_;
        switch (escape) {
            case 'n': return U'\n';
            case 'r': return U'\r';
            case 't': return U'\t';
            case '\\':
            case '"':
            case '[':
            case ']':
            case '-':
            case '^': return static_cast<char32_t>(escape);
            case 'x': return parse_hex(2);
            case 'u': return parse_hex(4);
            case 'U': return parse_hex(8);
            default: return error("an unknown escape");
        }
    }

    Result<char32_t> parse_hex(size_t digits) {
        char32_t value = 0;
        for (size_t i = 0; i < digits; ++i) {
            const char c = peek();
            const std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
            const size_t digit = at_end() ? std::string_view::npos : kDigits.find(c);
            if (digit == std::string_view::npos)
                return error(fmt::format("expected {} hexadecimal digits", digits));
            value = value * 16 + static_cast<char32_t>(digit % 16);
            ++at_;
        }
        if (value > kCodePointMax || (value >= 0xd800 && value <= 0xdfff))
            return error("an escape that is no character");
        return value;
    }

    Status parse_repetition(GrammarSequence& element) {
        // Several in a row are allowed, as in (a*)?.
        while (true) {
            const size_t before = at_;
            skip_space(false);
            uint32_t min = 0, max = kRepeatUnbounded;
            if (take('*')) {
            } else if (take('+')) {
                min = 1;
            } else if (take('?')) {
                max = 1;
            } else if (take('{')) {
                FACET_TRY(parse_counts(min, max));
            } else {
                at_ = before;
                return {};
            }
            element = {builder_.repeat(builder_.group(std::move(element)), min, max)};
            if (builder_.is_full()) return {};
        }
    }

    Status parse_counts(uint32_t& min, uint32_t& max) {
        skip_space(false);
        const std::optional<uint32_t> first = FACET_TRY(parse_count());
        skip_space(false);
        min = first.value_or(0);
        max = min;
        if (take(',')) {
            skip_space(false);
            max = FACET_TRY(parse_count()).value_or(kRepeatUnbounded);
            skip_space(false);
        } else if (!first) {
            return error("expected a number after {");
        }
        if (!take('}')) return error("a } is missing");
        if (max < min) return error("a repetition of fewer at most than at least");
        return {};
    }

    Result<std::optional<uint32_t>> parse_count() {
        const size_t begin = at_;
        uint64_t value = 0;
        while (peek() >= '0' && peek() <= '9') {
            value =
                std::min<uint64_t>(value * 10 + static_cast<uint64_t>(peek() - '0'), UINT32_MAX);
            ++at_;
        }
        if (at_ == begin) return std::optional<uint32_t>();
        if (value > kRepeatMax)
            return error(fmt::format("a repetition of more than {} times", kRepeatMax));
        return std::optional<uint32_t>(static_cast<uint32_t>(value));
    }

    std::string_view text_;
    size_t at_ = 0;
    bool needs_element_ = false;  // a `|` was the last thing read
    GrammarBuilder builder_;
    CodePointRules code_points_;
    std::unordered_map<std::string, NamedRule> rules_;
};

}  // namespace

Result<Grammar> compile_gbnf(std::string_view text) {
    if (text.size() > kGbnfBytesMax)
        return invalid_input(
            fmt::format("grammar: {} bytes, expected at most {}", text.size(), kGbnfBytesMax));
    return GbnfParser(text).parse();
}

}  // namespace facet
