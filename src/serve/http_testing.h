// For tests: a client on a raw socket that sends what it is told, however wrong, and a strict
// reader of responses.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "serve/http_message.h"
#include "serve/http_server.h"

namespace facet::serve::testing {

using std::chrono::milliseconds;

// Longer than anything takes, even under a sanitizer on a busy machine.
constexpr milliseconds kPatience{20'000};

// Waits for what another thread brings about.
inline bool eventually(const std::function<bool()>& holds, milliseconds patience = kPatience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
}

struct TestResponse {
    int status = 0;  // 0: nothing that is a response
    std::string head;
    Headers headers;
    std::string body;
    bool complete = false;  // the body ended as its framing says

    std::string header(std::string_view name) const {
        const std::string* value = headers.find(name);
        return value == nullptr ? "" : *value;
    }
};

class TestClient {
  public:
    explicit TestClient(uint16_t port, int receive_bytes = 0) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (receive_bytes > 0) {
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
        }
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) close();
    }
    TestClient(TestClient&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), input_(std::move(other.input_)) {}
    TestClient& operator=(TestClient&&) = delete;
    ~TestClient() { close(); }

    bool connected() const { return fd_ >= 0; }
    int descriptor() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    // With a reset instead of an orderly end.
    void abort() {
        const linger hard{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close();
    }
    void half_close() { ::shutdown(fd_, SHUT_WR); }

    // False if the server has closed its side for good.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<size_t>(sent));
        }
        return true;
    }

    // Waits for bytes; false at the end of the connection, and when patience is over.
    bool receive(milliseconds patience = kPatience) {
        pollfd waiting{fd_, POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(patience.count())) != 1) return false;
        char buffer[16 << 10];
        const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
        if (got <= 0) return false;
        input_.append(buffer, static_cast<size_t>(got));
        return true;
    }
    bool receive_until(std::string_view text) {
        while (input_.find(text) == std::string::npos) {
            if (!receive()) return false;
        }
        return true;
    }
    // Everything up to the end of the connection, which must come.
    std::string receive_all() {
        while (receive()) {
        }
        return std::exchange(input_, {});
    }
    bool is_closed_by_server() {
        while (receive()) {
        }
        char byte;
        const ssize_t got = ::recv(fd_, &byte, 1, MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno != EAGAIN);
    }
    std::string& input() { return input_; }

    TestResponse read_response(bool head_only = false) {
        TestResponse response;
        if (!receive_until("\r\n\r\n")) return response;
        const size_t end = input_.find("\r\n\r\n") + 4;
        response.head = input_.substr(0, end);
        input_.erase(0, end);
        parse_head(response);
        if (head_only || response.status == 204 || response.status == 304 ||
            response.status < 200) {
            response.complete = true;
        } else if (response.header("transfer-encoding") == "chunked") {
            response.complete = read_chunks(response.body);
        } else if (!response.header("content-length").empty()) {
            const size_t bytes = std::stoul(response.header("content-length"));
            while (input_.size() < bytes && receive()) {
            }
            response.complete = input_.size() >= bytes;
            response.body = input_.substr(0, bytes);
            input_.erase(0, bytes);
        } else {
            response.body = receive_all();
            response.complete = true;
        }
        return response;
    }

    TestResponse ask(std::string_view request) {
        send(request);
        return read_response();
    }

  private:
    static void parse_head(TestResponse& response) {
        const std::string& head = response.head;
        if (!head.starts_with("HTTP/1.1 ") || head.size() < 15) return;
        response.status = std::atoi(head.c_str() + 9);
        for (size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
            const size_t end = head.find("\r\n", at);
            const std::string line = head.substr(at, end - at);
            const size_t colon = line.find(": ");
            if (colon == std::string::npos) {
                response.status = 0;
                return;
            }
            response.headers.add(line.substr(0, colon), line.substr(colon + 2));
            at = end + 2;
        }
    }
    bool read_chunks(std::string& body) {
        for (;;) {
            if (!receive_until("\r\n")) return false;
            const size_t bytes = std::strtoul(input_.c_str(), nullptr, 16);
            input_.erase(0, input_.find("\r\n") + 2);
            while (input_.size() < bytes + 2) {
                if (!receive()) return false;
            }
            body += input_.substr(0, bytes);
            if (input_.substr(bytes, 2) != "\r\n") return false;
            input_.erase(0, bytes + 2);
            if (bytes == 0) return true;
        }
    }

    int fd_ = -1;
    std::string input_;
};

inline std::string get(std::string_view path, std::string_view headers = "") {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
           "\r\n";
}

inline std::string post(std::string_view path, std::string_view body,
                        std::string_view headers = "") {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

inline std::unique_ptr<HttpServer> start_server(Router router, HttpServerOptions options = {}) {
    options.port = 0;
    auto server = HttpServer::start(std::move(options), std::move(router));
    if (!server.ok()) ADD_FAILURE() << server.error().message;
    return server.ok() ? server.take() : nullptr;
}

// A text answer.
inline Response text_response(std::string body) {
    Response response;
    response.headers.add("content-type", "text/plain");
    response.body = std::move(body);
    return response;
}

// GET /hello says hello; POST /echo gives the body back.
inline Router small_router() {
    Router router;
    router.add("GET", "/hello",
               [](Request, Responder responder) { responder.send(text_response("hello")); });
    router.add("POST", "/echo", [](Request request, Responder responder) {
        responder.send(text_response(std::move(request.body)));
    });
    return router;
}

inline size_t open_descriptors() {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        count += entry.exists() || entry.is_symlink() ? 1 : 0;
    }
    return count;
}

}  // namespace facet::serve::testing
