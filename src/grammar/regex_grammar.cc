#include "grammar/regex_grammar.h"

#include <algorithm>
#include <utility>

namespace facet {

namespace {

using Kind = RegexNode::Kind;

struct Alternative {
    std::vector<uint32_t> parts;
    bool starts = false, ends = false;  // anchored there
};

bool is_anchor(const RegexNode& node) {
    return node.kind == Kind::kTextStart || node.kind == Kind::kTextEnd;
}

// The alternatives of the whole expression, without the anchors at their ends. Nothing if there are
// others.
std::optional<std::vector<Alternative>> split(const Regex& regex) {
    const RegexNode& root = regex.nodes[regex.root()];
    std::vector<uint32_t> heads = {regex.root()};
    if (root.kind == Kind::kAlternation) heads = root.children;
    auto anchors = std::count_if(regex.nodes.begin(), regex.nodes.end(), is_anchor);
    std::vector<Alternative> alternatives;
    for (const uint32_t head : heads) {
        Alternative& alternative = alternatives.emplace_back();
        const RegexNode& node = regex.nodes[head];
        std::vector<uint32_t> parts =
            node.kind == Kind::kConcatenation ? node.children : std::vector<uint32_t>{head};
        auto begin = parts.begin(), end = parts.end();
        for (; begin < end && regex.nodes[*begin].kind == Kind::kTextStart; ++begin, --anchors)
            alternative.starts = true;
        for (; begin < end && regex.nodes[*(end - 1)].kind == Kind::kTextEnd; --end, --anchors)
            alternative.ends = true;
        alternative.parts.assign(begin, end);
    }
    if (anchors != 0) return std::nullopt;
    return alternatives;
}

class Translation {
  public:
    Translation(GrammarBuilder& builder, const Regex& regex, const WriteCharacter& write)
        : builder_(builder), regex_(regex), write_(write), sequences_(regex.nodes.size()) {}

    // Children come before their parents, so one pass gives each node its sequence.
    void translate() {
        for (uint32_t n = 0; n < regex_.nodes.size() && !builder_.is_full(); ++n) {
            const RegexNode& node = regex_.nodes[n];
            switch (node.kind) {
                case Kind::kSet: sequences_[n] = {write_(node.set)}; break;
                case Kind::kConcatenation: sequences_[n] = join(node.children); break;
                case Kind::kAlternation: sequences_[n] = {choice(node.children)}; break;
                case Kind::kRepeat:
                    sequences_[n] = {builder_.repeat(builder_.group(sequences_[node.children[0]]),
                                                     node.min, node.max)};
                    break;
                case Kind::kTextStart:
                case Kind::kTextEnd: break;
            }
        }
    }

    GrammarSequence join(const std::vector<uint32_t>& parts) {
        GrammarSequence joined;
        for (const uint32_t part : parts)
            joined.insert(joined.end(), sequences_[part].begin(), sequences_[part].end());
        // A long sequence is one symbol from here on, so that it is not copied at every level.
        if (joined.size() > 8) return {builder_.group(std::move(joined))};
        return joined;
    }

  private:
    GrammarSymbol choice(const std::vector<uint32_t>& parts) {
        std::vector<GrammarSequence> alternatives;
        for (const uint32_t part : parts) alternatives.push_back(sequences_[part]);
        return builder_.choice(std::move(alternatives));
    }

    GrammarBuilder& builder_;
    const Regex& regex_;
    const WriteCharacter& write_;
    std::vector<GrammarSequence> sequences_;
};

}  // namespace

std::optional<GrammarSymbol> add_regex(GrammarBuilder& builder, const Regex& regex,
                                       RegexMatch match, const WriteCharacter& write) {
    const std::optional<std::vector<Alternative>> alternatives = split(regex);
    if (!alternatives) return std::nullopt;
    Translation translation(builder, regex, write);
    translation.translate();
    std::vector<GrammarSequence> sequences;
    for (const Alternative& alternative : *alternatives) {
        GrammarSequence sequence = translation.join(alternative.parts);
        if (match == RegexMatch::kContained) {
            const GrammarSymbol any =
                builder.repeat(write(CodePointSet::all()), 0, kRepeatUnbounded);
            if (!alternative.starts) sequence.insert(sequence.begin(), any);
            if (!alternative.ends) sequence.push_back(any);
        }
        sequences.push_back(std::move(sequence));
    }
    return builder.choice(std::move(sequences));
}

Result<Grammar> compile_regex(std::string_view pattern) {
    const Regex regex = FACET_TRY(parse_regex(pattern));
    GrammarBuilder builder;
    CodePointRules code_points(builder);
    const WriteCharacter write = [&](const CodePointSet& set) { return code_points.symbol(set); };
    const std::optional<GrammarSymbol> symbol =
        add_regex(builder, regex, RegexMatch::kWhole, write);
    if (!symbol) return unsupported("regular expression: ^ or $ inside of it is not supported");
    const uint32_t root = builder.add_rule();
    builder.add_alternative(root, {*symbol});
    return builder.finish(root);
}

}  // namespace facet
