// The 262,144 entries of Gemma 4's vocabulary as a file holds them, and the 24 special tokens found
// by their text.
//
// Owns: token strings, merges, the special tokens. A demo model has a subset with other ids, so
// nothing here or above may know an id by number. The file's own opinion of token types is ignored
// (docs: gemma4-chat 1.5). Must not know: weights, HTTP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/gguf.h"

namespace facet {

// The special tokens, in the order of their ids in the published files.
enum class Special : uint8_t {
    kPad,                // <pad>
    kEos,                // <eos>
    kBos,                // <bos>
    kUnk,                // <unk>
    kMask,               // <mask>
    kToolBegin,          // <|tool>
    kToolEnd,            // <tool|>
    kToolCallBegin,      // <|tool_call>
    kToolCallEnd,        // <tool_call|>
    kToolResponseBegin,  // <|tool_response>
    kToolResponseEnd,    // <tool_response|>
    kQuote,              // <|"|>
    kThink,              // <|think|>
    kChannelBegin,       // <|channel>
    kChannelEnd,         // <channel|>
    kTurnBegin,          // <|turn>
    kTurnEnd,            // <turn|>
    kImageBegin,         // <|image>
    kAudioBegin,         // <|audio>
    kImage,              // <|image|>
    kAudio,              // <|audio|>
    kImageEnd,           // <image|>
    kAudioEnd,           // <audio|>
    kVideo,              // <|video|>
};
inline constexpr size_t kSpecialCount = 24;
// From here on: tokens of pictures, sound and video, which a file for text only may do without.
inline constexpr Special kFirstMediaSpecial = Special::kImageBegin;

std::string_view special_text(Special special);

// Limits of what we accept from a file; the published files have 262,144 entries, 514,906 merges
// and at most 93 bytes.
inline constexpr size_t kVocabularySizeMax = 1u << 20;
inline constexpr size_t kMergeCountMax = 1u << 21;
inline constexpr size_t kTokenBytesMax = 1u << 10;

// What a space is inside the vocabulary: U+2581.
inline constexpr char32_t kSpaceSymbol = 0x2581;
inline constexpr std::string_view kSpaceSymbolText = "\xe2\x96\x81";

class Vocabulary {
  public:
    // Reads tokenizer.ggml.tokens and .merges. Strings are copied, so the file may go.
    // Errors: missing keys, another family's tokenizer, a special or byte token missing, a special
    // twice, an entry that is no UTF-8, too many or too long entries, a merge whose parts or result
    // are no tokens or that would make a special or byte token out of text.
    static Result<Vocabulary> from_gguf(const GgufFile& file);

    // Entries are views into the text, which moves with the vocabulary but would not follow a copy.
    Vocabulary(Vocabulary&&) = default;
    Vocabulary& operator=(Vocabulary&&) = default;

    int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
    // The entry as stored: U+2581 for spaces, "<0x0A>" for a byte token.
    std::string_view token(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }
    // -1 for a media token that the file does without.
    int32_t id_of(Special special) const { return specials_[static_cast<size_t>(special)]; }
    // The special token with this id, or -1 as no special. (Cast to Special when >= 0.)
    int special_of(int32_t id) const { return special_of_[static_cast<size_t>(id)]; }
    // The byte of a byte token <0x00>..<0xFF>, or -1.
    int byte_of(int32_t id) const { return byte_of_[static_cast<size_t>(id)]; }
    int32_t byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
    // Appends what the entry means as text: U+2581 becomes a space. (A byte token's text is its
    // stored one.)
    void append_text(int32_t id, std::string& out) const;
    // Appends the bytes that the entry stands for in output: nothing for special and unused ones.
    void append_bytes(int32_t id, std::string& out) const;
    // These of all ids.
    std::vector<std::string> output_bytes() const;
    // Exact look-up of an entry's stored text; -1 if absent, the first if a file repeats one.
    int32_t find(std::string_view token) const;
    // <unusedN> entries: never legitimate output.
    bool is_unused(int32_t id) const;

    struct Merge {
        int32_t left, right, result;
    };
    // In rank order: the first is applied first.
    const std::vector<Merge>& merges() const { return merges_; }

  private:
    Vocabulary() = default;
    Status read_tokens(const GgufFile& file);
    void build_find_table();
    Status find_specials(const GgufFile& file);
    Status find_byte_tokens(const GgufFile& file);
    Status read_merges(const GgufFile& file);

    std::vector<std::string_view> tokens_;  // into text_
    std::vector<char> text_;                // a vector: moving it never moves the characters
    std::vector<int32_t> specials_;
    std::vector<int8_t> special_of_;
    std::vector<int16_t> byte_of_;
    std::vector<int32_t> byte_tokens_;
    std::vector<Merge> merges_;
    std::vector<int32_t> find_table_;  // open addressing over token text, id + 1
};

}  // namespace facet
