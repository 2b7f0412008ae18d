// Which tokens a state of a grammar allows.
//
// Owns: masks computed so far, of two kinds: what holds whatever the lower frames of the stacks are
// (shared by all places where, say, a string begins), and which of the tokens that this leaves open
// a state allows. Must not know: which state a reply is in.
//
// Source of the idea: XGrammar (Dong et al. 2024): most tokens are decided by the top of the stack.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "grammar/grammar_states.h"
#include "grammar/grammar_vocabulary.h"

namespace facet {

class TokenMasks {
  public:
    // Keeps references to both.
    TokenMasks(GrammarStates& states, const GrammarVocabulary& vocabulary);

    // Sets the bit of each allowed id and clears all others. Bit i of word w is id 32 w + i.
    //   bits  [vocabulary.mask_words()] overwritten
    // Errors: the state is too ambiguous to be looked at.
    Status fill(uint32_t state, std::span<uint32_t> bits);

    size_t bytes() const { return bytes_; }
    // Forgets everything; state ids may then have got other meanings.
    void clear();

  private:
    // A set of ids: a bitmap if that is smaller.
    struct IdSet {
        std::vector<uint32_t> bits;
        std::vector<int32_t> ids;
    };
    struct TopMask {
        IdSet allowed;
        std::vector<uint32_t> open;  // places in ordered_ids() of tokens that leave the known stack
    };
    struct Mask {
        const TopMask* top = nullptr;
        std::vector<int32_t> more;  // ids beyond those of `top`
        std::vector<int32_t> less;  // ids of `top` that are not allowed
    };

    Result<const Mask*> mask_of(uint32_t state);
    Result<const TopMask*> top_mask_of(uint32_t state);
    // Walks the vocabulary's tree from `state`.
    Status walk(uint32_t state, TopMask& mask);
    // Characters, and how many of them, of which all texts are allowed at the start of a walk.
    struct Whole {
        CharacterKinds kinds = 0;
        uint32_t characters = 0;
    };
    // Allows the tokens that a repetition that begins a round in `start` takes whole.
    Whole allow_whole_tokens(uint32_t start);
    // Whether all that can follow a node is taken by a repetition that begins a round in `state`.
    bool takes_all_below(uint32_t state, const GrammarVocabulary::Node& node);
    CharacterKinds kinds_of(uint32_t repeat_rule);
    bool takes_all_non_ascii(uint32_t start);
    Status check_open_tokens(uint32_t state, size_t bytes_max, Mask& mask);
    Status check_long_tokens(uint32_t state, Mask& mask);
    // Those of some tokens, by their places in ordered_ids(), that `state` allows.
    Result<std::vector<int32_t>> allowed_of(uint32_t state, std::span<const uint32_t> places);

    GrammarStates& states_;
    const GrammarVocabulary& vocabulary_;
    std::unordered_map<uint32_t, std::unique_ptr<TopMask>> top_masks_;
    std::unordered_map<uint32_t, std::unique_ptr<Mask>> masks_;
    // By rule: characters of which each is one round of a repetition; kBrokenKind where not known
    // yet.
    std::vector<CharacterKinds> round_kinds_;
    size_t bytes_ = 0;
    std::vector<uint32_t> allowed_;  // of the mask in the making
};

}  // namespace facet
