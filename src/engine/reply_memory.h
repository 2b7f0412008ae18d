// Which ids the model wrote behind each message, so that a conversation that comes back is the same
// ids again, whatever its client made of the message.
//
// Clients drop thoughts, and send arguments back with other spacing and key order. A message that
// says the same as a reply to exactly the ids before it is put into the prompt as that reply's ids.
// Inside a tool loop that also brings back a thought that the client dropped; elsewhere a reply
// with a thought is left to the template, which drops thoughts of earlier turns. Owns: the replies,
// and that there are not too many. Any thread.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/assistant_message.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace facet {

class ReplyMemory {
  public:
    // ids_max: ids of all replies that are remembered; the oldest are forgotten first.
    explicit ReplyMemory(size_t ids_max = size_t{4} << 20) : ids_max_(ids_max) {}

    // A reply to `prompt`: its ids, without the end token. Ids of the prompt that belong to the
    // reply (a thought that it opened) are part of `ids` and not of `prompt`.
    void remember(std::span<const int32_t> prompt, std::vector<int32_t> ids, AssistantMessage said);

    // The ids of a rendered chat, with the ids of replies that are remembered.
    std::vector<int32_t> encode(const RenderedChat& chat, const Tokenizer& tokenizer) const;

  private:
    struct Reply {
        uint64_t key = 0;
        std::vector<int32_t> ids;
        AssistantMessage said;
    };

    bool append_reply(uint64_t key, const RenderedReply& rendered, std::vector<int32_t>& ids) const;

    const size_t ids_max_;
    mutable std::mutex mutex_;
    std::list<Reply> replies_;  // the newest first
    std::unordered_multimap<uint64_t, std::list<Reply>::iterator> by_key_;
    size_t ids_held_ = 0;
};

}  // namespace facet
