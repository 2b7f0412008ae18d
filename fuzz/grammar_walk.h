// What the fuzz targets of grammars do with a grammar that compiled: walk through its masks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "grammar/grammar_matcher.h"

namespace facet::fuzzing {

// Bytes, a few longer texts, a token of no text (257) and an end token (258).
inline std::shared_ptr<const GrammarVocabulary> small_vocabulary() {
    static const auto made = [] {
        std::vector<std::string> texts;
        for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(b));
        texts.emplace_back("\"a\":");
        texts.emplace_back();
        texts.emplace_back();
        for (const char* text : {"\",\"", "aaaa", "é", "\xe2\x82", "],[", "1.5", "true}", "\\u00"})
            texts.emplace_back(text);
        auto vocabulary = GrammarVocabulary::create(std::move(texts), {258});
        FACET_CHECK(vocabulary.ok());
        return std::make_shared<const GrammarVocabulary>(vocabulary.take());
    }();
    return made;
}
inline constexpr int32_t kQuoteId = 257;

// Takes tokens of which the mask says that they may come; each must be taken, and none may lead to
// where nothing goes on.
inline void walk(Grammar grammar, uint32_t seed) {
    const auto vocabulary = small_vocabulary();
    auto automaton = GrammarAutomaton::create(std::move(grammar), vocabulary, 8u << 20);
    FACET_CHECK(automaton.ok());
    GrammarMatcher matcher(automaton.take());
    std::vector<uint32_t> bits(vocabulary->mask_words());
    for (int step = 0; step < 24; ++step) {
        if (!matcher.mask(bits).ok()) return;  // too ambiguous, or too large
        std::vector<int32_t> ids;
        for (size_t id = 0; id < vocabulary->size(); ++id) {
            if ((bits[id / 32] >> (id % 32) & 1) != 0) ids.push_back(static_cast<int32_t>(id));
        }
        FACET_CHECK(!ids.empty());
        seed = seed * 1664525u + 1013904223u;
        const int32_t id = ids[(seed >> 8) % ids.size()];
        const Result<bool> taken = matcher.accept(id);
        if (!taken.ok()) return;
        FACET_CHECK(taken.value());
        if (vocabulary->is_end(id)) {
            FACET_CHECK(matcher.is_complete());
            return;
        }
    }
}

}  // namespace facet::fuzzing
