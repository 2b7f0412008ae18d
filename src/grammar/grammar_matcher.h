// Holds one reply to a grammar: which tokens may come next, and whether it may end here.
//
// GrammarAutomaton owns a grammar's states and masks and is shared by all replies to that grammar,
// so that what one has computed serves the next; its memory is bounded. GrammarMatcher is one
// reply: a few words, cheap to copy, and a copy is how a reply branches or goes back. An automaton
// and its matchers belong to one thread at a time. Must not know: models, sampling, where grammars
// come from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/grammar_states.h"
#include "grammar/grammar_vocabulary.h"
#include "grammar/token_masks.h"

namespace facet {

// What states and masks of one automaton may take before those that no reply is in are forgotten.
inline constexpr size_t kAutomatonBytesMax = 64u << 20;

class GrammarAutomaton {
  public:
    // Errors: the grammar names a token that the vocabulary does not have.
    static Result<std::shared_ptr<GrammarAutomaton>> create(
        Grammar grammar, std::shared_ptr<const GrammarVocabulary> vocabulary,
        size_t bytes_max = kAutomatonBytesMax);
    GrammarAutomaton(const GrammarAutomaton&) = delete;
    GrammarAutomaton& operator=(const GrammarAutomaton&) = delete;

    const GrammarVocabulary& vocabulary() const { return *vocabulary_; }
    size_t bytes() const { return states_.bytes() + masks_.bytes(); }

  private:
    friend class GrammarMatcher;
    GrammarAutomaton(Grammar grammar, std::shared_ptr<const GrammarVocabulary> vocabulary,
                     size_t bytes_max);
    size_t add_reply(uint32_t state);
    void remove_reply(size_t slot);
    // Keeps within the memory limit. Errors: the replies alone take more.
    Status tidy();

    Grammar grammar_;
    std::shared_ptr<const GrammarVocabulary> vocabulary_;
    size_t bytes_max_;
    GrammarStates states_;
    TokenMasks masks_;
    std::vector<uint32_t> replies_;  // the state of each matcher
    std::vector<size_t> free_slots_;
};

class GrammarMatcher {
  public:
    explicit GrammarMatcher(std::shared_ptr<GrammarAutomaton> automaton);
    GrammarMatcher(const GrammarMatcher& other);
    GrammarMatcher& operator=(const GrammarMatcher& other);
    ~GrammarMatcher();

    // Takes a token into the reply. False, and nothing changed, if the grammar does not allow it;
    // an end token is allowed where the reply is complete, and changes nothing. Errors: memory or
    // ambiguity beyond the limits; the reply is then as before.
    Result<bool> accept(int32_t id);
    // The same for text that no token boundaries are known of.
    Result<bool> accept_text(std::string_view text);

    // Sets the bit of each token that may come next, end tokens included, and clears all others.
    //   bits  [(vocabulary size + 31) / 32] overwritten; bit i of word w is id 32 w + i
    // Errors: as accept().
    Status mask(std::span<uint32_t> bits);

    // The reply so far matches the whole grammar.
    bool is_complete() const;
    // Nothing but an end may follow.
    bool is_finished() const;
    // The text that has to come next whatever the model says, at most `bytes_max` bytes: where
    // there is no choice of bytes, no end and no token.
    std::string forced_text(size_t bytes_max);
    void reset();
    const GrammarVocabulary& vocabulary() const { return automaton_->vocabulary(); }

  private:
    uint32_t state() const { return automaton_->replies_[slot_]; }

    std::shared_ptr<GrammarAutomaton> automaton_;
    size_t slot_;
};

}  // namespace facet
