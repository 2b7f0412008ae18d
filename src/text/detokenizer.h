// Token ids to text one at a time: holds back an unfinished UTF-8 character (at most 3 bytes).
#pragma once

#include <cstdint>
#include <string>

#include "text/vocabulary.h"

namespace facet {

class Detokenizer {
  public:
    explicit Detokenizer(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {}

    // The text that becomes certain with this token. Special tokens give no text of their own, but
    // flush what is held: one U+FFFD for each held byte.
    std::string push(int32_t id);
    // What is still held at the end.
    std::string finish();

  private:
    const Vocabulary* vocabulary_;
    std::string pending_;
};

}  // namespace facet
