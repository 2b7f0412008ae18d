// The HTTP server: listens, takes connections, runs handlers, and ends in order.
//
// Owns: the I/O thread, which does all reading and writing, and a few threads for handlers. An
// answer that takes long holds neither: its handler hands the Responder on and returns. Knows
// nothing of what is served.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/access_log.h"
#include "serve/guard.h"
#include "serve/http_limits.h"
#include "serve/router.h"
#include "serve/server_counters.h"

namespace facet::serve {

struct HttpServerOptions {
    std::string host = "127.0.0.1";  // an address, or a name that stands for some
    uint16_t port = 8080;            // 0: one that is free
    bool insecure = false;           // other addresses than the loopback's without a key
    std::string tls_certificate;     // PEM files, both or none
    std::string tls_key;
    int handler_threads = 2;
    GuardOptions guard;
    HttpLimits limits;
    AccessLog log;  // may be empty
};

class HttpServer {
  public:
    // Listens on every address of the host. Errors: check_exposure(), a name or address that can
    // not be listened on, certificate files.
    static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, Router router);
    // Closes all connections, cancels what runs, and waits for handlers to return. Responders and
    // streams may outlive the server.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    uint16_t port() const;
    // As in "http://127.0.0.1:8080", one for each address.
    const std::vector<std::string>& urls() const;

    // Serves a socket that is connected already, without TLS, and owns it from now on.
    void adopt(int socket);

    // Listens no longer, closes idle connections, lets requests that run come to their end until
    // `patience` is over, then closes the rest. New requests get 503. True if all came to their
    // end. What the command calls on SIGTERM; from any thread but the server's own.
    bool drain(std::chrono::milliseconds patience);
    bool draining() const;

    const ServerCounters& counters() const;

  private:
    class Core;
    explicit HttpServer(std::unique_ptr<Core> core);

    std::unique_ptr<Core> core_;
};

}  // namespace facet::serve
