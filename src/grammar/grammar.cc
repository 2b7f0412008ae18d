#include "grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>

namespace facet {

namespace {

using Kind = GrammarSymbol::Kind;

// Splits classes of bytes until each set is a union of classes.
void make_byte_classes(Grammar& grammar) {
    grammar.byte_class.fill(0);
    uint32_t count = 1;
    for (const ByteSet& set : grammar.byte_sets) {
        std::array<int, 256> inside{};  // of an old class: the new class of its bytes in the set
        std::array<uint32_t, 256> in_set{}, total{};
        for (size_t b = 0; b < 256; ++b) {
            ++total[grammar.byte_class[b]];
            if (set[b]) ++in_set[grammar.byte_class[b]];
        }
        inside.fill(-1);
        for (size_t b = 0; b < 256; ++b) {
            const uint8_t old = grammar.byte_class[b];
            if (!set[b] || in_set[old] == total[old]) continue;
            if (inside[old] < 0) inside[old] = static_cast<int>(count++);
            grammar.byte_class[b] = static_cast<uint8_t>(inside[old]);
        }
        if (count == 256) break;
    }
    grammar.byte_class_count = count;
}

}  // namespace

ByteSet byte_range(uint8_t first, uint8_t last) {
    ByteSet set;
    for (size_t byte = first; byte <= last; ++byte) set.set(byte);
    return set;
}

GrammarBuilder::GrammarBuilder() = default;

uint32_t GrammarBuilder::add_rule(std::string_view name) {
    if (rules_.size() >= kGrammarRulesMax) {
        is_full_ = true;
        return 0;
    }
    rules_.emplace_back().name = name;
    return static_cast<uint32_t>(rules_.size() - 1);
}

void GrammarBuilder::add_alternative(uint32_t rule, GrammarSequence sequence) {
    symbol_count_ += sequence.size() + 1;
    if (symbol_count_ > kGrammarSymbolsMax) is_full_ = true;
    if (is_full_) return;
    rules_[rule].alternatives.push_back(std::move(sequence));
}

GrammarSymbol GrammarBuilder::choice(std::vector<GrammarSequence> alternatives) {
    if (alternatives.size() == 1 && alternatives[0].size() == 1) return alternatives[0][0];
    const uint32_t rule = add_rule();
    for (GrammarSequence& alternative : alternatives) add_alternative(rule, std::move(alternative));
    return call(rule);
}

GrammarSymbol GrammarBuilder::repeat(GrammarSymbol symbol, uint32_t min, uint32_t max) {
    if (min == 1 && max == 1) return symbol;
    const uint32_t rule = add_rule();
    add_alternative(rule, {symbol});
    if (is_full_) return call(rule);
    rules_[rule].is_repeat = true;
    rules_[rule].min = min;
    rules_[rule].max = max;
    return call(rule);
}

GrammarSymbol GrammarBuilder::one_of(std::vector<std::string> texts) {
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    struct Branch {
        uint32_t rule;
        size_t begin, end, depth;  // texts[begin, end) share their first `depth` bytes
    };
    const uint32_t root = add_rule();
    std::vector<Branch> open = {{root, 0, texts.size(), 0}};
    while (!open.empty() && !is_full_) {
        const Branch branch = open.back();
        open.pop_back();
        size_t at = branch.begin;
        if (at < branch.end && texts[at].size() == branch.depth) {
            add_alternative(branch.rule, {});
            ++at;
        }
        while (at < branch.end && !is_full_) {
            size_t end = at;
            const char first = texts[at][branch.depth];
            while (end < branch.end && texts[end][branch.depth] == first) ++end;
            // As far as the first and the last of sorted texts agree, all agree.
            const std::string& low = texts[at];
            const std::string& high = texts[end - 1];
            size_t shared = branch.depth + 1;
            while (shared < low.size() && shared < high.size() && low[shared] == high[shared])
                ++shared;
            GrammarSequence sequence;
            append_text(sequence,
                        std::string_view(low).substr(branch.depth, shared - branch.depth));
            if (end - at > 1) {
                const uint32_t rest = add_rule();
                sequence.push_back(call(rest));
                open.push_back({rest, at, end, shared});
            }
            add_alternative(branch.rule, std::move(sequence));
            at = end;
        }
    }
    return call(root);
}

GrammarSymbol GrammarBuilder::bytes(const ByteSet& set) {
    std::string key(32, '\0');
    for (size_t b = 0; b < 256; ++b) {
        if (set[b]) key[b / 8] = static_cast<char>(key[b / 8] | (1 << (b % 8)));
    }
    const auto [place, is_new] =
        byte_set_index_.try_emplace(std::move(key), static_cast<uint32_t>(byte_sets_.size()));
    if (is_new) {
        byte_sets_.push_back(set);
        if (byte_sets_.size() > kGrammarByteSetsMax) is_full_ = true;
    }
    return {Kind::kBytes, place->second};
}

GrammarSymbol GrammarBuilder::byte(uint8_t value) {
    ByteSet set;
    set.set(value);
    return bytes(set);
}

void GrammarBuilder::append_text(GrammarSequence& sequence, std::string_view text) {
    // The limit is looked at before the text is copied.
    if (sequence.size() + text.size() > kGrammarSymbolsMax) {
        is_full_ = true;
        return;
    }
    for (const char c : text) sequence.push_back(byte(static_cast<uint8_t>(c)));
}

// Linear: each symbol is counted down once, when the rule it calls first holds.
template <typename Terminal>
std::vector<bool> GrammarBuilder::least_fixed_point(Terminal holds) const {
    std::vector<bool> result(rules_.size(), false);
    std::vector<std::vector<size_t>> callers(rules_.size());  // alternatives, a symbol each
    std::vector<size_t> missing;                              // of an alternative
    std::vector<size_t> owner;
    std::vector<size_t> ready;
    const auto mark = [&](size_t rule) {
        if (result[rule]) return;
        result[rule] = true;
        ready.push_back(rule);
    };
    for (size_t r = 0; r < rules_.size(); ++r) {
        if (rules_[r].is_repeat && rules_[r].min == 0) mark(r);
        for (const GrammarSequence& sequence : rules_[r].alternatives) {
            const size_t alternative = missing.size();
            missing.push_back(0);
            owner.push_back(r);
            for (const GrammarSymbol& symbol : sequence) {
                if (symbol.kind == Kind::kCall) {
                    callers[symbol.value].push_back(alternative);
                    ++missing[alternative];
                } else if (!holds(symbol)) {
                    ++missing[alternative];
                }
            }
            if (missing[alternative] == 0) mark(r);
        }
    }
    while (!ready.empty()) {
        const size_t rule = ready.back();
        ready.pop_back();
        for (const size_t alternative : callers[rule]) {
            if (--missing[alternative] == 0) mark(owner[alternative]);
        }
    }
    return result;
}

// Without alternatives that match no text, every beginning that the automaton accepts has an end.
void GrammarBuilder::drop_unproductive() {
    const auto is_text = [&](const GrammarSymbol& symbol) {
        return symbol.kind == Kind::kToken || byte_sets_[symbol.value].any();
    };
    const std::vector<bool> productive = least_fixed_point(is_text);
    for (Draft& rule : rules_) {
        std::erase_if(rule.alternatives, [&](const GrammarSequence& sequence) {
            return std::any_of(sequence.begin(), sequence.end(), [&](const GrammarSymbol& symbol) {
                return symbol.kind == Kind::kCall ? !productive[symbol.value] : !is_text(symbol);
            });
        });
        if (rule.is_repeat && rule.alternatives.empty()) rule.max = 0;
    }
}

std::vector<uint32_t> GrammarBuilder::left_calls(size_t rule,
                                                 const std::vector<bool>& nullable) const {
    std::vector<uint32_t> calls;
    for (const GrammarSequence& sequence : rules_[rule].alternatives) {
        for (const GrammarSymbol& symbol : sequence) {
            if (symbol.kind != Kind::kCall) break;
            calls.push_back(symbol.value);
            if (!nullable[symbol.value]) break;
        }
    }
    return calls;
}

// Callers before the rules they call at their start: the reverse of the order in which a
// depth-first search leaves rules.
Status GrammarBuilder::rank_rules(const std::vector<bool>& nullable,
                                  std::vector<uint32_t>& rank) const {
    enum class Mark : uint8_t { kNew, kOpen, kDone };
    struct Visit {
        uint32_t rule;
        std::vector<uint32_t> calls;
        size_t next = 0;
    };
    std::vector<Mark> marks(rules_.size(), Mark::kNew);
    rank.assign(rules_.size(), 0);
    auto next_rank = static_cast<uint32_t>(rules_.size());
    for (size_t start = 0; start < rules_.size(); ++start) {
        if (marks[start] != Mark::kNew) continue;
        std::vector<Visit> path;
        const auto enter = [&](uint32_t rule) {
            marks[rule] = Mark::kOpen;
            path.push_back({rule, left_calls(rule, nullable)});
        };
        enter(static_cast<uint32_t>(start));
        while (!path.empty()) {
            Visit& visit = path.back();
            if (visit.next == visit.calls.size()) {
                marks[visit.rule] = Mark::kDone;
                rank[visit.rule] = --next_rank;
                path.pop_back();
                continue;
            }
            const uint32_t callee = visit.calls[visit.next++];
            if (marks[callee] == Mark::kNew) {
                enter(callee);
            } else if (marks[callee] == Mark::kOpen) {
                std::string name = rules_[callee].name;
                for (size_t i = path.size(); name.empty() && i-- > 0 && path[i].rule != callee;)
                    name = rules_[path[i].rule].name;
                return unsupported(
                    name.empty()
                        ? "left recursion: a rule calls itself before it has read anything"
                        : fmt::format("left recursion: {} calls itself before it has read anything",
                                      name));
            }
        }
    }
    return {};
}

Grammar GrammarBuilder::flatten(uint32_t root, const std::vector<bool>& nullable,
                                const std::vector<uint32_t>& rank) const {
    Grammar grammar;
    grammar.root = root;
    grammar.byte_sets = byte_sets_;
    grammar.symbols = {{Kind::kAccept, 0}, {Kind::kUnknown, 0}};
    for (size_t r = 0; r < rules_.size(); ++r) {
        const Draft& draft = rules_[r];
        GrammarRule& rule = grammar.rules.emplace_back();
        rule.is_repeat = draft.is_repeat;
        rule.is_nullable = nullable[r];
        // A body that may be empty needs no minimum: the missing rounds are empty ones.
        rule.min = nullable[r] ? 0 : draft.min;
        rule.max = draft.max;
        rule.rank = rank[r];
        if (draft.is_repeat && (rule.min > 1 || (rule.max > 1 && rule.max != kRepeatUnbounded)))
            grammar.has_counters = true;
        rule.alternatives_begin = static_cast<uint32_t>(grammar.alternatives.size());
        for (const GrammarSequence& sequence : draft.alternatives) {
            grammar.alternatives.push_back(static_cast<uint32_t>(grammar.symbols.size()));
            grammar.symbols.insert(grammar.symbols.end(), sequence.begin(), sequence.end());
            grammar.symbols.push_back(
                {draft.is_repeat ? Kind::kRepeatEnd : Kind::kEnd, static_cast<uint32_t>(r)});
            for (const GrammarSymbol& symbol : sequence) {
                if (symbol.kind == Kind::kToken) grammar.token_ids.push_back(symbol.value);
            }
        }
        rule.alternatives_end = static_cast<uint32_t>(grammar.alternatives.size());
    }
    std::sort(grammar.token_ids.begin(), grammar.token_ids.end());
    grammar.token_ids.erase(std::unique(grammar.token_ids.begin(), grammar.token_ids.end()),
                            grammar.token_ids.end());
    make_byte_classes(grammar);
    return grammar;
}

Result<Grammar> GrammarBuilder::finish(uint32_t root) {
    if (is_full_) {
        return unsupported(fmt::format(
            "the grammar is too large: more than {} rules, {} symbols or {} sets of bytes",
            kGrammarRulesMax, kGrammarSymbolsMax, kGrammarByteSetsMax));
    }
    drop_unproductive();
    if (rules_[root].alternatives.empty() && !(rules_[root].is_repeat && rules_[root].min == 0))
        return invalid_input("no finite text matches the grammar");
    const std::vector<bool> nullable =
        least_fixed_point([](const GrammarSymbol&) { return false; });
    std::vector<uint32_t> rank;
    FACET_TRY(rank_rules(nullable, rank));
    return flatten(root, nullable, rank);
}

}  // namespace facet
