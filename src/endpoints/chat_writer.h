// Answers of OpenAI's chat completions: one object, or chunks.
#pragma once

#include <cstddef>
#include <vector>

#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

struct ChatWriterOptions {
    bool logprobs = false;
    bool usage = false;     // a last chunk with it
    bool progress = false;  // chunks with "prompt_progress" while the prompt is read
};

class ChatWriter : public ReplyWriter {
  public:
    ChatWriter(const ServedModel& served, ChatWriterOptions options, size_t choices);

    void event(EventOutput& output, size_t index, const Choice& choice,
               const api::Event& event) override;
    void end(EventOutput& output, std::span<const Choice> choices) override;
    void fail(EventOutput& output, const Error& error) override;
    Json whole(std::span<const Choice> choices) override;

  private:
    // What has been sent of a choice.
    struct Sent {
        bool role = false;
        size_t calls = 0;
        size_t logprobs = 0;
    };

    void send_delta(EventOutput& output, size_t index, Json delta, const Choice& choice,
                    std::string_view finish = {});
    void send_progress(EventOutput& output, const api::Event& event);

    const AnswerFrame frame_;
    const ChatWriterOptions options_;
    std::vector<Sent> sent_;
};

}  // namespace facet::endpoints
