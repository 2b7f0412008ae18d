#include "grammar/token_masks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

#include "base/utf8.h"

namespace facet {

namespace {

// Frames that decide most tokens: a character, the repetition around it, the string around that.
constexpr uint32_t kTopDepth = 3;
// Steps of work after which one mask is given up.
constexpr uint64_t kMaskWorkMax = 4'000'000;
// Below this many ids a list is smaller than a bitmap, or close.
constexpr size_t kListMax = 2048;

void set_bit(std::span<uint32_t> bits, int32_t id) {
    bits[static_cast<size_t>(id) / 32] |= 1u << (static_cast<uint32_t>(id) % 32);
}

Error too_ambiguous() {
    return unsupported("the grammar is too ambiguous: too many ways to read the text so far");
}

}  // namespace

TokenMasks::TokenMasks(GrammarStates& states, const GrammarVocabulary& vocabulary)
    : states_(states),
      vocabulary_(vocabulary),
      round_kinds_(states.grammar().rules.size(), kBrokenKind) {}

void TokenMasks::clear() {
    top_masks_.clear();
    masks_.clear();
    bytes_ = 0;
}

Status TokenMasks::fill(uint32_t state, std::span<uint32_t> bits) {
    const auto longest = static_cast<uint32_t>(vocabulary_.longest() + 1);
    const uint32_t near = states_.without_far_counters(state, longest);
    const Mask& mask = *FACET_TRY(mask_of(near));
    const IdSet& allowed = mask.top->allowed;
    if (!allowed.bits.empty()) {
        std::copy(allowed.bits.begin(), allowed.bits.end(), bits.begin());
    } else {
        std::fill(bits.begin(), bits.end(), 0u);
        for (const int32_t id : allowed.ids) set_bit(bits, id);
    }
    for (const int32_t id : mask.less)
        bits[static_cast<size_t>(id) / 32] &= ~(1u << (static_cast<uint32_t>(id) % 32));
    for (const int32_t id : mask.more) set_bit(bits, id);
    return {};
}

Result<const TokenMasks::Mask*> TokenMasks::mask_of(uint32_t state) {
    if (const auto known = masks_.find(state); known != masks_.end()) return known->second.get();
    if (state == GrammarStates::kTooAmbiguous) return too_ambiguous();
    auto mask = std::make_unique<Mask>();
    // Counters that only long tokens can exhaust are left out of what is shared: most places of a
    // string with a limit then have the same mask but for those.
    const uint32_t coarse = states_.without_far_counters(state, kShortTokenBytes + 1);
    mask->top = FACET_TRY(top_mask_of(states_.top_of(coarse, kTopDepth)));
    for (const GrammarStates::Item& item : states_.state(state).items) {
        const GrammarSymbol& symbol = states_.grammar().symbols[item.position];
        if (symbol.kind == GrammarSymbol::Kind::kToken)
            mask->more.push_back(static_cast<int32_t>(symbol.value));
    }
    if (states_.state(state).accepts) {
        const std::vector<int32_t>& ends = vocabulary_.end_ids();
        mask->more.insert(mask->more.end(), ends.begin(), ends.end());
    }
    FACET_TRY(check_open_tokens(state, coarse == state ? SIZE_MAX : kShortTokenBytes, *mask));
    if (coarse != state) FACET_TRY(check_long_tokens(state, *mask));
    bytes_ += sizeof(Mask) + (mask->more.size() + mask->less.size()) * sizeof(int32_t);
    return masks_.emplace(state, std::move(mask)).first->second.get();
}

Result<const TokenMasks::TopMask*> TokenMasks::top_mask_of(uint32_t state) {
    if (const auto known = top_masks_.find(state); known != top_masks_.end())
        return known->second.get();
    auto mask = std::make_unique<TopMask>();
    FACET_TRY(walk(state, *mask));
    IdSet& allowed = mask->allowed;
    size_t count = 0;
    for (const uint32_t word : allowed_) count += static_cast<size_t>(std::popcount(word));
    if (count > kListMax) {
        allowed.bits = allowed_;
    } else {
        for (size_t word = 0; word < allowed_.size(); ++word) {
            for (uint32_t rest = allowed_[word]; rest != 0; rest &= rest - 1)
                allowed.ids.push_back(static_cast<int32_t>(word * 32) + std::countr_zero(rest));
        }
    }
    bytes_ += sizeof(TopMask) + 4 * (allowed.bits.size() + allowed.ids.size() + mask->open.size());
    return top_masks_.emplace(state, std::move(mask)).first->second.get();
}

Status TokenMasks::walk(uint32_t start, TopMask& mask) {
    const std::vector<GrammarVocabulary::Node>& nodes = vocabulary_.nodes();
    const std::vector<int32_t>& ids = vocabulary_.ordered_ids();
    const uint64_t work_end = states_.work() + kMaskWorkMax;
    struct Place {
        uint32_t state;
        bool has_left;  // the bytes up to here, or fewer, end what is known of the stack
    };
    std::vector<Place> path(vocabulary_.longest() + 1);
    path[0] = {start, false};
    allowed_.assign(vocabulary_.mask_words(), 0);
    const Whole whole = allow_whole_tokens(start);
    const auto allow = [&](uint32_t begin, uint32_t end) {
        for (uint32_t i = begin; i < end; ++i) set_bit(allowed_, ids[i]);
    };
    for (size_t at = 0; at < nodes.size();) {
        const GrammarVocabulary::Node& node = nodes[at];
        // Most nodes are left by this jump, far away in memory.
        if (node.subtree_end < nodes.size()) __builtin_prefetch(&nodes[node.subtree_end]);
        const Place& before = path[node.depth - 1u];
        const uint32_t next = states_.step(before.state, node.byte);
        if (next == GrammarStates::kTooAmbiguous || states_.work() > work_end)
            return too_ambiguous();
        const GrammarStates::State& state = states_.state(next);
        const bool goes_on = next != GrammarStates::kDead;
        if (goes_on) {
            // What has come to an end here has a context that goes on from here.
            allow(node.tokens_begin, node.tokens_begin + node.own_tokens);
        } else if (before.has_left) {
            for (uint32_t i = node.tokens_begin; i < node.tokens_end; ++i) mask.open.push_back(i);
        }
        if (!goes_on) {
            at = node.subtree_end;
        } else if (takes_all_below(next, node)) {
            // Tokens that are whole are allowed already; a byte is at most one character.
            if (((node.kinds_above | node.kinds_below) & ~whole.kinds) != 0 ||
                uint32_t{node.depth} + node.characters_below > whole.characters)
                allow(node.tokens_begin + node.own_tokens, node.tokens_end);
            at = node.subtree_end;
        } else {
            path[node.depth] = {next, before.has_left || state.may_leave};
            ++at;
        }
    }
    return {};
}

TokenMasks::Whole TokenMasks::allow_whole_tokens(uint32_t start) {
    const std::vector<GrammarStates::Round> rounds = states_.state(start).rounds;
    if (rounds.empty()) return {};
    const auto longest =
        std::max_element(rounds.begin(), rounds.end(),
                         [](const auto& a, const auto& b) { return a.remaining < b.remaining; });
    const CharacterKinds kinds = kinds_of(longest->rule);
    const auto of_kinds = vocabulary_.tokens_of(kinds);
    const std::vector<uint32_t>& up_to = vocabulary_.tokens_up_to(longest->remaining);
    for (size_t word = 0; word < allowed_.size(); ++word)
        allowed_[word] = (*of_kinds)[word] & up_to[word];
    return {kinds, longest->remaining};
}

bool TokenMasks::takes_all_below(uint32_t state, const GrammarVocabulary::Node& node) {
    if (node.own_tokens == node.tokens_end - node.tokens_begin) return false;  // nothing below
    for (const GrammarStates::Round& round : states_.state(state).rounds) {
        if (round.remaining >= node.characters_below &&
            (node.kinds_below & ~kinds_of(round.rule)) == 0)
            return true;
    }
    return false;
}

CharacterKinds TokenMasks::kinds_of(uint32_t rule_id) {
    if (round_kinds_[rule_id] != kBrokenKind) return round_kinds_[rule_id];
    const Grammar& grammar = states_.grammar();
    const GrammarSymbol body =
        grammar.symbols[grammar.alternatives[grammar.rules[rule_id].alternatives_begin]];
    CharacterKinds missing = kBrokenKind;
    if (body.kind == GrammarSymbol::Kind::kBytes) {
        for (uint8_t c = 0; c < 0x80; ++c) {
            if (!grammar.byte_sets[body.value][c]) missing |= ascii_kind(c);
        }
        missing |= kNonAsciiKind;
    } else if (body.kind == GrammarSymbol::Kind::kCall) {
        const uint32_t start = states_.start_of(body);
        for (uint8_t c = 0; c < 0x80; ++c) {
            if (!states_.state(states_.step(start, c)).accepts) missing |= ascii_kind(c);
        }
        if (!takes_all_non_ascii(start)) missing |= kNonAsciiKind;
    } else {
        missing = ~CharacterKinds{0};
    }
    return round_kinds_[rule_id] = ~missing;
}

// Whether each character beyond ASCII, alone, leads from `start` to an accepting state.
bool TokenMasks::takes_all_non_ascii(uint32_t start) {
    struct Place {
        uint32_t state;
        uint8_t low, high;   // of the byte that comes next
        uint8_t more_bytes;  // after it
    };
    // Leads and the first byte that may follow them. Source: the Unicode standard, table 3-7.
    struct Lead {
        uint8_t first, last, low, high, more_bytes;
    };
    constexpr std::array<Lead, 7> kLeads = {{{0xc2, 0xdf, 0x80, 0xbf, 0},
                                             {0xe0, 0xe0, 0xa0, 0xbf, 1},
                                             {0xe1, 0xec, 0x80, 0xbf, 1},
                                             {0xed, 0xed, 0x80, 0x9f, 1},
                                             {0xee, 0xef, 0x80, 0xbf, 1},
                                             {0xf0, 0xf0, 0x90, 0xbf, 2},
                                             {0xf1, 0xf3, 0x80, 0xbf, 2}}};
    std::vector<Place> open;
    for (const Lead& lead : kLeads) {
        for (int b = lead.first; b <= lead.last; ++b)
            open.push_back({states_.step(start, static_cast<uint8_t>(b)), lead.low, lead.high,
                            lead.more_bytes});
    }
    open.push_back({states_.step(start, 0xf4), 0x80, 0x8f, 2});
    std::sort(open.begin(), open.end(), [](const Place& a, const Place& b) {
        return std::tie(a.state, a.low, a.high) < std::tie(b.state, b.low, b.high);
    });
    open.erase(std::unique(open.begin(), open.end(),
                           [](const Place& a, const Place& b) {
                               return a.state == b.state && a.low == b.low && a.high == b.high;
                           }),
               open.end());
    while (!open.empty()) {
        const Place place = open.back();
        open.pop_back();
        uint32_t last = UINT32_MAX;
        for (int b = place.low; b <= place.high; ++b) {
            const uint32_t next = states_.step(place.state, static_cast<uint8_t>(b));
            if (next <= GrammarStates::kTooAmbiguous) return false;
            if (next == last) continue;
            last = next;
            if (place.more_bytes == 0 && !states_.state(next).accepts) return false;
            if (place.more_bytes > 0)
                open.push_back({next, 0x80, 0xbf, static_cast<uint8_t>(place.more_bytes - 1)});
        }
    }
    return true;
}

Status TokenMasks::check_open_tokens(uint32_t state, size_t bytes_max, Mask& mask) {
    const std::vector<int32_t>& ids = vocabulary_.ordered_ids();
    std::span<const uint32_t> open = mask.top->open;
    std::vector<uint32_t> kept;
    if (bytes_max != SIZE_MAX) {
        std::copy_if(open.begin(), open.end(), std::back_inserter(kept), [&](uint32_t place) {
            return vocabulary_.text(ids[place]).size() <= bytes_max;
        });
        open = kept;
    }
    const std::vector<int32_t> allowed = FACET_TRY(allowed_of(state, open));
    mask.more.insert(mask.more.end(), allowed.begin(), allowed.end());
    return {};
}

// Makes the mask exact for long tokens, of which `mask.top` knows nothing.
Status TokenMasks::check_long_tokens(uint32_t state, Mask& mask) {
    const std::vector<int32_t>& ids = vocabulary_.ordered_ids();
    const std::vector<GrammarStates::Round> rounds = states_.state(state).rounds;
    const auto is_whole = [&](int32_t id) {
        return std::any_of(rounds.begin(), rounds.end(), [&](const GrammarStates::Round& round) {
            return vocabulary_.characters(id) <= round.remaining &&
                   (vocabulary_.kinds(id) & ~kinds_of(round.rule)) == 0;
        });
    };
    const IdSet& top = mask.top->allowed;
    const auto in_top = [&](int32_t id) {
        const auto at = static_cast<size_t>(id);
        if (!top.bits.empty()) return (top.bits[at / 32] >> (at % 32) & 1) != 0;
        return std::binary_search(top.ids.begin(), top.ids.end(), id);
    };
    std::vector<uint32_t> unsure;
    for (const uint32_t place : vocabulary_.long_tokens()) {
        if (!is_whole(ids[place])) {
            unsure.push_back(place);
        } else if (!in_top(ids[place])) {
            mask.more.push_back(ids[place]);
        }
    }
    const std::vector<int32_t> allowed = FACET_TRY(allowed_of(state, unsure));
    mask.more.insert(mask.more.end(), allowed.begin(), allowed.end());
    for (const uint32_t place : unsure) {
        if (in_top(ids[place])) mask.less.push_back(ids[place]);  // set again where it is in `more`
    }
    return {};
}

Result<std::vector<int32_t>> TokenMasks::allowed_of(uint32_t state,
                                                    std::span<const uint32_t> places) {
    const std::vector<int32_t>& ids = vocabulary_.ordered_ids();
    const uint64_t work_end = states_.work() + kMaskWorkMax;
    std::vector<int32_t> allowed;
    std::vector<uint32_t> path(vocabulary_.longest() + 1);
    path[0] = state;
    std::string_view previous;
    size_t alive = 0;  // bytes of `previous` that lead somewhere
    for (const uint32_t place : places) {
        const std::string_view text = vocabulary_.text(ids[place]);
        size_t depth = 0;
        while (depth < previous.size() && depth < text.size() && previous[depth] == text[depth])
            ++depth;
        previous = text;
        if (depth > alive) continue;  // shares the byte at which the one before died
        alive = depth;
        while (alive < text.size()) {
            const uint32_t next = states_.step(path[alive], static_cast<uint8_t>(text[alive]));
            if (next == GrammarStates::kTooAmbiguous || states_.work() > work_end)
                return too_ambiguous();
            if (next == GrammarStates::kDead) break;
            path[++alive] = next;
        }
        if (alive == text.size()) allowed.push_back(ids[place]);
    }
    return allowed;
}

}  // namespace facet
