#include "grammar/grammar_states.h"

#include <algorithm>
#include <tuple>

namespace facet {

namespace {

using Kind = GrammarSymbol::Kind;

uint32_t counted_down(uint32_t counter) {
    return counter == 0 || counter == kRepeatUnbounded ? counter : counter - 1;
}

template <typename T>
void sort_unique(std::vector<T>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

// A heap of the standard library gives the largest first: the lowest rank has to be that.
bool GrammarStates::Call::operator<(const Call& other) const {
    return std::tie(other.rank_and_rule, other.counters, other.edge) <
           std::tie(rank_and_rule, counters, edge);
}

GrammarStates::GrammarStates(const Grammar& grammar) : grammar_(grammar) { reset(); }

void GrammarStates::reset() {
    stacks_ = StackGraph();
    states_.clear();
    transitions_.clear();
    table_ = InternTable();
    item_bytes_ = 0;
    intern({});
    states_.emplace_back();  // too ambiguous: like the dead state, but not found by its content
    for (size_t i = 0; i < grammar_.byte_class_count; ++i) transitions_.push_back(kTooAmbiguous);
    start_ = start_of(GrammarBuilder::call(grammar_.root));
}

size_t GrammarStates::bytes() const {
    return stacks_.bytes() + states_.size() * sizeof(State) + item_bytes_ +
           transitions_.capacity() * sizeof(uint32_t) + table_.bytes();
}

uint32_t GrammarStates::start_of(GrammarSymbol symbol) {
    // The edge to the end of the text is the only one with the bottom as its frame.
    const ReturnEdge end{Grammar::kAcceptPosition, StackGraph::kBottom};
    if (symbol.kind != Kind::kCall) return kDead;
    const GrammarRule& rule = grammar_.rules[symbol.value];
    if (rule.is_nullable) made_.accepts = true;
    const uint32_t below = stacks_.add_frame({stacks_.add_edge_list({&end, 1}), 0, 0});
    // As if the call stood last in a rule with that frame.
    for (const ReturnEdge& edge : stacks_.edges_of(below)) {
        if (rule.is_repeat && rule.max == 0) break;
        calls_.push_back(
            {(uint64_t{rule.rank} << 32) | symbol.value,
             (uint64_t{rule.is_repeat ? rule.min : 0} << 32) | (rule.is_repeat ? rule.max : 0),
             edge});
    }
    return close();
}

uint32_t GrammarStates::make_step(uint32_t state, uint8_t byte) {
    for (const Item& item : states_[state].items) {
        const GrammarSymbol& symbol = grammar_.symbols[item.position];
        if (symbol.kind == Kind::kBytes && grammar_.byte_sets[symbol.value][byte])
            add_place(item.position + 1, item.frame);
    }
    made_work_ += states_[state].items.size() / 8;
    const uint32_t next = close();
    transitions_[size_t{state} * grammar_.byte_class_count + grammar_.byte_class[byte]] = next;
    return next;
}

uint32_t GrammarStates::step_token(uint32_t state, uint32_t token_id) {
    if (state == kTooAmbiguous) return state;
    for (const Item& item : states_[state].items) {
        const GrammarSymbol& symbol = grammar_.symbols[item.position];
        if (symbol.kind == Kind::kToken && symbol.value == token_id)
            add_place(item.position + 1, item.frame);
    }
    return close();
}

void GrammarStates::add_place(uint32_t position, uint32_t frame) {
    ++made_work_;
    if (2 * (seen_count_ + 1) > seen_.size()) {
        std::vector<Item> old(std::max<size_t>(64, 2 * seen_.size()), Item{0, kNotMade});
        old.swap(seen_);
        seen_count_ = 0;
        for (const Item& item : old) {
            if (item.frame == kNotMade) continue;
            size_t at = mix_hash(item.position, item.frame) & (seen_.size() - 1);
            while (seen_[at].frame != kNotMade) at = (at + 1) & (seen_.size() - 1);
            seen_[at] = item;
            ++seen_count_;
        }
    }
    const Item item{position, frame};
    size_t at = mix_hash(position, frame) & (seen_.size() - 1);
    for (; seen_[at].frame != kNotMade; at = (at + 1) & (seen_.size() - 1)) {
        if (seen_[at] == item) return;
    }
    seen_[at] = item;
    ++seen_count_;
    places_.push_back(item);
}

// Makes the state of places_ and calls_ and clears them.
uint32_t GrammarStates::close() {
    follow_returns();
    enter_rules();
    work_ += made_work_ + 1;
    const bool is_refused = made_work_ > kStateWorkMax || made_.items.size() > kStateItemsMax;
    places_.clear();
    calls_.clear();
    if (seen_.size() > 4096) {
        seen_.clear();
    } else if (seen_count_ > 0) {
        std::fill(seen_.begin(), seen_.end(), Item{0, kNotMade});
    }
    seen_count_ = 0;
    made_work_ = 0;
    State made = std::move(made_);
    made_ = {};
    if (is_refused) return kTooAmbiguous;
    sort_unique(made.items);
    return intern(std::move(made));
}

// Follows places in frames that were there before this state, until each stands before bytes or a
// token. Rules called at this state are entered afterwards: they can not end at it, because a rule
// that may be empty is also passed by.
void GrammarStates::follow_returns() {
    while (!places_.empty() && made_work_ <= kStateWorkMax) {
        const Item place = places_.back();
        places_.pop_back();
        const GrammarSymbol symbol = grammar_.symbols[place.position];
        switch (symbol.kind) {
            case Kind::kBytes:
            case Kind::kToken: made_.items.push_back(place); break;
            case Kind::kCall: {
                const GrammarRule& rule = grammar_.rules[symbol.value];
                if (rule.is_nullable) add_place(place.position + 1, place.frame);
                add_call(symbol.value, rule.min, rule.max, place.position + 1, place.frame);
                break;
            }
            case Kind::kEnd:
                for (const ReturnEdge& edge : stacks_.edges_of(place.frame))
                    add_place(edge.position, edge.frame);
                break;
            case Kind::kRepeatEnd: end_round(symbol.value, place.frame); break;
            case Kind::kAccept: made_.accepts = true; break;
            case Kind::kUnknown: made_.may_leave = true; break;
        }
    }
}

void GrammarStates::end_round(uint32_t rule, uint32_t frame) {
    const StackFrame counters = stacks_.frame(frame);
    const uint32_t needed = counted_down(counters.needed);
    const uint32_t remaining = counted_down(counters.remaining);
    if (needed == 0) {
        for (const ReturnEdge& edge : stacks_.edges_of(frame)) add_place(edge.position, edge.frame);
    }
    if (remaining == 0) return;
    // The next round returns to where this one would have.
    for (const ReturnEdge& edge : stacks_.edges_of(frame)) {
        calls_.push_back({(uint64_t{grammar_.rules[rule].rank} << 32) | rule,
                          (uint64_t{needed} << 32) | remaining, edge});
        std::push_heap(calls_.begin(), calls_.end());
        ++made_work_;
    }
}

// A call after which `next_position` of `frame` follows.
void GrammarStates::add_call(uint32_t rule, uint32_t needed, uint32_t remaining,
                             uint32_t next_position, uint32_t frame) {
    const GrammarRule& callee = grammar_.rules[rule];
    if (callee.is_repeat && remaining == 0) return;
    const uint64_t counters = callee.is_repeat ? (uint64_t{needed} << 32) | remaining : uint64_t{0};
    const uint64_t order = (uint64_t{callee.rank} << 32) | rule;
    if (grammar_.symbols[next_position].kind != Kind::kEnd) {
        calls_.push_back({order, counters, {next_position, frame}});
        std::push_heap(calls_.begin(), calls_.end());
        ++made_work_;
        return;
    }
    for (const ReturnEdge& edge : stacks_.edges_of(frame)) {
        calls_.push_back({order, counters, edge});
        std::push_heap(calls_.begin(), calls_.end());
        ++made_work_;
    }
}

void GrammarStates::enter_rules() {
    std::vector<ReturnEdge> edges;
    while (!calls_.empty() && made_work_ <= kStateWorkMax) {
        const uint64_t order = calls_.front().rank_and_rule;
        const uint64_t counters = calls_.front().counters;
        edges.clear();
        while (!calls_.empty() && calls_.front().rank_and_rule == order &&
               calls_.front().counters == counters) {
            edges.push_back(calls_.front().edge);
            std::pop_heap(calls_.begin(), calls_.end());
            calls_.pop_back();
        }
        sort_unique(edges);
        const uint32_t frame =
            stacks_.add_frame({stacks_.add_edge_list(edges), static_cast<uint32_t>(counters >> 32),
                               static_cast<uint32_t>(counters)});
        enter_rule(static_cast<uint32_t>(order), frame);
    }
}

void GrammarStates::enter_rule(uint32_t rule_id, uint32_t frame) {
    const GrammarRule& rule = grammar_.rules[rule_id];
    if (rule.is_repeat) made_.rounds.push_back({rule_id, stacks_.frame(frame).remaining});
    for (uint32_t a = rule.alternatives_begin; a < rule.alternatives_end; ++a) {
        uint32_t position = grammar_.alternatives[a];
        while (true) {
            ++made_work_;
            const GrammarSymbol symbol = grammar_.symbols[position];
            if (symbol.kind == Kind::kBytes || symbol.kind == Kind::kToken) {
                made_.items.push_back({position, frame});
                break;
            }
            if (symbol.kind != Kind::kCall) break;
            const GrammarRule& callee = grammar_.rules[symbol.value];
            add_call(symbol.value, callee.min, callee.max, position + 1, frame);
            // A round of a repetition that reads nothing is no round.
            if (!callee.is_nullable || rule.is_repeat) break;
            ++position;
        }
    }
}

uint32_t GrammarStates::intern(State state) {
    uint64_t hash = (state.accepts ? 1u : 0u) + (state.may_leave ? 2u : 0u);
    for (const Item& item : state.items)
        hash = mix_hash(hash, (uint64_t{item.position} << 32) | item.frame);
    const auto next = static_cast<uint32_t>(states_.size());
    const uint32_t id = table_.find_or_add(hash, next, [&](uint32_t other) {
        const State& known = states_[other];
        return known.accepts == state.accepts && known.may_leave == state.may_leave &&
               known.items == state.items;
    });
    if (id != next) return id;
    item_bytes_ += state.items.size() * sizeof(Item) + state.rounds.size() * sizeof(Round);
    states_.push_back(std::move(state));
    transitions_.resize(transitions_.size() + grammar_.byte_class_count,
                        id == kDead ? kDead : kNotMade);
    return id;
}

uint32_t GrammarStates::map_frames(uint32_t id, uint32_t parameter,
                                   uint32_t (StackGraph::*map)(uint32_t, uint32_t)) {
    if (id <= kTooAmbiguous) return id;
    State mapped = states_[id];
    for (Item& item : mapped.items) item.frame = (stacks_.*map)(item.frame, parameter);
    sort_unique(mapped.items);
    return intern(std::move(mapped));
}

uint32_t GrammarStates::without_far_counters(uint32_t state, uint32_t bytes) {
    if (!grammar_.has_counters) return state;
    return map_frames(state, bytes, &StackGraph::without_far_counters);
}

uint32_t GrammarStates::top_of(uint32_t state, uint32_t depth) {
    return map_frames(state, depth, &StackGraph::top_of);
}

void GrammarStates::forget_all_but(std::vector<uint32_t>& live) {
    StackGraph old_stacks = std::move(stacks_);
    const std::deque<State> old_states = std::move(states_);
    reset();
    // Frames that live states reach. A frame is made after those it returns to, so its id is
    // higher.
    std::vector<bool> reached(old_stacks.frame_count(), false);
    for (const uint32_t id : live) {
        for (const Item& item : old_states[id].items) reached[item.frame] = true;
    }
    for (size_t id = old_stacks.frame_count(); id-- > 0;) {
        if (!reached[id]) continue;
        for (const ReturnEdge& edge : old_stacks.edges_of(static_cast<uint32_t>(id)))
            reached[edge.frame] = true;
    }
    std::vector<uint32_t> moved(old_stacks.frame_count(), StackGraph::kBottom);
    std::vector<ReturnEdge> edges;
    for (size_t id = 1; id < old_stacks.frame_count(); ++id) {
        if (!reached[id]) continue;
        const auto old_id = static_cast<uint32_t>(id);
        edges.assign(old_stacks.edges_of(old_id).begin(), old_stacks.edges_of(old_id).end());
        for (ReturnEdge& edge : edges) edge.frame = moved[edge.frame];
        sort_unique(edges);
        const StackFrame& frame = old_stacks.frame(old_id);
        moved[id] =
            stacks_.add_frame({stacks_.add_edge_list(edges), frame.needed, frame.remaining});
    }
    for (uint32_t& id : live) {
        if (id <= kTooAmbiguous) continue;
        State state = old_states[id];
        for (Item& item : state.items) item.frame = moved[item.frame];
        sort_unique(state.items);
        id = intern(std::move(state));
    }
}

}  // namespace facet
