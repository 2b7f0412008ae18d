// A vocabulary as a grammar sees it: what bytes each token stands for, as a tree over their common
// beginnings.
//
// Owns: the tree, and what is known of its branches (which characters occur in them and how many),
// so that a mask can take or leave a whole branch. Made once for a model. Must not know: the
// tokenizer, grammars.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace facet {

inline constexpr size_t kGrammarTokensMax = 1u << 20;
inline constexpr size_t kGrammarTokenBytesMax = 1u << 10;
inline constexpr size_t kShortTokenBytes = 16;

// Kinds of characters as a set of bits: a state that takes all characters of some kinds takes whole
// branches of the tree.
using CharacterKinds = uint32_t;
inline constexpr CharacterKinds kNonAsciiKind = 1u << 30;  // any character beyond ASCII, complete
inline constexpr CharacterKinds kBrokenKind = 1u << 31;    // bytes that are no character
// Of an ASCII character.
CharacterKinds ascii_kind(uint8_t character);

class GrammarVocabulary {
  public:
    //   texts    the bytes of each id; empty for ids that never stand for text (special tokens)
    //   end_ids  tokens that end the reply, allowed where the grammar is complete
    // Errors: too many or too long tokens, an end id that is none.
    static Result<GrammarVocabulary> create(std::vector<std::string> texts,
                                            std::vector<int32_t> end_ids);

    // A node of the tree, in depth-first order: children follow their parent.
    struct Node {
        uint32_t subtree_end = 0;   // the node after this one's last descendant
        uint32_t tokens_begin = 0;  // into ordered_ids(): tokens of this node, then of descendants
        uint32_t tokens_end = 0;
        CharacterKinds kinds_below = 0;  // of what follows this node's byte in all tokens below it
        CharacterKinds kinds_above = 0;  // from the root through this node's byte
        uint16_t characters_below = 0;   // the most that follow it
        uint16_t depth = 0;              // bytes from the root, this one included
        uint16_t own_tokens = 0;
        uint8_t byte = 0;
    };

    size_t size() const { return texts_.size(); }
    std::string_view text(int32_t id) const { return texts_[static_cast<size_t>(id)]; }
    const std::vector<int32_t>& end_ids() const { return end_ids_; }
    bool is_end(int32_t id) const;
    const std::vector<Node>& nodes() const { return nodes_; }
    const std::vector<int32_t>& ordered_ids() const { return ordered_ids_; }
    size_t longest() const { return longest_; }  // bytes
    // Bitmaps of the tokens that consist of characters of these kinds, and of those that have at
    // most `count` characters. Any thread may ask.
    std::shared_ptr<const std::vector<uint32_t>> tokens_of(CharacterKinds kinds) const;
    const std::vector<uint32_t>& tokens_up_to(size_t count) const;
    // Places in ordered_ids() of the few tokens of more than kShortTokenBytes bytes.
    const std::vector<uint32_t>& long_tokens() const { return long_tokens_; }
    CharacterKinds kinds(int32_t id) const { return kinds_[static_cast<size_t>(id)]; }
    size_t characters(int32_t id) const { return characters_[static_cast<size_t>(id)]; }
    size_t mask_words() const { return (texts_.size() + 31) / 32; }

  private:
    GrammarVocabulary() = default;
    void build_tree();
    // Notes the characters before and after each node on the way to a token, and the token's own.
    void note_characters(int32_t id, const std::vector<size_t>& path);
    void count_characters();

    std::vector<std::string> texts_;
    std::vector<int32_t> end_ids_;
    std::vector<int32_t> ordered_ids_;  // by text
    std::vector<uint32_t> long_tokens_;
    std::vector<Node> nodes_;
    size_t longest_ = 0;
    std::vector<CharacterKinds> kinds_;         // by id; kBrokenKind for tokens of no text
    std::vector<uint16_t> characters_;          // by id
    std::vector<std::vector<uint32_t>> up_to_;  // by number of characters

    struct KindsCache {
        std::mutex mutex;
        std::map<CharacterKinds, std::shared_ptr<const std::vector<uint32_t>>> bitmaps;
    };
    std::unique_ptr<KindsCache> cache_ = std::make_unique<KindsCache>();
};

}  // namespace facet
