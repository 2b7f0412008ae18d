// For tests: a server whose answers wait until the test makes them, from its own thread.
#pragma once

#include <list>
#include <mutex>

#include "serve/http_testing.h"

namespace facet::serve::testing {

// GET /stream and GET /hold leave their answer to the test, which makes it from its own thread.
class Held {
  public:
    Router router() {
        Router router = small_router();
        router.add("GET", "/stream", [this](Request, Responder responder) {
            auto stream = responder.start_stream();
            if (!stream) {
                responder.send(retry_response(429, "too many streams", std::chrono::seconds(1)));
                return;
            }
            const std::lock_guard lock(mutex_);
            streams_.push_back(std::move(*stream));
        });
        router.add("GET", "/hold", [this](Request request, Responder responder) {
            const std::lock_guard lock(mutex_);
            requests_.push_back(std::move(request));
            responders_.push_back(std::move(responder));
        });
        return router;
    }
    // Sends to all streams and lets go of those whose client is gone; how many are left.
    size_t send(std::string_view data) {
        const std::lock_guard lock(mutex_);
        streams_.remove_if([&](EventStream& stream) { return !stream.send_event(data); });
        return streams_.size();
    }
    size_t stream_count() {
        const std::lock_guard lock(mutex_);
        return streams_.size();
    }
    void finish() {
        const std::lock_guard lock(mutex_);
        for (EventStream& stream : streams_) stream.finish();
        streams_.clear();
    }
    size_t held_count() {
        const std::lock_guard lock(mutex_);
        return responders_.size();
    }
    bool first_is_cancelled() {
        const std::lock_guard lock(mutex_);
        return requests_.front().cancelled.stop_requested();
    }
    void answer_first(Response response) {
        const std::lock_guard lock(mutex_);
        responders_.front().send(std::move(response));
        responders_.pop_front();
        requests_.pop_front();
    }
    std::list<EventStream>& streams() { return streams_; }

  private:
    std::mutex mutex_;
    std::list<EventStream> streams_;
    std::list<Request> requests_;
    std::list<Responder> responders_;
};

// One client with a stream and one that waits for its answer.
struct StreamAndWaiting {
    StreamAndWaiting(Held& held, const HttpServer& server)
        : stream(server.port()), waiting(server.port()) {
        stream.send(get("/stream"));
        waiting.send(get("/hold"));
        EXPECT_TRUE(eventually([&] { return held.stream_count() + held.held_count() == 2; }));
    }
    TestClient stream, waiting;
};

inline bool is_healthy(const HttpServer& server) {
    TestClient client(server.port());
    return client.ask(get("/hello")).body == "hello";
}

inline bool forgets_all(const HttpServer& server) {
    return eventually([&] { return server.counters().connections_open == 0; });
}

}  // namespace facet::serve::testing
