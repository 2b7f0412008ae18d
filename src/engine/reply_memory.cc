#include "engine/reply_memory.h"

#include <algorithm>
#include <iterator>

namespace facet {

namespace {

constexpr uint64_t kNoIds = 0x6c62272e07bb0142u;

// The key of a list of ids with one more at its end: a multiplication and a shift mix every bit of
// it into all of the key (the finalizer of MurmurHash3, Austin Appleby, public domain).
uint64_t with_id(uint64_t key, int32_t id) {
    key ^= static_cast<uint64_t>(static_cast<uint32_t>(id)) + 0x9e3779b97f4a7c15u;
    key = (key ^ (key >> 33)) * 0xff51afd7ed558ccdu;
    key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53u;
    return key ^ (key >> 33);
}

uint64_t with_ids(uint64_t key, std::span<const int32_t> ids) {
    for (const int32_t id : ids) key = with_id(key, id);
    return key;
}

// Whether pieces may be encoded apart here: no word can reach across a special token or the end of
// a line.
bool can_cut(const std::vector<Piece>& pieces, size_t at) {
    if (at == 0 || at == pieces.size()) return true;
    const Piece &before = pieces[at - 1], &after = pieces[at];
    if (before.special_id >= 0 || after.special_id >= 0) return true;
    return before.text.ends_with('\n') && !after.text.starts_with('\n');
}

}  // namespace

void ReplyMemory::remember(std::span<const int32_t> prompt, std::vector<int32_t> ids,
                           AssistantMessage said) {
    if (ids.empty() || ids.size() > ids_max_ / 4) return;
    const uint64_t key = with_ids(kNoIds, prompt);
    const std::lock_guard lock(mutex_);
    ids_held_ += ids.size();
    replies_.push_front({key, std::move(ids), std::move(said)});
    by_key_.emplace(key, replies_.begin());
    while (ids_held_ > ids_max_) {
        const auto oldest = std::prev(replies_.end());
        const auto [begin, end] = by_key_.equal_range(oldest->key);
        by_key_.erase(
            std::find_if(begin, end, [&](const auto& at) { return at.second == oldest; }));
        ids_held_ -= oldest->ids.size();
        replies_.erase(oldest);
    }
}

std::vector<int32_t> ReplyMemory::encode(const RenderedChat& chat,
                                         const Tokenizer& tokenizer) const {
    const std::span<const Piece> pieces = chat.pieces;
    std::vector<int32_t> ids;
    uint64_t key = kNoIds;
    size_t done = 0;  // pieces
    const auto encode_to = [&](size_t end) {
        const auto more = tokenizer.encode(pieces.subspan(done, end - done));
        key = with_ids(key, more);
        ids.insert(ids.end(), more.begin(), more.end());
        done = end;
    };
    for (const RenderedReply& reply : chat.replies) {
        if (!can_cut(chat.pieces, reply.begin) || !can_cut(chat.pieces, reply.end)) continue;
        encode_to(reply.begin);
        const size_t before = ids.size();
        if (!append_reply(key, reply, ids)) continue;
        key = with_ids(key, std::span(ids).subspan(before));
        done = reply.end;
    }
    encode_to(pieces.size());
    return ids;
}

// Appends the ids of a reply that was made after exactly these ids and says the same. The newest,
// if there are several.
bool ReplyMemory::append_reply(uint64_t key, const RenderedReply& rendered,
                               std::vector<int32_t>& ids) const {
    const std::lock_guard lock(mutex_);
    const auto [begin, end] = by_key_.equal_range(key);
    if (begin == end) return false;
    const AssistantMessage wanted = AssistantMessage::from_json(*rendered.message);
    const Reply* found = nullptr;
    for (auto at = begin; at != end; ++at) {
        const Reply& reply = *at->second;
        const AssistantMessage& said = reply.said;
        const bool thought_fits = said.reasoning.empty() ||
                                  (rendered.keeps_thought && (wanted.reasoning.empty() ||
                                                              wanted.reasoning == said.reasoning));
        if (thought_fits && said.content == wanted.content && said.calls == wanted.calls)
            found = &reply;
    }
    if (found == nullptr) return false;
    ids.insert(ids.end(), found->ids.begin(), found->ids.end());
    return true;
}

}  // namespace facet
