// What the fuzz target does with its bytes; the test that gives it the seeds of
// fuzz/seeds/http_request does the same.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "serve/http_server.h"
#include "serve/parser_transcript.h"

namespace facet::serve {

// A server with one route of each kind, for the whole program.
inline HttpServer& hostile_bytes_server() {
    static const std::unique_ptr<HttpServer> server = [] {
        Router router;
        router.add("GET", "/hello",
                   [](Request, Responder responder) { responder.send(json_response(200, "{}")); });
        router.add("POST", "/echo/{name}", [](Request request, Responder responder) {
            responder.send(json_response(200, std::move(request.body)));
        });
        router.add("POST", "/stream", [](Request request, Responder responder) {
            auto stream = responder.start_stream();
            stream->send_event(request.body, request.query);
            if (request.query != "break") stream->finish();
        });
        HttpServerOptions options;
        options.port = 0;
        options.handler_threads = 1;
        options.limits.head_bytes = 2048;
        options.limits.target_bytes = 256;
        options.limits.body_bytes = 16 << 10;
        options.limits.linger_timeout = std::chrono::milliseconds(50);
        auto started = HttpServer::start(std::move(options), std::move(router));
        FACET_CHECK(started.ok());
        return started.take();
    }();
    return *server;
}

// Everything that a client gets which sends the bytes and ends its side.
inline std::string answers_to(std::string_view bytes) {
    int ends[2];
    FACET_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    hostile_bytes_server().adopt(ends[0]);
    if (bytes.empty()) ::shutdown(ends[1], SHUT_WR);
    std::string answers;
    for (;;) {
        pollfd client{ends[1], POLLIN, 0};
        if (!bytes.empty()) client.events |= POLLOUT;
        FACET_CHECK(::poll(&client, 1, 30'000) == 1);
        if ((client.revents & (POLLIN | POLLHUP)) != 0) {
            char buffer[4096];
            const ssize_t got = ::recv(ends[1], buffer, sizeof(buffer), 0);
            if (got <= 0) break;
            answers.append(buffer, static_cast<size_t>(got));
        } else {
            const ssize_t sent =
                ::send(ends[1], bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            bytes.remove_prefix(sent < 0 ? bytes.size() : static_cast<size_t>(sent));
            if (bytes.empty()) ::shutdown(ends[1], SHUT_WR);
        }
    }
    ::close(ends[1]);
    return answers;
}

// The parser must make the same of the bytes in one piece and in two. A server must answer with
// responses or not at all. Stops the program if not.
inline void take_hostile_bytes(std::string_view bytes) {
    HttpLimits limits;
    limits.body_bytes = 16 << 10;
    const std::string whole = parser_transcript({bytes}, limits);
    const size_t half = bytes.size() / 2;
    FACET_CHECK(parser_transcript({bytes.substr(0, half), bytes.substr(half)}, limits) == whole);
    const std::string answers = answers_to(bytes);
    FACET_CHECK(answers.empty() || answers.starts_with("HTTP/1.1 "));
}

}  // namespace facet::serve
