// The one answer to a request.
//
// Owns: the promise that every request is answered exactly once. A handler may answer at once, or
// keep the Responder and answer later from any thread; nothing waits for it meanwhile.
#pragma once

#include <memory>
#include <optional>

#include "serve/event_stream.h"
#include "serve/http_message.h"

namespace facet::serve {

// Where answers go: a connection, or a test. Called from any thread.
class ResponseSink {
  public:
    virtual ~ResponseSink() = default;
    virtual void respond(Response response) = 0;
    // Null if the server has as many streams as it may; the request is then still to be answered.
    virtual std::shared_ptr<StreamBuffer> open_stream(StreamHead head) = 0;
};

// Movable. Gone without an answer, it answers 500. A client that left takes any answer silently.
class Responder {
  public:
    explicit Responder(std::shared_ptr<ResponseSink> sink) : sink_(std::move(sink)) {}
    Responder(Responder&&) noexcept = default;
    Responder& operator=(Responder&&) = delete;
    ~Responder() {
        if (sink_) sink_->respond(error_response(500, "the request was not answered"));
    }

    void send(Response response) { std::exchange(sink_, nullptr)->respond(std::move(response)); }

    // Starts an answer that is sent while it is made. Nothing if there are too many streams
    // already: then send() is to answer, as with 429.
    std::optional<EventStream> start_stream(StreamHead head = {}) {
        std::shared_ptr<StreamBuffer> buffer = sink_->open_stream(std::move(head));
        if (!buffer) return std::nullopt;
        sink_ = nullptr;
        return EventStream(std::move(buffer));
    }

  private:
    std::shared_ptr<ResponseSink> sink_;  // null once answered
};

}  // namespace facet::serve
