// Answers of Anthropic's messages: one object, or named events.
#pragma once

#include <string>

#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

class MessageWriter : public ReplyWriter {
  public:
    explicit MessageWriter(const ServedModel& served);

    void event(EventOutput& output, size_t index, const Choice& choice,
               const api::Event& event) override;
    void end(EventOutput& output, std::span<const Choice> choices) override;
    void fail(EventOutput& output, const Error& error) override;
    Json whole(std::span<const Choice> choices) override;

  private:
    enum class Block { kNone, kThinking, kText, kCall };

    Json frame(Json content) const;
    void begin(EventOutput& output, const api::Event& event);
    void open(EventOutput& output, Block block, Json start);
    void close(EventOutput& output);
    void send_delta(EventOutput& output, const char* type, const char* member,
                    std::string_view text);

    const std::string model_, id_;
    bool has_begun_ = false;
    Block block_ = Block::kNone;
    int64_t blocks_ = 0;  // begun so far
};

}  // namespace facet::endpoints
