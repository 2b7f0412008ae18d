// Reads the vocabulary out of a GGUF file and checks everything that encoding and decoding later
// rely on.
//
// Strings become ids here, once: merges are stored as id triples, specials and byte tokens are
// found by their text. Must not know: how merges are applied (tokenizer.cc). Source:
// gemma4-chat 1.1, 1.4, 1.5.
#include "text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <optional>

#include "base/utf8.h"
#include "format/quoted_name.h"

namespace facet {

namespace {

constexpr std::string_view kModelKey = "tokenizer.ggml.model";
constexpr std::string_view kTokensKey = "tokenizer.ggml.tokens";
constexpr std::string_view kMergesKey = "tokenizer.ggml.merges";

constexpr std::array<std::string_view, kSpecialCount> kSpecialTexts = {
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<|tool>",
    "<tool|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "<tool_response|>",
    "<|\"|>",
    "<|think|>",
    "<|channel>",
    "<channel|>",
    "<|turn>",
    "<turn|>",
    "<|image>",
    "<|audio>",
    "<|image|>",
    "<|audio|>",
    "<image|>",
    "<audio|>",
    "<|video|>",
};

Status check_model_name(const GgufFile& file) {
    // Ollama writes "llama" for Gemma 4; so do files of other families, which the checks that
    // follow tell apart.
    const std::optional<std::string_view> model = FACET_TRY(file.string(kModelKey));
    if (!model || *model == "gemma4" || *model == "llama") return {};
    return unsupported(fmt::format("{}: {} is {}, expected \"gemma4\" or \"llama\"", file.path(),
                                   kModelKey, quoted_name(*model)));
}

Result<const std::vector<std::string_view>*> string_list(const GgufFile& file, std::string_view key,
                                                         size_t count_max) {
    const std::vector<std::string_view>* list = FACET_TRY(file.string_array(key));
    if (list == nullptr) {
        return unsupported(
            fmt::format("{}: {} is missing: the file has no Gemma 4 tokenizer", file.path(), key));
    }
    if (list->size() > count_max) {
        return invalid_input(fmt::format("{}: {} has {} entries, expected at most {}", file.path(),
                                         key, list->size(), count_max));
    }
    return list;
}

bool is_valid_utf8(std::string_view text) {
    while (!text.empty()) {
        if (static_cast<unsigned char>(text.front()) < 0x80) {
            text.remove_prefix(1);
            continue;
        }
        const Utf8Character character = decode_utf8(text);
        if (!character.valid) return false;
        text.remove_prefix(character.bytes);
    }
    return true;
}

}  // namespace

std::string_view special_text(Special special) {
    return kSpecialTexts[static_cast<size_t>(special)];
}

Result<Vocabulary> Vocabulary::from_gguf(const GgufFile& file) {
    Vocabulary vocabulary;
    FACET_TRY(check_model_name(file));
    FACET_TRY(vocabulary.read_tokens(file));
    vocabulary.build_find_table();
    FACET_TRY(vocabulary.find_specials(file));
    FACET_TRY(vocabulary.find_byte_tokens(file));
    FACET_TRY(vocabulary.read_merges(file));
    return vocabulary;
}

Status Vocabulary::read_tokens(const GgufFile& file) {
    const auto& stored = *FACET_TRY(string_list(file, kTokensKey, kVocabularySizeMax));
    size_t bytes = 0;
    for (size_t id = 0; id < stored.size(); ++id) {
        if (stored[id].size() > kTokenBytesMax) {
            return invalid_input(fmt::format("{}: {}[{}] has {} bytes, expected at most {}",
                                             file.path(), kTokensKey, id, stored[id].size(),
                                             kTokenBytesMax));
        }
        // The streaming detokenizer counts on it: only byte tokens hold part of a character.
        if (!is_valid_utf8(stored[id])) {
            return invalid_input(fmt::format("{}: {}[{}] is {}, expected valid UTF-8", file.path(),
                                             kTokensKey, id, quoted_name(stored[id])));
        }
        bytes += stored[id].size();
    }
    text_.reserve(bytes);
    tokens_.reserve(stored.size());
    for (const std::string_view token : stored) {
        const size_t begin = text_.size();
        text_.insert(text_.end(), token.begin(), token.end());
        tokens_.emplace_back(text_.data() + begin, token.size());
    }
    return {};
}

void Vocabulary::build_find_table() {
    find_table_.assign(std::bit_ceil(2 * tokens_.size() + 1), 0);
    const size_t mask = find_table_.size() - 1;
    for (size_t id = 0; id < tokens_.size(); ++id) {
        size_t slot = std::hash<std::string_view>{}(tokens_[id]) & mask;
        while (find_table_[slot] != 0 && token(find_table_[slot] - 1) != tokens_[id])
            slot = (slot + 1) & mask;
        if (find_table_[slot] == 0) find_table_[slot] = static_cast<int32_t>(id) + 1;
    }
}

int32_t Vocabulary::find(std::string_view text) const {
    const size_t mask = find_table_.size() - 1;
    size_t slot = std::hash<std::string_view>{}(text)&mask;
    while (find_table_[slot] != 0) {
        const int32_t id = find_table_[slot] - 1;
        if (token(id) == text) return id;
        slot = (slot + 1) & mask;
    }
    return -1;
}

Status Vocabulary::find_specials(const GgufFile& file) {
    special_of_.assign(tokens_.size(), -1);
    specials_.reserve(kSpecialCount);
    for (size_t i = 0; i < kSpecialCount; ++i) {
        const int32_t id = find(kSpecialTexts[i]);
        specials_.push_back(id);
        if (id < 0 && static_cast<Special>(i) >= kFirstMediaSpecial) continue;
        if (id < 0) {
            return unsupported(fmt::format("{}: {} has no \"{}\": the tokenizer is not Gemma 4's",
                                           file.path(), kTokensKey, kSpecialTexts[i]));
        }
        special_of_[static_cast<size_t>(id)] = static_cast<int8_t>(i);
    }
    for (int32_t id = 0; id < size(); ++id) {
        if (token(id).empty() || token(id).front() != '<') continue;
        const int32_t first = find(token(id));
        if (first != id && special_of(first) >= 0) {
            return invalid_input(fmt::format("{}: {}[{}] and [{}] are both \"{}\", expected one",
                                             file.path(), kTokensKey, first, id, token(id)));
        }
    }
    return {};
}

Status Vocabulary::find_byte_tokens(const GgufFile& file) {
    byte_of_.assign(tokens_.size(), -1);
    byte_tokens_.reserve(256);
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text = fmt::format("<0x{:02X}>", byte);
        const int32_t id = find(text);
        if (id < 0) {
            return unsupported(fmt::format("{}: {} has no \"{}\": the tokenizer is not Gemma 4's",
                                           file.path(), kTokensKey, text));
        }
        byte_tokens_.push_back(id);
        byte_of_[static_cast<size_t>(id)] = static_cast<int16_t>(byte);
    }
    return {};
}

Status Vocabulary::read_merges(const GgufFile& file) {
    const auto& stored = *FACET_TRY(string_list(file, kMergesKey, kMergeCountMax));
    merges_.reserve(stored.size());
    std::string joined;
    for (size_t rank = 0; rank < stored.size(); ++rank) {
        const std::string_view text = stored[rank];
        const auto wrong = [&](std::string_view found) {
            return invalid_input(fmt::format("{}: {}[{}] is {}: {}", file.path(), kMergesKey, rank,
                                             quoted_name(text), found));
        };
        const size_t space = text.find(' ', 1);
        if (space == std::string_view::npos || space + 1 == text.size()) {
            return wrong("expected two tokens with a space between them");
        }
        const std::string_view left = text.substr(0, space);
        const std::string_view right = text.substr(space + 1);
        joined.assign(left).append(right);
        const Merge merge = {find(left), find(right), find(joined)};
        if (merge.left < 0) return wrong("its left part is no token");
        if (merge.right < 0) return wrong("its right part is no token");
        if (merge.result < 0) return wrong("its parts joined are no token");
        // Otherwise plain text of a user could become a token of the protocol.
        if (special_of(merge.result) >= 0 || byte_of(merge.result) >= 0) {
            return wrong("it makes a special or byte token out of text");
        }
        merges_.push_back(merge);
    }
    return {};
}

void Vocabulary::append_text(int32_t id, std::string& out) const {
    std::string_view text = token(id);
    for (size_t at; (at = text.find(kSpaceSymbolText)) != std::string_view::npos;) {
        out.append(text.substr(0, at)).push_back(' ');
        text.remove_prefix(at + kSpaceSymbolText.size());
    }
    out.append(text);
}

void Vocabulary::append_bytes(int32_t id, std::string& out) const {
    if (special_of(id) >= 0 || is_unused(id)) return;
    if (const int byte = byte_of(id); byte >= 0) {
        out.push_back(static_cast<char>(byte));
    } else {
        append_text(id, out);
    }
}

std::vector<std::string> Vocabulary::output_bytes() const {
    std::vector<std::string> all(static_cast<size_t>(size()));
    for (int32_t id = 0; id < size(); ++id) append_bytes(id, all[static_cast<size_t>(id)]);
    return all;
}

bool Vocabulary::is_unused(int32_t id) const {
    constexpr std::string_view kPrefix = "<unused";
    std::string_view text = token(id);
    if (!text.starts_with(kPrefix) || text.back() != '>') return false;
    text.remove_prefix(kPrefix.size());
    text.remove_suffix(1);
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace facet
