#include "grammar/output_syntax.h"

#include <fmt/format.h>

#include <algorithm>

namespace facet {

namespace {

constexpr uint32_t kIndentMax = 32;
// What a tool call's parser takes for a key without delimiters, and tools are likely to want.
constexpr std::string_view kBareKey = "^[A-Za-z0-9_$@./-]+$";

CodePointSet must_be_escaped() {
    CodePointSet set(0, 0x1f);
    set.add(CodePointSet::of("\"\\"));
    return set;
}

bool is_bare_key(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("_$@./-").find(c) != std::string_view::npos;
    });
}

// A key between delimiters is stripped of blanks at its ends when it is read; beyond ASCII we do
// not rely on which those are.
bool is_delimited_key(std::string_view key) {
    if (key.empty()) return false;
    const auto is_plain = [](char c) { return c > ' ' && c <= '~'; };
    return is_plain(key.front()) && is_plain(key.back());
}

}  // namespace

OutputSyntax::OutputSyntax(GrammarBuilder& builder, Kind kind, int32_t quote_id)
    : builder_(builder), code_points_(builder), kind_(kind) {
    quote_ = is_json() ? builder.byte('"') : GrammarBuilder::token(static_cast<uint32_t>(quote_id));
}

GrammarSymbol OutputSyntax::any_character() {
    if (any_character_) return *any_character_;
    if (!is_json()) {
        any_character_ = code_points_.symbol(CodePointSet::all());
        return *any_character_;
    }
    const auto digits = [&](std::string_view set) {
        ByteSet bytes;
        for (const char c : set) bytes.set(static_cast<uint8_t>(c));
        return builder_.bytes(bytes);
    };
    const GrammarSymbol hex = digits("0123456789abcdefABCDEF");
    const GrammarSymbol backslash = builder_.byte('\\'), u = builder_.byte('u');
    const GrammarSymbol d = digits("dD"), zero_to_7 = digits("01234567");
    const GrammarSymbol high = digits("89abAB"), low = digits("cdefCDEF");
    any_character_ = builder_.choice({
        {code_points_.symbol(must_be_escaped().complement())},
        {backslash, digits("\"\\/bfnrt")},
        {backslash, u, digits("0123456789abcefABCEF"), hex, hex, hex},
        {backslash, u, d, zero_to_7, hex, hex},
        {backslash, u, d, high, hex, hex, backslash, u, d, low, hex, hex},
    });
    return *any_character_;
}

GrammarSymbol OutputSyntax::character(const CodePointSet& set) {
    if (!is_json()) return code_points_.symbol(set);
    if (const auto known = characters_.find(set); known != characters_.end()) return known->second;
    std::vector<GrammarSequence> alternatives;
    const CodePointSet plain = set.without(must_be_escaped());
    if (!plain.empty()) alternatives.push_back({code_points_.symbol(plain)});
    std::vector<std::string> escapes;
    const CodePointSet escaped = set.intersection(must_be_escaped());
    for (const CodePointSet::Range& range : escaped.ranges()) {
        for (char32_t c = range.first; c <= range.last; ++c) {
            constexpr std::string_view kCharacters = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
            const size_t at = kCharacters.find(static_cast<char>(c));
            escapes.push_back(at == std::string_view::npos
                                  ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c))
                                  : fmt::format("\\{}", kLetters[at]));
        }
    }
    if (!escapes.empty()) alternatives.push_back({builder_.one_of(std::move(escapes))});
    const GrammarSymbol symbol =
        alternatives.empty() ? builder_.nothing() : builder_.choice(std::move(alternatives));
    characters_.emplace(set, symbol);
    return symbol;
}

void OutputSyntax::append_space(GrammarSequence& sequence) {
    if (kind_ != Kind::kJson) return;
    if (!space_) {
        ByteSet blanks;
        blanks.set(' ');
        blanks.set('\t');
        space_ = builder_.choice(
            {{},
             {builder_.byte(' ')},
             {builder_.byte('\n'), builder_.repeat(builder_.bytes(blanks), 0, kIndentMax)}});
    }
    sequence.push_back(*space_);
}

void OutputSyntax::append_colon(GrammarSequence& sequence) {
    sequence.push_back(builder_.byte(':'));
    append_space(sequence);
}

void OutputSyntax::append_string(GrammarSequence& sequence, std::string_view text) {
    if (is_json()) {
        std::string quoted;
        append_json_string(quoted, text);
        builder_.append_text(sequence, quoted);
        return;
    }
    sequence.push_back(quote_);
    builder_.append_text(sequence, text);
    sequence.push_back(quote_);
}

bool OutputSyntax::append_key(GrammarSequence& sequence, std::string_view key) {
    if (is_json()) {
        append_string(sequence, key);
    } else if (is_bare_key(key)) {
        builder_.append_text(sequence, key);
    } else if (is_delimited_key(key)) {
        append_string(sequence, key);
    } else {
        return false;
    }
    append_colon(sequence);
    return true;
}

std::optional<StringAutomaton> OutputSyntax::writable_keys() const {
    if (is_json()) return std::nullopt;
    return StringAutomaton::of(parse_regex(kBareKey).value(), RegexMatch::kContained);
}

void OutputSyntax::append_key(GrammarSequence& sequence, const StringAutomaton& keys) {
    if (is_json()) sequence.push_back(quote_);
    sequence.push_back(keys.add_to(builder_, write_character()));
    if (is_json()) sequence.push_back(quote_);
    append_colon(sequence);
}

void OutputSyntax::append_any_key(GrammarSequence& sequence) {
    if (!any_key_) {
        GrammarSequence key;
        if (is_json()) {
            key = {quote_, builder_.repeat(any_character(), 0, kRepeatUnbounded), quote_};
            append_colon(key);
        } else {
            append_key(key, *writable_keys());
        }
        any_key_ = builder_.group(std::move(key));
    }
    sequence.push_back(*any_key_);
}

// Recursive: nesting is bounded by kJsonDepthMax.
bool OutputSyntax::append_value(GrammarSequence& sequence, const Json& value) {
    switch (value.kind) {
        case Json::Kind::kNull: builder_.append_text(sequence, "null"); return true;
        case Json::Kind::kBool:
            builder_.append_text(sequence, value.boolean ? "true" : "false");
            return true;
        case Json::Kind::kNumber: builder_.append_text(sequence, value.text); return true;
        case Json::Kind::kString: append_string(sequence, value.text); return true;
        case Json::Kind::kArray:
        case Json::Kind::kObject: break;
    }
    const bool is_array = value.is_array();
    sequence.push_back(builder_.byte(is_array ? '[' : '{'));
    append_space(sequence);
    const size_t count = is_array ? value.items.size() : value.members.size();
    for (size_t i = 0; i < count; ++i) {
        if (i > 0) {
            sequence.push_back(builder_.byte(','));
            append_space(sequence);
        }
        if (!is_array && !append_key(sequence, value.members[i].first)) return false;
        if (!append_value(sequence, is_array ? value.items[i] : value.members[i].second))
            return false;
        if (i + 1 == count) append_space(sequence);
    }
    sequence.push_back(builder_.byte(is_array ? ']' : '}'));
    return true;
}

}  // namespace facet
