#include "grammar/string_automaton.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/utf8.h"

namespace facet {

namespace {

// Thompson's construction: states with empty moves. Source: K. Thompson, 1968.
struct NfaState {
    enum class Kind : uint8_t { kEmpty, kSet, kTextStart, kTextEnd };
    Kind kind = Kind::kEmpty;
    uint32_t node = 0;           // kSet: of the expression
    std::vector<uint32_t> next;  // kEmpty: any number; others: one
};

constexpr size_t kNfaStatesMax = 100'000;

class Nfa {
  public:
    // False if there would be too many states.
    bool build(const Regex& regex) {
        start_ = add();
        accept_ = add();
        struct Part {
            uint32_t node, from, to;
        };
        std::vector<Part> open = {{regex.root(), start_, accept_}};
        while (!open.empty()) {
            if (states_.size() + open.size() > kNfaStatesMax) return false;
            const Part part = open.back();
            open.pop_back();
            const RegexNode& node = regex.nodes[part.node];
            switch (node.kind) {
                case RegexNode::Kind::kSet:
                    move(NfaState::Kind::kSet, part.node, part.from, part.to);
                    break;
                case RegexNode::Kind::kTextStart:
                    move(NfaState::Kind::kTextStart, 0, part.from, part.to);
                    break;
                case RegexNode::Kind::kTextEnd:
                    move(NfaState::Kind::kTextEnd, 0, part.from, part.to);
                    break;
                case RegexNode::Kind::kAlternation:
                    for (const uint32_t child : node.children)
                        open.push_back({child, part.from, part.to});
                    break;
                case RegexNode::Kind::kConcatenation: {
                    uint32_t from = part.from;
                    for (const uint32_t child : node.children) {
                        const uint32_t to = add();
                        open.push_back({child, from, to});
                        from = to;
                    }
                    empty_move(from, part.to);
                    break;
                }
                case RegexNode::Kind::kRepeat: {
                    const bool is_bounded = node.max != kRepeatUnbounded;
                    const uint32_t copies = is_bounded ? node.max : node.min;
                    if (copies > kNfaStatesMax) return false;
                    uint32_t from = add();  // its own, so that a loop does not reach what is around
                    empty_move(part.from, from);
                    for (uint32_t i = 0; i < copies; ++i) {
                        if (i >= node.min) empty_move(from, part.to);
                        const uint32_t to = add();
                        open.push_back({node.children[0], from, to});
                        from = to;
                    }
                    if (!is_bounded) {
                        const uint32_t inside = add();
                        empty_move(from, inside);
                        open.push_back({node.children[0], inside, from});
                    }
                    empty_move(from, part.to);
                    break;
                }
            }
        }
        return true;
    }

    const NfaState& state(uint32_t id) const { return states_[id]; }
    size_t size() const { return states_.size(); }
    uint32_t start() const { return start_; }
    uint32_t accept() const { return accept_; }

  private:
    uint32_t add() {
        states_.emplace_back();
        return static_cast<uint32_t>(states_.size() - 1);
    }
    void empty_move(uint32_t from, uint32_t to) { states_[from].next.push_back(to); }
    void move(NfaState::Kind kind, uint32_t node, uint32_t from, uint32_t to) {
        const uint32_t middle = add();
        states_[middle].kind = kind;
        states_[middle].node = node;
        states_[middle].next = {to};
        empty_move(from, middle);
    }

    std::vector<NfaState> states_;
    uint32_t start_ = 0, accept_ = 0;
};

}  // namespace

// Sets of states of an Nfa become states.
class SubsetConstruction {
  public:
    SubsetConstruction(const Regex& regex, RegexMatch match)
        : regex_(regex), contained_(match == RegexMatch::kContained) {}

    std::optional<StringAutomaton> run() {
        if (!nfa_.build(regex_)) return std::nullopt;
        find_intervals();
        marks_.assign(nfa_.size(), 0);
        add_state(closure({nfa_.start()}, true), true);
        for (size_t done = 0; done < sets_.size(); ++done) {
            if (sets_.size() > kStringStatesMax ||
                sets_.size() * result_.starts_.size() > kStringTransitionsMax)
                return std::nullopt;
            for (size_t i = 0; i < result_.starts_.size(); ++i) {
                work_ += 1 + sets_[done].size();
                if (work_ > 50'000'000) return std::nullopt;
                result_.transitions_.push_back(
                    add_state(after(sets_[done], result_.starts_[i]), false));
            }
        }
        return std::move(result_);
    }

  private:
    using Set = std::vector<uint32_t>;

    void find_intervals() {
        std::vector<char32_t> starts = {0};
        for (const RegexNode& node : regex_.nodes) {
            for (const CodePointSet::Range& range : node.set.ranges()) {
                starts.push_back(range.first);
                if (range.last < kCodePointMax) starts.push_back(range.last + 1);
            }
        }
        std::sort(starts.begin(), starts.end());
        starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
        result_.starts_ = std::move(starts);
    }

    // What empty moves reach; `^` is passed at the start of the text only, `$` at its end only.
    Set closure(Set open, bool at_start, bool at_end = false) {
        ++mark_;
        Set reached;
        while (!open.empty()) {
            const uint32_t id = open.back();
            open.pop_back();
            if (marks_[id] == mark_) continue;
            marks_[id] = mark_;
            reached.push_back(id);
            const NfaState& state = nfa_.state(id);
            if (state.kind == NfaState::Kind::kSet) continue;
            if (state.kind == NfaState::Kind::kTextStart && !at_start) continue;
            if (state.kind == NfaState::Kind::kTextEnd && !at_end) continue;
            open.insert(open.end(), state.next.begin(), state.next.end());
        }
        std::sort(reached.begin(), reached.end());
        return reached;
    }

    Set after(const Set& set, char32_t code_point) {
        // A match that has ended before the text does is enough.
        if (contained_ && std::binary_search(set.begin(), set.end(), nfa_.accept()))
            return {nfa_.accept()};
        Set next;
        for (const uint32_t id : set) {
            const NfaState& state = nfa_.state(id);
            if (state.kind == NfaState::Kind::kSet &&
                regex_.nodes[state.node].set.contains(code_point))
                next.push_back(state.next[0]);
        }
        if (contained_) next.push_back(nfa_.start());
        return closure(std::move(next), false);
    }

    uint32_t add_state(Set set, bool at_start) {
        // The start state is apart from others of the same set: only there `^` holds.
        const auto [place, is_new] = ids_.try_emplace({set, at_start}, sets_.size());
        if (is_new) {
            const Set at_end = closure(set, at_start, true);
            result_.accepts_.push_back(
                std::binary_search(at_end.begin(), at_end.end(), nfa_.accept()));
            sets_.push_back(std::move(set));
        }
        return static_cast<uint32_t>(place->second);
    }

    const Regex& regex_;
    const bool contained_;
    Nfa nfa_;
    StringAutomaton result_;
    std::vector<uint32_t> marks_;
    uint32_t mark_ = 0;
    std::vector<Set> sets_;
    std::map<std::pair<Set, bool>, size_t> ids_;
    size_t work_ = 0;
};

std::optional<StringAutomaton> StringAutomaton::of(const Regex& regex, RegexMatch match) {
    return SubsetConstruction(regex, match).run();
}

std::optional<StringAutomaton> StringAutomaton::of(const std::vector<std::string>& texts) {
    std::vector<std::map<char32_t, uint32_t>> tree(2);  // 0 is the root, 1 is dead
    std::vector<bool> accepts(2, false);
    std::vector<char32_t> starts = {0};
    for (const std::string& text : texts) {
        uint32_t at = 0;
        for (std::string_view rest = text; !rest.empty();) {
            const Utf8Character character = decode_utf8(rest);
            rest.remove_prefix(character.bytes);
            const char32_t c = character.code_point;
            starts.push_back(c);
            starts.push_back(c + 1);
            const auto [place, is_new] =
                tree[at].try_emplace(c, static_cast<uint32_t>(tree.size()));
            at = place->second;
            if (!is_new) continue;
            tree.emplace_back();
            accepts.push_back(false);
            if (tree.size() > kStringStatesMax) return std::nullopt;
        }
        accepts[at] = true;
    }
    std::sort(starts.begin(), starts.end());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    if (starts.back() > kCodePointMax) starts.pop_back();
    if (starts.size() * tree.size() > kStringTransitionsMax) return std::nullopt;
    StringAutomaton result;
    result.starts_ = std::move(starts);
    result.accepts_ = std::move(accepts);
    for (const std::map<char32_t, uint32_t>& moves : tree) {
        for (const char32_t start : result.starts_) {
            const auto move = moves.find(start);
            result.transitions_.push_back(move == moves.end() ? 1 : move->second);
        }
    }
    return result;
}

std::optional<StringAutomaton> StringAutomaton::of_length(uint32_t min, uint32_t max) {
    const bool is_bounded = max != kRepeatUnbounded;
    const uint32_t last = is_bounded ? max : min;
    if (last + uint64_t{2} > kStringStatesMax) return std::nullopt;
    StringAutomaton result;
    for (uint32_t length = 0; length <= last; ++length) {
        result.accepts_.push_back(length >= min);
        result.transitions_.push_back(length < last || is_bounded ? length + 1 : length);
    }
    if (is_bounded) {
        result.accepts_.push_back(false);
        result.transitions_.push_back(last + 1);
    }
    return result;
}

StringAutomaton StringAutomaton::of_everything() { return *of_length(0, kRepeatUnbounded); }

StringAutomaton StringAutomaton::complement() const {
    StringAutomaton result = *this;
    result.accepts_.flip();
    return result;
}

std::optional<StringAutomaton> StringAutomaton::intersection(const StringAutomaton& other) const {
    StringAutomaton result;
    std::merge(starts_.begin(), starts_.end(), other.starts_.begin(), other.starts_.end(),
               std::back_inserter(result.starts_));
    std::sort(result.starts_.begin(), result.starts_.end());
    result.starts_.erase(std::unique(result.starts_.begin(), result.starts_.end()),
                         result.starts_.end());
    std::vector<std::pair<size_t, size_t>> intervals;
    for (const char32_t start : result.starts_)
        intervals.emplace_back(interval_of(start), other.interval_of(start));
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> ids = {{{0, 0}, 0}};
    std::vector<std::pair<uint32_t, uint32_t>> states = {{0, 0}};
    for (size_t done = 0; done < states.size(); ++done) {
        if (states.size() > kStringStatesMax ||
            states.size() * intervals.size() > kStringTransitionsMax)
            return std::nullopt;
        const auto [a, b] = states[done];
        result.accepts_.push_back(accepts_[a] && other.accepts_[b]);
        for (const auto& [interval_a, interval_b] : intervals) {
            const std::pair<uint32_t, uint32_t> pair{next(a, interval_a),
                                                     other.next(b, interval_b)};
            const auto [place, is_new] =
                ids.try_emplace(pair, static_cast<uint32_t>(states.size()));
            if (is_new) states.push_back(pair);
            result.transitions_.push_back(place->second);
        }
    }
    return result;
}

size_t StringAutomaton::interval_of(char32_t code_point) const {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), code_point);
    return static_cast<size_t>(after - starts_.begin()) - 1;
}

bool StringAutomaton::contains(std::string_view text) const {
    uint32_t state = 0;
    while (!text.empty()) {
        const Utf8Character character = decode_utf8(text);
        state = next(state, interval_of(character.code_point));
        text.remove_prefix(character.bytes);
    }
    return accepts_[state];
}

bool StringAutomaton::is_empty() const {
    // All states can be reached by their making, if not in UTF-8: an interval of surrogates only.
    return std::find(accepts_.begin(), accepts_.end(), true) == accepts_.end();
}

GrammarSymbol StringAutomaton::add_to(GrammarBuilder& builder, const WriteCharacter& write) const {
    std::vector<uint32_t> rules;
    for (size_t s = 0; s < accepts_.size(); ++s) rules.push_back(builder.add_rule());
    for (uint32_t s = 0; s < accepts_.size() && !builder.is_full(); ++s) {
        std::map<uint32_t, std::vector<CodePointSet::Range>> moves;
        for (size_t i = 0; i < starts_.size(); ++i) {
            const char32_t last = i + 1 < starts_.size() ? starts_[i + 1] - 1 : kCodePointMax;
            moves[next(s, i)].push_back({starts_[i], last});
        }
        uint32_t rule = rules[s];
        if (const auto loop = moves.find(s); loop != moves.end()) {
            // A loop as a repetition, of which whole tokens can be taken at once.
            const CodePointSet set = CodePointSet::of(std::move(loop->second));
            moves.erase(loop);
            rule = builder.add_rule();
            if (!set.empty()) {
                builder.add_alternative(rules[s], {builder.repeat(write(set), 0, kRepeatUnbounded),
                                                   builder.call(rule)});
            } else {
                builder.add_alternative(rules[s], {builder.call(rule)});
            }
        }
        if (accepts_[s]) builder.add_alternative(rule, {});
        for (auto& [to, ranges] : moves) {
            const CodePointSet set = CodePointSet::of(std::move(ranges));
            if (!set.empty()) builder.add_alternative(rule, {write(set), builder.call(rules[to])});
        }
    }
    return builder.call(rules[0]);
}

}  // namespace facet
