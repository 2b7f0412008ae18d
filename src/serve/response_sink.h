// The two things of a connection's request that outlive it: where its answer goes, and what its
// body takes of the server's memory. Only the connection's own files include this.
#pragma once

#include <boost/asio/post.hpp>

#include "serve/http_connection.h"

namespace facet::serve {

// Handlers answer from any thread and at any time, also when connection or server are gone. Neither
// is kept alive by it.
class HttpConnection::Sink final : public ResponseSink {
  public:
    Sink(const std::shared_ptr<ServerContext>& context, std::weak_ptr<HttpConnection> connection,
         std::stop_source cancel)
        : context_(context), connection_(std::move(connection)), cancel_(std::move(cancel)) {}

    void respond(Response response) override {
        post([response = std::move(response)](HttpConnection& connection) mutable {
            connection.respond(std::move(response));
        });
    }
    std::shared_ptr<StreamBuffer> open_stream(StreamHead head) override;

  private:
    template <typename Action>
    static void post_to(const std::weak_ptr<ServerContext>& weak_context,
                        const std::weak_ptr<HttpConnection>& weak_connection, Action action) {
        const auto context = weak_context.lock();
        if (!context) return;
        boost::asio::post(context->loop, [weak_connection, action = std::move(action)]() mutable {
            if (const auto connection = weak_connection.lock()) action(*connection);
        });
    }
    template <typename Action>
    void post(Action action) {
        post_to(context_, connection_, std::move(action));
    }

    const std::weak_ptr<ServerContext> context_;
    const std::weak_ptr<HttpConnection> connection_;
    const std::stop_source cancel_;
};

class BodyShare {
  public:
    explicit BodyShare(std::shared_ptr<std::atomic<size_t>> total) : total_(std::move(total)) {}
    BodyShare(const BodyShare&) = delete;
    BodyShare& operator=(const BodyShare&) = delete;
    ~BodyShare() { *total_ -= bytes_; }

    // False, and unchanged, if all bodies together would then be larger than `total_max`.
    bool grow_to(size_t bytes, size_t total_max) {
        const size_t more = bytes - bytes_;
        if (more == 0) return true;
        if (total_->fetch_add(more) + more > total_max) {
            *total_ -= more;
            return false;
        }
        bytes_ = bytes;
        return true;
    }

  private:
    const std::shared_ptr<std::atomic<size_t>> total_;
    size_t bytes_ = 0;
};

}  // namespace facet::serve
