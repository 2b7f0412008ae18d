// Byte-pair encoding: cut the text where no merge reaches across, merge each span with a heap.
//
// The two ideas. First, a merge joins two symbols at a border between two characters; a border
// between characters that no merge in the list has at its border is never crossed, so the text may
// be cut there with identical results. On the real list that cuts before nearly every word, at
// newlines, and between most ideographs, so spans are short whatever the text; what remains joined
// (a run of one letter) may be millions of characters long. Second, a span is an array of cells,
// one a character; a symbol is a run of cells that keeps its length in its first and last cell, as
// allocators tag their blocks, so both neighbours are found without links. A heap yields the pair
// of lowest rank, the leftmost among equals; entries whose pair has changed since are skipped.
// Source: gemma4-chat 1.1 to 1.3, 1.6.
#include "text/tokenizer.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"
#include "base/utf8.h"

namespace facet {

namespace {

// A slot of pairs_, and with a position in place of the ids an entry of the heap. The rank comes
// first in a heap entry, so that comparing words compares rank, then position.
constexpr int kIdBits = 20;
constexpr int kRankBits = 22;
constexpr int kLengthBits = 32 - kIdBits;
constexpr int kPositionBits = 64 - kRankBits;
constexpr uint32_t kIdMask = (1u << kIdBits) - 1;
constexpr uint32_t kLengthMask = (1u << kLengthBits) - 1;
constexpr uint64_t kRankMask = (uint64_t{1} << kRankBits) - 1;
constexpr uint64_t kEmptySlot = ~uint64_t{0};

// Two values above all ranks. kNoMerge: the pair does not merge, but some merge crosses a border
// between these two characters. kNoCrossing: none does.
constexpr uint32_t kNoMerge = kRankMask - 1;
constexpr uint32_t kNoCrossing = kRankMask;

static_assert(kVocabularySizeMax <= uint64_t{1} << kIdBits);
static_assert(kMergeCountMax < kNoMerge);
static_assert(kTokenBytesMax < uint64_t{1} << kLengthBits);
static_assert(2 * kIdBits + kRankBits < 64, "a used slot never equals kEmptySlot");

uint64_t pair_key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << kIdBits | static_cast<uint32_t>(right);
}

// Fibonacci hashing; the high half of the product is mixed best.
size_t pair_hash(uint64_t key) { return static_cast<size_t>((key * 0x9e3779b97f4a7c15) >> 32); }

char32_t first_character(std::string_view token) { return decode_utf8(token).code_point; }

char32_t last_character(std::string_view token) {
    size_t begin = token.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(token[begin]) & 0xc0) == 0x80) --begin;
    return decode_utf8(token.substr(begin)).code_point;
}

}  // namespace

// A cell of a span. In the first cell of a symbol all members hold; in its last cell `length` does;
// what lies between is stale, except that `rank` is kNoMerge there, which makes heap entries of
// swallowed symbols stale too.
struct Tokenizer::Symbol {
    uint32_t id : kIdBits;
    uint32_t length : kLengthBits;  // in cells; every symbol is an entry, so at most kTokenBytesMax
    uint32_t rank;                  // of this symbol and the next

    static Symbol of(int32_t id, size_t length) {
        return {static_cast<uint32_t>(id) & kIdMask, static_cast<uint32_t>(length) & kLengthMask,
                kNoMerge};
    }
};

struct Tokenizer::Scratch {
    std::vector<Symbol> span;
    std::vector<uint64_t> heap;  // rank << kPositionBits | position; smallest on top

    void push(size_t position) {
        if (span[position].rank >= kNoMerge) return;
        heap.push_back(uint64_t{span[position].rank} << kPositionBits | position);
        std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    uint64_t pop() {
        std::pop_heap(heap.begin(), heap.end(), std::greater<>());
        const uint64_t entry = heap.back();
        heap.pop_back();
        return entry;
    }
};

Tokenizer::Tokenizer(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {
    for (int32_t id = 0; id < vocabulary.size(); ++id) {
        const std::string_view token = vocabulary.token(id);
        if (token.empty() || token.size() > 4) continue;
        const Utf8Character character = decode_utf8(token);
        if (character.bytes != token.size()) continue;
        if (character.code_point >= character_ids_.size()) {
            character_ids_.resize(character.code_point + 1, -1);
        }
        if (character_ids_[character.code_point] < 0) character_ids_[character.code_point] = id;
    }
    // Room for the merges and, at most as many, the borders that are no merges themselves.
    pairs_.assign(std::bit_ceil(2 * vocabulary.merges().size() + 2), kEmptySlot);
    for (uint32_t rank = 0; rank < vocabulary.merges().size(); ++rank) {
        const Vocabulary::Merge& merge = vocabulary.merges()[rank];
        add_pair(merge.left, merge.right, rank);
    }
    add_borders();
}

void Tokenizer::add_borders() {
    for (const Vocabulary::Merge& merge : vocabulary_.merges()) {
        const int32_t left = character_id(last_character(vocabulary_.token(merge.left)));
        const int32_t right = character_id(first_character(vocabulary_.token(merge.right)));
        // Else a part holds a character outside the vocabulary, and the merge never happens.
        if (left >= 0 && right >= 0) add_pair(left, right, kNoMerge);
    }
}

void Tokenizer::add_pair(int32_t left, int32_t right, uint32_t rank) {
    const uint64_t key = pair_key(left, right);
    const size_t mask = pairs_.size() - 1;
    size_t slot = pair_hash(key) & mask;
    for (; pairs_[slot] != kEmptySlot; slot = (slot + 1) & mask) {
        if (pairs_[slot] >> kRankBits == key) return;  // of a repeated merge the first counts
    }
    pairs_[slot] = key << kRankBits | rank;
}

uint32_t Tokenizer::pair_rank(int32_t left, int32_t right) const {
    const uint64_t key = pair_key(left, right);
    const size_t mask = pairs_.size() - 1;
    for (size_t slot = pair_hash(key) & mask;; slot = (slot + 1) & mask) {
        const uint64_t pair = pairs_[slot];
        if (pair >> kRankBits == key) return static_cast<uint32_t>(pair & kRankMask);
        if (pair == kEmptySlot) return kNoCrossing;
    }
}

int32_t Tokenizer::character_id(char32_t code_point) const {
    return code_point < character_ids_.size() ? character_ids_[code_point] : -1;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
    std::vector<int32_t> ids;
    encode(text, parse_special, ids);
    return ids;
}

void Tokenizer::encode(std::string_view text, bool parse_special, std::vector<int32_t>& ids) const {
    Scratch scratch;
    if (parse_special) {
        encode_with_specials(text, scratch, ids);
    } else {
        encode_plain(text, scratch, ids);
    }
}

std::vector<int32_t> Tokenizer::encode(std::span<const Piece> pieces) const {
    Scratch scratch;
    std::vector<int32_t> ids;
    std::string text;
    for (const Piece& piece : pieces) {
        if (piece.special_id < 0) {
            text += piece.text;
            continue;
        }
        encode_plain(text, scratch, ids);
        text.clear();
        ids.push_back(piece.special_id);
    }
    encode_plain(text, scratch, ids);
    return ids;
}

void Tokenizer::encode_with_specials(std::string_view text, Scratch& scratch,
                                     std::vector<int32_t>& ids) const {
    // Every special string is a '<', then no further '<' or '>', then a '>' (a test holds them to
    // it): at most one string can match at a place, and the next '>' ends it.
    constexpr size_t kSpecialBytesMax = 16;
    size_t plain_begin = 0;
    for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
        const std::string_view rest = text.substr(at, kSpecialBytesMax);
        const size_t end = rest.find('>');
        if (end == std::string_view::npos) continue;
        const int32_t id = vocabulary_.find(rest.substr(0, end + 1));
        if (id < 0 || vocabulary_.special_of(id) < 0) continue;
        encode_plain(text.substr(plain_begin, at - plain_begin), scratch, ids);
        ids.push_back(id);
        plain_begin = at + end + 1;
    }
    encode_plain(text.substr(plain_begin), scratch, ids);
}

void Tokenizer::encode_plain(std::string_view text, Scratch& scratch,
                             std::vector<int32_t>& ids) const {
    std::vector<Symbol>& span = scratch.span;
    while (!text.empty()) {
        Utf8Character character = decode_utf8(text);
        const std::string_view bytes =
            character.valid ? text.substr(0, character.bytes) : kReplacementCharacter;
        text.remove_prefix(character.bytes);
        if (!character.valid) character.code_point = 0xfffd;
        if (character.code_point == ' ') character.code_point = kSpaceSymbol;
        const int32_t id = character_id(character.code_point);
        if (id < 0) {
            merge_span(scratch, ids);
            for (const char byte : bytes) {
                ids.push_back(vocabulary_.byte_token(static_cast<uint8_t>(byte)));
            }
            continue;
        }
        if (!span.empty()) {
            const uint32_t rank = pair_rank(span.back().id, id);
            span.back().rank = rank;
            if (rank == kNoCrossing) merge_span(scratch, ids);
        }
        span.push_back(Symbol::of(id, 1));
    }
    merge_span(scratch, ids);
}

// Merges the span to the end, appends its ids and leaves it empty.
void Tokenizer::merge_span(Scratch& scratch, std::vector<int32_t>& ids) const {
    std::vector<Symbol>& span = scratch.span;
    for (size_t position = 0; position < span.size(); ++position) scratch.push(position);
    while (!scratch.heap.empty()) {
        const uint64_t entry = scratch.pop();
        const size_t position = entry & ((uint64_t{1} << kPositionBits) - 1);
        if (span[position].rank == entry >> kPositionBits) merge_at(position, scratch);
    }
    for (size_t position = 0; position < span.size(); position += span[position].length) {
        ids.push_back(span[position].id);
    }
    span.clear();
}

// Merges the symbol at `position` with its right neighbour; the two new pairs go to the heap.
void Tokenizer::merge_at(size_t position, Scratch& scratch) const {
    std::vector<Symbol>& span = scratch.span;
    Symbol& swallowed = span[position + span[position].length];
    const size_t next = position + span[position].length + swallowed.length;
    const int32_t id = vocabulary_.merges()[span[position].rank].result;
    swallowed.rank = kNoMerge;
    span[position] = Symbol::of(id, next - position);
    span[next - 1].length = span[position].length;
    if (next < span.size()) {
        span[position].rank = pair_rank(id, span[next].id);
        scratch.push(position);
    }
    if (position > 0) {
        const size_t previous = position - span[position - 1].length;
        span[previous].rank = pair_rank(span[previous].id, id);
        scratch.push(previous);
    }
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool show_special) const {
    std::string text;
    std::string bytes;  // the current run of byte tokens
    const auto flush = [&] {
        if (replace_invalid_utf8(bytes) == bytes) {
            text += bytes;
        } else {
            for (size_t i = 0; i < bytes.size(); ++i) text += kReplacementCharacter;
        }
        bytes.clear();
    };
    for (const int32_t id : ids) {
        FACET_DCHECK(id >= 0 && id < vocabulary_.size());
        // A hidden special is gone before runs are formed; a shown one ends a run.
        if (!show_special && vocabulary_.special_of(id) >= 0) continue;
        if (const int byte = vocabulary_.byte_of(id); byte >= 0) {
            bytes.push_back(static_cast<char>(byte));
            continue;
        }
        flush();
        vocabulary_.append_text(id, text);
    }
    flush();
    return text;
}

}  // namespace facet
