// Random documents of grammars, for check.mjs: reads a request a line, prints an answer a line.
//
//   {"schema": {..} | "gbnf": ".." | "regex": ".." | "choice": [..], "seed": 1, "count": 3,
//    "accept": ["text", ..],                  texts to try
//    "vocabulary": ["a", ..], "prefixes": [..]}  masks after prefixes, in a vocabulary of its own
//   -> {"refused": ".."} or {"documents": [..], "unfinished": n, "accepts": [bool, ..],
//       "masks": [[id, ..], ..]}
//
// Documents are walks through the masks over the demo model's vocabulary, so tokens cross the
// borders of everything.
#include <algorithm>
#include <iostream>
#include <memory>
#include <random>

#include "base/check.h"
#include "base/json.h"
#include "format/gguf.h"
#include "grammar/choice.h"
#include "grammar/gbnf.h"
#include "grammar/grammar_matcher.h"
#include "grammar/json_schema.h"
#include "grammar/regex_grammar.h"
#include "text/vocabulary.h"

namespace facet {
namespace {

std::shared_ptr<const GrammarVocabulary> demo_vocabulary() {
    const auto file = GgufFile::open(FACET_SOURCE_DIR "/tests/data/demo-vocab.gguf");
    FACET_CHECK(file.ok());
    const auto vocabulary = Vocabulary::from_gguf(file.value());
    FACET_CHECK(vocabulary.ok());
    auto made = GrammarVocabulary::create(vocabulary.value().output_bytes(),
                                          {vocabulary.value().id_of(Special::kTurnEnd)});
    FACET_CHECK(made.ok());
    return std::make_shared<const GrammarVocabulary>(made.take());
}

Result<Grammar> compile(const Json& request) {
    if (const Json* schema = request.find("schema"); schema != nullptr)
        return compile_json_schema(*schema);
    if (const Json* gbnf = request.find("gbnf"); gbnf != nullptr) return compile_gbnf(gbnf->text);
    if (const Json* regex = request.find("regex"); regex != nullptr)
        return compile_regex(regex->text);
    std::vector<std::string> texts;
    if (const Json* choice = request.find("choice"); choice != nullptr) {
        for (const Json& text : choice->items) texts.push_back(text.text);
    }
    return compile_choice(std::move(texts));
}

std::vector<int32_t> allowed(GrammarMatcher& matcher, const GrammarVocabulary& vocabulary) {
    std::vector<uint32_t> bits(vocabulary.mask_words());
    std::vector<int32_t> ids;
    if (!matcher.mask(bits).ok()) return ids;
    for (size_t word = 0; word < bits.size(); ++word) {
        for (uint32_t rest = bits[word]; rest != 0; rest &= rest - 1)
            ids.push_back(static_cast<int32_t>(word * 32) + __builtin_ctz(rest));
    }
    return ids;
}

// A token that ends the document, a string or a container, or `other` if none may come.
int32_t ending(const std::vector<int32_t>& ids, const GrammarVocabulary& vocabulary,
               int32_t other) {
    const auto find = [&](std::string_view text) {
        const auto at = std::find_if(ids.begin(), ids.end(), [&](int32_t id) {
            return text.empty() ? vocabulary.is_end(id) : vocabulary.text(id) == text;
        });
        return at == ids.end() ? -1 : *at;
    };
    const bool is_in_string = find("x") >= 0;
    for (const char* text : {"", is_in_string ? "\"" : "}", "]", "\"", "}"}) {
        if (const int32_t id = find(text); id >= 0) return id;
    }
    return other;
}

// False if the walk did not come to an end.
bool walk(GrammarMatcher matcher, const GrammarVocabulary& vocabulary, std::mt19937& random,
          std::string& document) {
    constexpr size_t kStepsMax = 600, kPatience = 60;
    for (size_t step = 0; step < kStepsMax; ++step) {
        const std::vector<int32_t> ids = allowed(matcher, vocabulary);
        FACET_CHECK(!ids.empty());
        int32_t id = ids[random() % ids.size()];
        // Most tokens are text: often prefer what ends something, and after a while always.
        if (step >= kPatience || random() % 6 == 0) id = ending(ids, vocabulary, id);
        if (vocabulary.is_end(id)) return true;
        const Result<bool> taken = matcher.accept(id);
        FACET_CHECK(taken.ok() && taken.value());
        document += vocabulary.text(id);
    }
    return false;
}

Json masks_of(const Json& request, const Grammar& grammar) {
    std::vector<std::string> texts;
    for (const Json& text : request.find("vocabulary")->items) texts.push_back(text.text);
    texts.emplace_back();
    const auto end = static_cast<int32_t>(texts.size() - 1);
    auto vocabulary = std::make_shared<const GrammarVocabulary>(
        GrammarVocabulary::create(std::move(texts), {end}).take());
    auto automaton = GrammarAutomaton::create(grammar, vocabulary).take();
    Json masks = Json::array();
    for (const Json& prefix : request.find("prefixes")->items) {
        GrammarMatcher matcher(automaton);
        const Result<bool> taken = matcher.accept_text(prefix.text);
        if (!taken.ok() || !taken.value()) {
            masks.push(Json::null());
            continue;
        }
        Json ids = Json::array();
        for (const int32_t id : allowed(matcher, *vocabulary)) ids.push(Json::integer(id));
        masks.push(std::move(ids));
    }
    return masks;
}

Json answer(const Json& request, const std::shared_ptr<const GrammarVocabulary>& vocabulary) {
    Json result = Json::object();
    Result<Grammar> grammar = compile(request);
    if (!grammar.ok()) return result.set("refused", Json::of(grammar.error().message));
    if (request.find("vocabulary") != nullptr)
        result.set("masks", masks_of(request, grammar.value()));
    auto automaton = GrammarAutomaton::create(grammar.take(), vocabulary);
    FACET_CHECK(automaton.ok());
    const GrammarMatcher start(automaton.take());
    const auto number = [&](const char* key) {
        const Json* value = request.find(key);
        return value == nullptr ? 0 : value->to_integer().value();
    };
    std::mt19937 random(static_cast<uint32_t>(number("seed")));
    Json documents = Json::array();
    long long unfinished = 0;
    for (long long i = 0; i < number("count"); ++i) {
        std::string document;
        if (walk(start, *vocabulary, random, document)) {
            documents.push(Json::of(document));
        } else {
            ++unfinished;
        }
    }
    Json accepts = Json::array();
    if (const Json* texts = request.find("accept"); texts != nullptr) {
        for (const Json& text : texts->items) {
            GrammarMatcher matcher = start;
            const Result<bool> taken = matcher.accept_text(text.text);
            accepts.push(Json::of(taken.ok() && taken.value() && matcher.is_complete()));
        }
    }
    result.set("documents", std::move(documents)).set("unfinished", Json::integer(unfinished));
    return result.set("accepts", std::move(accepts));
}

}  // namespace
}  // namespace facet

int main() {
    const auto vocabulary = facet::demo_vocabulary();
    std::string line;
    while (std::getline(std::cin, line)) {
        const auto request = facet::Json::parse(line);
        std::cout << (request.ok() ? facet::answer(request.value(), vocabulary).dump()
                                   : "{\"refused\":\"" + request.error().message + "\"}")
                  << "\n";
    }
    return 0;
}
