#include "grammar/grammar_matcher.h"

#include <fmt/format.h>

#include <algorithm>

namespace facet {

namespace {

Error too_ambiguous() {
    return unsupported("the grammar is too ambiguous: too many ways to read the text so far");
}

}  // namespace

Result<std::shared_ptr<GrammarAutomaton>> GrammarAutomaton::create(
    Grammar grammar, std::shared_ptr<const GrammarVocabulary> vocabulary, size_t bytes_max) {
    if (!grammar.token_ids.empty() && grammar.token_ids.back() >= vocabulary->size())
        return invalid_input(fmt::format("the grammar names token {} of a vocabulary of {} tokens",
                                         grammar.token_ids.back(), vocabulary->size()));
    return std::shared_ptr<GrammarAutomaton>(
        new GrammarAutomaton(std::move(grammar), std::move(vocabulary), bytes_max));
}

GrammarAutomaton::GrammarAutomaton(Grammar grammar,
                                   std::shared_ptr<const GrammarVocabulary> vocabulary,
                                   size_t bytes_max)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      bytes_max_(bytes_max),
      states_(grammar_),
      masks_(states_, *vocabulary_) {}

size_t GrammarAutomaton::add_reply(uint32_t state) {
    if (free_slots_.empty()) {
        replies_.push_back(state);
        return replies_.size() - 1;
    }
    const size_t slot = free_slots_.back();
    free_slots_.pop_back();
    replies_[slot] = state;
    return slot;
}

void GrammarAutomaton::remove_reply(size_t slot) {
    replies_[slot] = GrammarStates::kDead;
    free_slots_.push_back(slot);
}

Status GrammarAutomaton::tidy() {
    if (bytes() <= bytes_max_) return {};
    masks_.clear();
    states_.forget_all_but(replies_);
    // Half: what is left must not be forgotten again with every token.
    if (bytes() > bytes_max_ / 2)
        return unsupported(
            "the grammar's stacks have grown too large: the reply is nested too deep");
    return {};
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<GrammarAutomaton> automaton)
    : automaton_(std::move(automaton)), slot_(automaton_->add_reply(automaton_->states_.start())) {}

GrammarMatcher::GrammarMatcher(const GrammarMatcher& other)
    : automaton_(other.automaton_), slot_(automaton_->add_reply(other.state())) {}

GrammarMatcher& GrammarMatcher::operator=(const GrammarMatcher& other) {
    if (this == &other) return *this;
    const size_t slot = other.automaton_->add_reply(other.state());
    automaton_->remove_reply(slot_);
    automaton_ = other.automaton_;
    slot_ = slot;
    return *this;
}

GrammarMatcher::~GrammarMatcher() { automaton_->remove_reply(slot_); }

Result<bool> GrammarMatcher::accept(int32_t id) {
    const GrammarVocabulary& vocabulary = automaton_->vocabulary();
    if (id < 0 || static_cast<size_t>(id) >= vocabulary.size()) return false;
    GrammarStates& states = automaton_->states_;
    if (vocabulary.is_end(id) && is_complete()) return true;
    const auto& named = states.grammar().token_ids;
    if (std::binary_search(named.begin(), named.end(), static_cast<uint32_t>(id))) {
        const uint32_t next = states.step_token(state(), static_cast<uint32_t>(id));
        if (next == GrammarStates::kTooAmbiguous) return too_ambiguous();
        if (next != GrammarStates::kDead) {
            automaton_->replies_[slot_] = next;
            FACET_TRY(automaton_->tidy());
            return true;
        }
    }
    const std::string_view text = vocabulary.text(id);
    if (text.empty()) return false;
    return accept_text(text);
}

Result<bool> GrammarMatcher::accept_text(std::string_view text) {
    // `before` is a reply of its own, so that tidying up follows it.
    const GrammarMatcher before = *this;
    size_t taken = 0;
    for (const char c : text) {
        const uint32_t next = automaton_->states_.step(state(), static_cast<uint8_t>(c));
        Status status;
        if (next == GrammarStates::kTooAmbiguous) status = too_ambiguous();
        if (next > GrammarStates::kTooAmbiguous) automaton_->replies_[slot_] = next;
        if (status.ok() && ++taken % 64 == 0) status = automaton_->tidy();
        if (status.ok() && next != GrammarStates::kDead) continue;
        *this = before;
        if (!status.ok()) return status.error();
        return false;
    }
    Status status = automaton_->tidy();
    if (status.ok()) return true;
    *this = before;
    return status.error();
}

Status GrammarMatcher::mask(std::span<uint32_t> bits) {
    FACET_TRY(automaton_->tidy());
    return automaton_->masks_.fill(state(), bits);
}

bool GrammarMatcher::is_complete() const { return automaton_->states_.state(state()).accepts; }

bool GrammarMatcher::is_finished() const {
    return is_complete() && automaton_->states_.state(state()).items.empty();
}

std::string GrammarMatcher::forced_text(size_t bytes_max) {
    GrammarStates& states = automaton_->states_;
    const Grammar& grammar = states.grammar();
    std::string text;
    uint32_t at = state();
    while (text.size() < bytes_max && !states.state(at).accepts) {
        ByteSet next;
        for (const GrammarStates::Item& item : states.state(at).items) {
            const GrammarSymbol& symbol = grammar.symbols[item.position];
            if (symbol.kind == GrammarSymbol::Kind::kToken) return text;
            next |= grammar.byte_sets[symbol.value];
        }
        if (next.count() != 1) return text;
        const auto byte = static_cast<uint8_t>(next._Find_first());
        text += static_cast<char>(byte);
        at = states.step(at, byte);
    }
    return text;
}

void GrammarMatcher::reset() { automaton_->replies_[slot_] = automaton_->states_.start(); }

}  // namespace facet
