#include "engine/reply_constraint.h"

#include <algorithm>

#include "engine/loaded_model.h"

namespace facet {

using Calls = ReplyRules::Calls;

ReplyConstraint::ReplyConstraint(const ReplyRules& rules, const Vocabulary& vocabulary)
    : rules_(rules),
      vocabulary_(vocabulary),
      bits_((static_cast<size_t>(vocabulary.size()) + 63) / 64) {}

void ReplyConstraint::begin() {
    if (has_begun_) return;
    has_begun_ = true;
    if (rules_.text_grammar != nullptr) matcher_.emplace(rules_.text_grammar);
}

Result<IdBits> ReplyConstraint::allowed(bool in_thought) {
    begin();
    const bool is_free = !matcher_ && rules_.calls != Calls::kMust;
    if (in_thought || is_free) {
        // An answer that has to come can not be left out after a thought.
        const bool owes_answer = in_thought && !is_free && part_ == Part::kStart;
        if (rules_.calls != Calls::kNone && !owes_answer) return IdBits();
        std::fill(bits_.begin(), bits_.end(), ~uint64_t{0});
        if (rules_.calls == Calls::kNone) set(vocabulary_.id_of(Special::kToolCallBegin), false);
        if (owes_answer) {
            for (const Special special : kReplyEnds) set(vocabulary_.id_of(special), false);
        }
        return IdBits(bits_);
    }
    std::fill(bits_.begin(), bits_.end(), 0);
    if (matcher_ && (part_ != Part::kStart || rules_.calls != Calls::kMust)) {
        mask_.resize(matcher_->vocabulary().mask_words());
        FACET_TRY(matcher_->mask(mask_));
        for (size_t i = 0; i < mask_.size(); ++i)
            bits_[i / 2] |= static_cast<uint64_t>(mask_[i]) << (i % 2 * 32);
    }
    if (part_ == Part::kStart) {
        if (may_call()) set(vocabulary_.id_of(Special::kToolCallBegin), true);
        if (rules_.may_think && !has_thought_) set(vocabulary_.id_of(Special::kChannelBegin), true);
    }
    return IdBits(bits_);
}

Status ReplyConstraint::take(int32_t id, bool was_thought) {
    begin();
    if (may_call() && part_ != Part::kCalls && id == vocabulary_.id_of(Special::kToolCallBegin)) {
        part_ = Part::kCalls;
        matcher_.emplace(rules_.call_grammar);
        return {};
    }
    if (was_thought || (part_ != Part::kCalls && id == vocabulary_.id_of(Special::kChannelBegin))) {
        has_thought_ = true;
        return {};
    }
    if (part_ == Part::kStart) part_ = Part::kText;
    if (!matcher_ || FACET_TRY(matcher_->accept(id))) return {};
    return invalid_input("the reply left its grammar at \"" + std::string(vocabulary_.token(id)) +
                         "\"");
}

void ReplyConstraint::set(int32_t id, bool value) {
    const uint64_t bit = uint64_t{1} << (id % 64);
    uint64_t& word = bits_[static_cast<size_t>(id) / 64];
    word = value ? word | bit : word & ~bit;
}

}  // namespace facet
