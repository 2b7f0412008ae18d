// Writes what a connection has to say, in order, and says when it is through.
//
// Owns: the queue of bytes to write. Its limits are the connection's: one response, or what a
// stream's buffer holds. Runs on the I/O thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "serve/transport.h"

namespace facet::serve {

class ResponseWriter {
  public:
    struct Events {
        std::function<void()> on_progress;  // another kProgressBytes are with the system
        std::function<void()> on_drained;   // everything is
        std::function<void()> on_failed;    // the client is gone
    };
    static constexpr size_t kProgressBytes = 64 << 10;

    // The transport outlives the writer; `keep_alive()` gives what must live while a write runs,
    // the writer itself included.
    ResponseWriter(Transport& transport, Events events,
                   std::function<std::shared_ptr<void>()> keep_alive)
        : transport_(transport), events_(std::move(events)), keep_alive_(std::move(keep_alive)) {}

    void write(std::string bytes);
    bool busy() const { return !queue_.empty(); }
    uint64_t bytes_written() const { return bytes_written_; }
    // Nothing is written or reported any longer.
    void stop() { stopped_ = true; }

  private:
    void write_more();
    void on_written(const boost::system::error_code& error, size_t bytes);

    Transport& transport_;
    const Events events_;
    const std::function<std::shared_ptr<void>()> keep_alive_;
    std::deque<std::string> queue_;
    size_t sent_ = 0;  // of the first
    size_t since_progress_ = 0;
    uint64_t bytes_written_ = 0;
    bool stopped_ = false;
};

}  // namespace facet::serve
