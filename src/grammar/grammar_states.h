// A grammar as an automaton over bytes and tokens whose states are made when they are first met.
//
// Owns: states (all positions in the grammar that a text can have led to, each with its stack) and
// the transitions met so far. One state is one id, so a transition met before is a look-up. Must
// not know: vocabularies.
//
// Source of the idea: Earley's recognizer (1970): calls of the same rule at the same place are one.
// A rule's last call returns to the rule's own caller, so right recursion does not grow stacks.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/intern_table.h"
#include "grammar/stack_graph.h"

namespace facet {

// A state with more ways to go on than this, or whose making takes more steps, is refused: the
// grammar is hopelessly ambiguous.
inline constexpr size_t kStateItemsMax = 10'000;
inline constexpr size_t kStateWorkMax = 1'000'000;

class GrammarStates {
  public:
    // A place in a sequence whose next symbol is bytes or a token, and the frame of its rule.
    struct Item {
        uint32_t position = 0;
        uint32_t frame = 0;
        auto operator<=>(const Item&) const = default;
    };
    // A repetition of which this state begins a round.
    struct Round {
        uint32_t rule = 0;
        uint32_t remaining = 0;
    };
    struct State {
        std::vector<Item> items;
        std::vector<Round> rounds;
        bool accepts = false;    // the text so far matches
        bool may_leave = false;  // the text so far ends what is known of the stack
    };

    static constexpr uint32_t kDead = 0;          // no text goes on from here
    static constexpr uint32_t kTooAmbiguous = 1;  // refused, see above

    // Keeps a reference to the grammar.
    explicit GrammarStates(const Grammar& grammar);

    const Grammar& grammar() const { return grammar_; }
    const State& state(uint32_t id) const { return states_[id]; }
    uint32_t start() const { return start_; }
    // The state in which one occurrence of `symbol` is expected and then the end.
    uint32_t start_of(GrammarSymbol symbol);

    uint32_t step(uint32_t state, uint8_t byte) {
        const uint32_t next =
            transitions_[size_t{state} * grammar_.byte_class_count + grammar_.byte_class[byte]];
        return next != kNotMade ? next : make_step(state, byte);
    }
    uint32_t step_token(uint32_t state, uint32_t token_id);

    // The state as texts of fewer than `bytes` bytes see it.
    uint32_t without_far_counters(uint32_t state, uint32_t bytes);
    // The state with the upper `depth` frames of its stacks.
    uint32_t top_of(uint32_t state, uint32_t depth);

    // Memory that states and stacks hold.
    size_t bytes() const;
    // Steps of work done so far; a caller that takes the difference can bound what it asks for.
    uint64_t work() const { return work_; }
    // Forgets all states but `live`, whose ids it replaces.
    void forget_all_but(std::vector<uint32_t>& live);

  private:
    static constexpr uint32_t kNotMade = UINT32_MAX;
    // A call of a rule, ordered by rank so that callers come first.
    struct Call {
        uint64_t rank_and_rule;
        uint64_t counters;
        ReturnEdge edge;
        bool operator<(const Call& other) const;
    };

    void reset();
    uint32_t make_step(uint32_t state, uint8_t byte);
    uint32_t close();
    void add_place(uint32_t position, uint32_t frame);
    void follow_returns();
    void end_round(uint32_t rule, uint32_t frame);
    void add_call(uint32_t rule, uint32_t needed, uint32_t remaining, uint32_t next_position,
                  uint32_t frame);
    void enter_rules();
    void enter_rule(uint32_t rule, uint32_t frame);
    uint32_t intern(State state);
    uint32_t map_frames(uint32_t state, uint32_t parameter,
                        uint32_t (StackGraph::*map)(uint32_t, uint32_t));

    const Grammar& grammar_;
    StackGraph stacks_;
    std::deque<State> states_;           // whoever looks at one may cause others to be made
    std::vector<uint32_t> transitions_;  // [state, byte class]
    InternTable table_;
    uint32_t start_ = kDead;
    size_t item_bytes_ = 0;
    uint64_t work_ = 0;

    // Of the state in the making.
    State made_;
    std::vector<Item> places_;  // old frames, not followed yet
    std::vector<Item> seen_;    // a set, by hash; frame kNotMade marks a free slot
    size_t seen_count_ = 0;
    std::vector<Call> calls_;  // a heap
    size_t made_work_ = 0;
};

}  // namespace facet
