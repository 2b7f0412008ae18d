// What all connections of a server share.
//
// Owns: limits, routes, guard, counters and the event loop; the loop and what is not atomic belong
// to the I/O thread. Only http_server and http_connection include this.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "serve/access_log.h"
#include "serve/guard.h"
#include "serve/http_limits.h"
#include "serve/router.h"
#include "serve/server_counters.h"

namespace facet::serve {

class HttpConnection;

struct ServerContext {
    ServerContext(const HttpLimits& http_limits, Router all_routes, Guard its_guard,
                  AccessLog access_log)
        : limits(http_limits),
          router(std::move(all_routes)),
          guard(std::move(its_guard)),
          log(std::move(access_log)) {}

    const HttpLimits limits;
    const Router router;
    const Guard guard;
    const AccessLog log;  // may be empty
    ServerCounters counters;
    // Of all bodies in memory. Requests give their share back even after the server's end.
    std::shared_ptr<std::atomic<size_t>> body_bytes = std::make_shared<std::atomic<size_t>>(0);
    std::atomic<size_t> streams = 0;
    std::atomic<bool> draining = false;

    // Runs a handler on one of the handler threads.
    std::function<void(const Handler&, Request, Responder)> run_handler;
    // The connection has closed and forgets its server.
    std::function<void(const std::shared_ptr<HttpConnection>&)> forget;

    // Last, so that what still waits in it is destroyed first.
    boost::asio::io_context loop{1};
};

}  // namespace facet::serve
