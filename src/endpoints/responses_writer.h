// Answers of OpenAI's responses: one object, or named events with numbers.
#pragma once

#include <string>

#include "base/json.h"
#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"

namespace facet::endpoints {

class ResponseWriter : public ReplyWriter {
  public:
    // request: some of its members are part of the answer.
    ResponseWriter(const ServedModel& served, const Json& request);

    void event(EventOutput& output, size_t index, const Choice& choice,
               const api::Event& event) override;
    void end(EventOutput& output, std::span<const Choice> choices) override;
    void fail(EventOutput& output, const Error& error) override;
    Json whole(std::span<const Choice> choices) override;

  private:
    enum class Open { kNone, kReasoning, kMessage };

    Json response(std::string_view status) const;
    Json finished(const Choice& choice) const;
    void send(EventOutput& output, Json event);
    // An event about the item that is open, and its part.
    Json about_item(const char* type) const;
    void begin(EventOutput& output);
    void open(EventOutput& output, Open what);
    void close(EventOutput& output);
    void send_call(EventOutput& output, const Json& call);

    const std::string model_, id_;
    const int64_t created_;
    Json echoed_ = Json::object();
    int64_t number_ = 0;  // of the next event
    bool has_begun_ = false;
    Open open_ = Open::kNone;
    std::string item_id_, text_;  // of the open item
    Json items_ = Json::array();  // those that are complete
};

}  // namespace facet::endpoints
