// Text to token ids: Gemma 4's byte-pair encoding, exact, O(n log n) on text of any length.
//
// Owns: the merge table, encode(), and whole-sequence decode(). Streaming decode is detokenizer.h.
// Thread-safe after construction. Source of the rules: gemma4-chat 1.1 to 1.3.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace facet {

// A stretch of a prompt: plain text, or one special token. User text is always a text piece, so
// that it can never become a special token whatever it contains.
struct Piece {
    int32_t special_id = -1;  // >= 0: this token, text is empty
    std::string text;
};

class Tokenizer {
  public:
    // Builds the tables from the vocabulary, which must outlive the tokenizer.
    explicit Tokenizer(const Vocabulary& vocabulary);

    const Vocabulary& vocabulary() const { return vocabulary_; }

    // Appends the ids of `text`. Time O(n log n), memory O(longest stretch that merges could join).
    // With parse_special, special strings in the text become special tokens (longest first, left to
    // right); without, all of it is plain. Invalid UTF-8 counts as U+FFFD.
    void encode(std::string_view text, bool parse_special, std::vector<int32_t>& ids) const;
    std::vector<int32_t> encode(std::string_view text, bool parse_special) const;
    // Adjacent text pieces are joined before encoding.
    std::vector<int32_t> encode(std::span<const Piece> pieces) const;

    // The text of a whole sequence, as Hugging Face decodes it: a run of byte tokens that is not
    // valid UTF-8 gives one U+FFFD a byte. Ids must be inside the vocabulary. show_special: special
    // tokens print their text, else nothing.
    std::string decode(std::span<const int32_t> ids, bool show_special) const;

  private:
    struct Symbol;
    struct Scratch;

    void add_pair(int32_t left, int32_t right, uint32_t rank);
    void add_borders();
    uint32_t pair_rank(int32_t left, int32_t right) const;
    int32_t character_id(char32_t code_point) const;
    void encode_with_specials(std::string_view text, Scratch& scratch,
                              std::vector<int32_t>& ids) const;
    void encode_plain(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const;
    void merge_span(Scratch& scratch, std::vector<int32_t>& ids) const;
    void merge_at(size_t position, Scratch& scratch) const;

    const Vocabulary& vocabulary_;
    // By code point: the entry that is this one character, or -1.
    std::vector<int32_t> character_ids_;
    // Open addressing: left id, right id and rank in one word.
    std::vector<uint64_t> pairs_;
};

}  // namespace facet
