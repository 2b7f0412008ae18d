// Holds one reply to its rules, token by token: a thought may come first and is free, then the
// answer follows its grammar, or, from <|tool_call> on, the calls follow theirs.
//
// Owns: which grammar holds where in a reply (gemma4-chat 3.6). Belongs to the thread that computes
// replies, like the grammars' automata. Must not know: logits, how replies are parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "engine/reply_rules.h"
#include "grammar/grammar_matcher.h"
#include "model/logits.h"
#include "text/vocabulary.h"

namespace facet {

class ReplyConstraint {
  public:
    // The vocabulary must outlive it.
    ReplyConstraint(const ReplyRules& rules, const Vocabulary& vocabulary);

    // The ids that may come next, V bits that are valid until the next call; empty: any.
    //   in_thought  whether the reply is inside a thought now
    // Errors: a grammar beyond its limits.
    Result<IdBits> allowed(bool in_thought);
    // Notes the next id. was_thought: whether the reply was inside a thought before it. Errors: as
    // allowed(), and an id that is not allowed.
    Status take(int32_t id, bool was_thought);
    // Nothing but an end may follow.
    bool is_finished() const { return matcher_ && matcher_->is_finished(); }

  private:
    // kStart: nothing but thoughts so far.
    enum class Part { kStart, kText, kCalls };

    bool may_call() const { return rules_.call_grammar != nullptr; }
    // Not the constructor's work: that runs in the thread of who asks, and an automaton belongs to
    // the thread that computes.
    void begin();
    void set(int32_t id, bool value);

    const ReplyRules rules_;
    const Vocabulary& vocabulary_;
    Part part_ = Part::kStart;
    bool has_begun_ = false;
    std::optional<GrammarMatcher> matcher_;  // of the text, then of the calls; none: free text
    bool has_thought_ = false;
    std::vector<uint32_t> mask_;
    std::vector<uint64_t> bits_;
};

}  // namespace facet
