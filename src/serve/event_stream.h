// An answer that is sent while it is made: server-sent events, or raw pieces of a body.
//
// Owns: the buffer between whoever makes the answer and the connection that writes it, and the form
// of an event (WHATWG HTML, "Server-sent events"). Knows neither sockets nor chunked coding.
//
// Any thread may send; nothing blocks. What is sent waits in the buffer until the client takes it,
// and a client that lets it run full, or takes nothing for HttpLimits::write_timeout, is dropped.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "serve/http_message.h"

namespace facet::serve {

enum class StreamKind {
    kEvents,  // text/event-stream; gets comments while it is silent
    kRaw,     // the content type that the head gives
};

struct StreamHead {
    StreamKind kind = StreamKind::kEvents;
    int status = 200;
    Headers headers;
};

// What producer and connection share. Only EventStream and the connection use it.
class StreamBuffer {
  public:
    // `wake` is called, from any thread, when there is something new to take.
    StreamBuffer(size_t bytes_max, std::function<void()> wake, std::stop_source gone)
        : bytes_max_(bytes_max), wake_(std::move(wake)), gone_(std::move(gone)) {}

    enum class End {
        kOpen,
        kFinished,   // the answer is complete
        kAbandoned,  // its producer went away in the middle
    };
    struct Taken {
        std::string bytes;
        End end = End::kOpen;
    };

    // False if nobody takes it any longer.
    bool append(std::string_view bytes);
    void end(End how);
    // All that waits; wakes again only after this.
    Taken take();
    // The client is gone. Runs the callbacks of gone().
    void close();

    std::stop_token gone() const { return gone_.get_token(); }
    bool closed() const;
    // The client did not keep up, and something was dropped.
    bool overflowed() const;

  private:
    const size_t bytes_max_;
    const std::function<void()> wake_;
    const std::stop_source gone_;
    mutable std::mutex mutex_;
    std::string pending_;
    End end_ = End::kOpen;
    bool overflowed_ = false;
    bool closed_ = false;
    bool woken_ = false;
};

// The producer's end. Movable; sending from several threads at once is safe, moving is not. If it
// goes away before finish(), the client sees a broken connection and not a complete answer.
class EventStream {
  public:
    explicit EventStream(std::shared_ptr<StreamBuffer> buffer) : buffer_(std::move(buffer)) {}
    EventStream(EventStream&&) noexcept = default;
    EventStream& operator=(EventStream&& other) noexcept;
    ~EventStream();

    // One event. Line ends in `data` are kept as the protocol keeps them; `name` is one line.
    // False if the client is gone; so are the other two.
    bool send_event(std::string_view data, std::string_view name = {});
    bool send_comment(std::string_view text);
    // Bytes as they are.
    bool send_raw(std::string_view bytes);
    // The answer is complete; what comes later is dropped.
    void finish();

    // Whether the client is gone. What was finished stays open for this question.
    bool closed() const;
    // Calls `callback` once if the client goes before it has the whole answer: at once if it is
    // gone already, else on the I/O thread. It must be short, and not wait for whoever may be
    // destroying this object, because that waits for it. At most one.
    void on_closed(std::function<void()> callback);
    // The same as Request::cancelled.
    std::stop_token gone() const { return buffer_->gone(); }

  private:
    using Callback = std::stop_callback<std::function<void()>>;

    std::shared_ptr<StreamBuffer> buffer_;  // null after a move
    std::unique_ptr<Callback> on_closed_;
};

// The text of an event: "event:" and "data:" lines and the empty line.
std::string event_text(std::string_view data, std::string_view name);

}  // namespace facet::serve
