// What a request demands of its reply's tokens: which tools may be called and how, and the form of
// the text.
//
// Owns: the members of a request that say so, and the grammars made from them, compiled once and
// kept for the next request that has the same. Must not know: sampling, HTTP.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar_matcher.h"
#include "text/vocabulary.h"

namespace facet {

struct ReplyRules {
    enum class Calls {
        kFree,  // as the model likes (no tools are declared)
        kNone,
        kMay,   // well-formed ones of the declared tools
        kMust,  // nothing but these
    };
    Calls calls = Calls::kFree;
    std::shared_ptr<GrammarAutomaton> call_grammar;  // after the first <|tool_call>; kMay, kMust
    std::shared_ptr<GrammarAutomaton> text_grammar;  // of the answer; null: any text
    bool may_think = false;                          // a thought may come first

    bool bind() const { return calls != Calls::kFree || text_grammar != nullptr; }
};

// Compiled grammars of a model, the last used ones kept. Any thread.
class ReplyGrammars {
  public:
    // The vocabulary must outlive it.
    explicit ReplyGrammars(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

    // key: what the grammar is made from, and how. Errors: those of `compile`; a vocabulary that no
    // grammar can be made for.
    Result<std::shared_ptr<GrammarAutomaton>> get(const std::string& key,
                                                  const std::function<Result<Grammar>()>& compile);
    const Vocabulary& vocabulary() const { return vocabulary_; }

  private:
    // Each keeps at most kAutomatonBytesMax of masks.
    static constexpr size_t kKept = 8;

    Result<std::shared_ptr<const GrammarVocabulary>> texts();

    const Vocabulary& vocabulary_;
    std::mutex mutex_;
    std::shared_ptr<const GrammarVocabulary> texts_;  // made when first needed: it takes a second
    std::list<std::pair<std::string, std::shared_ptr<GrammarAutomaton>>> kept_;  // newest first
};

// Reads "tool_choice", "parallel_tool_calls", "response_format", "grammar", "regex" and "choice".
//   tools      the request's list, or null
//   may_think  the prompt lets the model think
// Errors: a member that is malformed, contradicts another, or asks for what can not be enforced;
// the sentence begins with its name.
Result<ReplyRules> read_reply_rules(const Json& request, const Json& tools, bool may_think,
                                    ReplyGrammars& grammars);

}  // namespace facet
