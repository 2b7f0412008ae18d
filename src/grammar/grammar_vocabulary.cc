#include "grammar/grammar_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace facet {

namespace {

// Characters that grammars tell apart more often than others have a kind of their own.
constexpr std::string_view kAlone = "_-. \n\"\\/:,{}[]+@'";

}  // namespace

CharacterKinds ascii_kind(uint8_t character) {
    const char c = static_cast<char>(character);
    if (c >= '0' && c <= '9') return 1u << 0;
    if (c >= 'a' && c <= 'f') return 1u << 1;
    if (c >= 'g' && c <= 'z') return 1u << 2;
    if (c >= 'A' && c <= 'F') return 1u << 3;
    if (c >= 'G' && c <= 'Z') return 1u << 4;
    if (const size_t at = kAlone.find(c); at != std::string_view::npos) return 1u << (5 + at);
    static_assert(5 + kAlone.size() == 22);
    if (c == '\t' || c == '\r') return 1u << 22;
    if (character < 0x20) return 1u << 23;
    if (character == 0x7f) return 1u << 24;
    if (c == '(' || c == ')' || c == '<' || c == '>') return 1u << 25;
    return 1u << 26;
}

Result<GrammarVocabulary> GrammarVocabulary::create(std::vector<std::string> texts,
                                                    std::vector<int32_t> end_ids) {
    if (texts.size() > kGrammarTokensMax)
        return invalid_input(fmt::format("a vocabulary of {} tokens, expected at most {}",
                                         texts.size(), kGrammarTokensMax));
    for (const std::string& text : texts) {
        if (text.size() > kGrammarTokenBytesMax)
            return invalid_input(fmt::format("a token of {} bytes, expected at most {}",
                                             text.size(), kGrammarTokenBytesMax));
    }
    for (const int32_t id : end_ids) {
        if (id < 0 || static_cast<size_t>(id) >= texts.size())
            return invalid_input(
                fmt::format("end token {} of a vocabulary of {} tokens", id, texts.size()));
    }
    GrammarVocabulary vocabulary;
    vocabulary.texts_ = std::move(texts);
    vocabulary.end_ids_ = std::move(end_ids);
    std::sort(vocabulary.end_ids_.begin(), vocabulary.end_ids_.end());
    // Whatever an end token's text is, it ends the reply.
    for (const int32_t id : vocabulary.end_ids_) vocabulary.texts_[static_cast<size_t>(id)].clear();
    vocabulary.build_tree();
    return vocabulary;
}

bool GrammarVocabulary::is_end(int32_t id) const {
    return std::binary_search(end_ids_.begin(), end_ids_.end(), id);
}

void GrammarVocabulary::build_tree() {
    kinds_.assign(texts_.size(), kBrokenKind);
    characters_.assign(texts_.size() + 1, 0);  // never empty
    for (size_t id = 0; id < texts_.size(); ++id) {
        if (!texts_[id].empty()) ordered_ids_.push_back(static_cast<int32_t>(id));
        longest_ = std::max(longest_, texts_[id].size());
    }
    std::sort(ordered_ids_.begin(), ordered_ids_.end(), [&](int32_t a, int32_t b) {
        const int order = text(a).compare(text(b));
        return order != 0 ? order < 0 : a < b;
    });
    std::vector<size_t> path;  // nodes from the root to the last token's
    const auto close = [&](size_t depth, size_t token) {
        for (; path.size() > depth; path.pop_back()) {
            nodes_[path.back()].subtree_end = static_cast<uint32_t>(nodes_.size());
            nodes_[path.back()].tokens_end = static_cast<uint32_t>(token);
        }
    };
    for (size_t token = 0; token < ordered_ids_.size(); ++token) {
        const std::string_view bytes = text(ordered_ids_[token]);
        size_t shared = 0;
        while (shared < path.size() && shared < bytes.size() &&
               nodes_[path[shared]].byte == static_cast<uint8_t>(bytes[shared]))
            ++shared;
        close(shared, token);
        while (path.size() < bytes.size()) {
            Node node;
            node.tokens_begin = static_cast<uint32_t>(token);
            node.depth = static_cast<uint16_t>(path.size() + 1);
            node.byte = static_cast<uint8_t>(bytes[path.size()]);
            path.push_back(nodes_.size());
            nodes_.push_back(node);
        }
        ++nodes_[path.back()].own_tokens;
        note_characters(ordered_ids_[token], path);
        if (bytes.size() > kShortTokenBytes) long_tokens_.push_back(static_cast<uint32_t>(token));
    }
    close(0, ordered_ids_.size());
    count_characters();
}

// From the end to the start: what follows each byte is known when it is reached.
void GrammarVocabulary::note_characters(int32_t id, const std::vector<size_t>& path) {
    const std::string_view bytes = text(id);
    CharacterKinds kinds = 0;
    uint16_t characters = 0;
    size_t boundary = bytes.size();  // of the characters looked at so far
    for (size_t at = bytes.size(); at > 0; --at) {
        Node& node = nodes_[path[at - 1]];
        node.kinds_below |= at == boundary ? kinds : kBrokenKind;
        node.characters_below = std::max(node.characters_below, characters);
        if (at != boundary) continue;
        size_t begin = at - 1;
        while (begin > 0 && at - begin < 4 && (static_cast<uint8_t>(bytes[begin]) & 0xc0) == 0x80)
            --begin;
        const Utf8Character character = decode_utf8(bytes.substr(begin, at - begin));
        const bool is_whole = character.valid && begin + character.bytes == at;
        if (!is_whole) {
            kinds |= kBrokenKind;
        } else if (character.code_point < 0x80) {
            kinds |= ascii_kind(static_cast<uint8_t>(character.code_point));
        } else {
            kinds |= kNonAsciiKind;
        }
        boundary = is_whole ? begin : at - 1;
        ++characters;
    }
    kinds_[static_cast<size_t>(id)] = kinds;
    characters_[static_cast<size_t>(id)] = characters;
    CharacterKinds above = 0;
    for (size_t at = 0; at < bytes.size();) {
        const Utf8Character character = decode_utf8(bytes.substr(at));
        for (size_t i = 0; i + 1 < character.bytes; ++i)
            nodes_[path[at + i]].kinds_above = above | kBrokenKind;
        at += character.bytes;
        if (!character.valid) {
            above |= kBrokenKind;
        } else if (character.code_point < 0x80) {
            above |= ascii_kind(static_cast<uint8_t>(character.code_point));
        } else {
            above |= kNonAsciiKind;
        }
        nodes_[path[at - 1]].kinds_above = above;
    }
}

void GrammarVocabulary::count_characters() {
    const size_t most = *std::max_element(characters_.begin(), characters_.end());
    up_to_.assign(most + 1, std::vector<uint32_t>(mask_words(), 0));
    for (const int32_t id : ordered_ids_) {
        const auto at = static_cast<size_t>(id);
        up_to_[characters_[at]][at / 32] |= 1u << (at % 32);
    }
    for (size_t count = 1; count <= most; ++count) {
        for (size_t word = 0; word < mask_words(); ++word)
            up_to_[count][word] |= up_to_[count - 1][word];
    }
}

const std::vector<uint32_t>& GrammarVocabulary::tokens_up_to(size_t count) const {
    return up_to_[std::min(count, up_to_.size() - 1)];
}

std::shared_ptr<const std::vector<uint32_t>> GrammarVocabulary::tokens_of(
    CharacterKinds kinds) const {
    // Grammars ask for a handful of different ones; a hostile one must not fill the memory.
    constexpr size_t kBitmapsMax = 64;
    const std::lock_guard lock(cache_->mutex);
    if (cache_->bitmaps.size() >= kBitmapsMax) cache_->bitmaps.clear();
    auto& bitmap = cache_->bitmaps[kinds];
    if (bitmap != nullptr) return bitmap;
    std::vector<uint32_t> bits(mask_words(), 0);
    for (size_t id = 0; id < kinds_.size(); ++id)
        bits[id / 32] |= ((kinds_[id] & ~kinds) == 0 ? 1u : 0u) << (id % 32);
    bitmap = std::make_shared<const std::vector<uint32_t>>(std::move(bits));
    return bitmap;
}

}  // namespace facet
