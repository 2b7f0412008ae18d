// What tests of grammars share: small vocabularies, whole texts, random replies.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar_matcher.h"

namespace facet::grammar_testing {

// All bytes (id = byte), then `more`, then one end token.
inline std::shared_ptr<const GrammarVocabulary> vocabulary_of(std::vector<std::string> more) {
    std::vector<std::string> texts;
    for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(b));
    texts.insert(texts.end(), more.begin(), more.end());
    texts.emplace_back();
    const auto end = static_cast<int32_t>(texts.size() - 1);
    auto vocabulary = GrammarVocabulary::create(std::move(texts), {end});
    EXPECT_TRUE(vocabulary.ok());
    return std::make_shared<const GrammarVocabulary>(vocabulary.take());
}

inline GrammarMatcher matcher_of(Result<Grammar> grammar,
                                 std::shared_ptr<const GrammarVocabulary> vocabulary) {
    EXPECT_TRUE(grammar.ok()) << grammar.error().message;
    auto automaton = GrammarAutomaton::create(grammar.take(), std::move(vocabulary));
    EXPECT_TRUE(automaton.ok());
    return GrammarMatcher(automaton.take());
}

inline GrammarMatcher matcher_of(Result<Grammar> grammar) {
    static const auto bytes = vocabulary_of({});
    return matcher_of(std::move(grammar), bytes);
}

// Whether the grammar matches the whole text.
inline bool matches(GrammarMatcher matcher, std::string_view text) {
    const Result<bool> taken = matcher.accept_text(text);
    return taken.ok() && taken.value() && matcher.is_complete();
}

inline std::vector<int32_t> allowed_ids(GrammarMatcher& matcher, size_t size) {
    std::vector<uint32_t> bits((size + 31) / 32);
    EXPECT_TRUE(matcher.mask(bits).ok());
    std::vector<int32_t> ids;
    for (size_t id = 0; id < size; ++id) {
        if ((bits[id / 32] >> (id % 32) & 1) != 0) ids.push_back(static_cast<int32_t>(id));
    }
    return ids;
}

// The ids that accept() takes, one by one.
inline std::vector<int32_t> accepted_ids(const GrammarMatcher& matcher, size_t size) {
    std::vector<int32_t> ids;
    for (size_t id = 0; id < size; ++id) {
        GrammarMatcher copy = matcher;
        const Result<bool> taken = copy.accept(static_cast<int32_t>(id));
        if (taken.ok() && taken.value()) ids.push_back(static_cast<int32_t>(id));
    }
    return ids;
}

}  // namespace facet::grammar_testing
