// Streaming decode; the whole-sequence form is Tokenizer::decode. For valid output both give the
// same text.
//
// A byte that can not be part of a character any more becomes U+FFFD at once, one a byte, so at
// most 3 bytes wait. Source: gemma4-chat 1.3.
#include "text/detokenizer.h"

#include "base/utf8.h"

namespace facet {

std::string Detokenizer::push(int32_t id) {
    const int byte = vocabulary_->byte_of(id);
    if (byte < 0) {
        std::string text = finish();
        if (vocabulary_->special_of(id) < 0) vocabulary_->append_text(id, text);
        return text;
    }
    pending_.push_back(static_cast<char>(byte));
    std::string text;
    while (!pending_.empty()) {
        const Utf8Character character = decode_utf8(pending_);
        if (character.incomplete) break;
        if (character.valid) {
            text.append(pending_, 0, character.bytes);
        } else {
            for (size_t i = 0; i < character.bytes; ++i) text.append(kReplacementCharacter);
        }
        pending_.erase(0, character.bytes);
    }
    return text;
}

std::string Detokenizer::finish() {
    std::string text;
    for (size_t i = 0; i < pending_.size(); ++i) text.append(kReplacementCharacter);
    pending_.clear();
    return text;
}

}  // namespace facet
