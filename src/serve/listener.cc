// See listener.h.
#include "serve/listener.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace facet::serve {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

// Two hundred clients at once must not see a refused connection; the system caps it (somaxconn).
constexpr int kBacklog = 1024;
// After an error such as "too many open files": soon, and not in a busy loop.
constexpr std::chrono::milliseconds kRetryAccept{100};

void set_option(Tcp::socket& socket, int level, int name, int value) {
    // Not all of them exist for all sockets; none is needed for correctness.
    ::setsockopt(socket.native_handle(), level, name, &value, sizeof(value));
}

}  // namespace

struct Listener::State {
    State(asio::io_context& loop, Take taker)
        : acceptor(loop), retry(loop), take(std::move(taker)) {}

    Tcp::acceptor acceptor;
    asio::steady_timer retry;
    Take take;
    bool closed = false;
};

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}

Listener::~Listener() {
    error_code ignored;
    state_->closed = true;
    state_->acceptor.close(ignored);
    state_->retry.cancel();
}

Result<std::unique_ptr<Listener>> Listener::open(asio::io_context& loop,
                                                 const Tcp::endpoint& endpoint, Take take) {
    auto state = std::make_shared<State>(loop, std::move(take));
    Tcp::acceptor& acceptor = state->acceptor;
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) {
        return Error{ErrorKind::kIo,
                     fmt::format("can not listen on {} port {}: {}", endpoint.address().to_string(),
                                 endpoint.port(), error.message())};
    }
    return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

void Listener::start() { accept_next(state_); }

uint16_t Listener::port() const {
    error_code ignored;
    return state_->acceptor.local_endpoint(ignored).port();
}

void Listener::accept_next(const std::shared_ptr<State>& state) {
    state->acceptor.async_accept([state](const error_code& error, Tcp::socket socket) {
        if (state->closed) return;
        if (!error) {
            state->take(std::move(socket));
            accept_next(state);
            return;
        }
        state->retry.expires_after(kRetryAccept);
        state->retry.async_wait([state](const error_code&) {
            if (!state->closed) accept_next(state);
        });
    });
}

Result<std::vector<Tcp::endpoint>> resolve_host(const std::string& host, uint16_t port) {
    asio::io_context loop;
    Tcp::resolver resolver(loop);
    error_code error;
    const auto found = resolver.resolve(
        host, std::to_string(port), Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
    if (error) {
        return invalid_input(
            fmt::format("--host: '{}' is no address of this machine ({})", host, error.message()));
    }
    std::vector<Tcp::endpoint> endpoints;
    for (const auto& entry : found) endpoints.push_back(entry.endpoint());
    return endpoints;
}

void tune_socket(Tcp::socket& socket, const HttpLimits& limits) {
    set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(socket, SOL_SOCKET, SO_SNDBUF, limits.socket_send_bytes);
    set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
    set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
               static_cast<int>(limits.write_timeout.count()));
}

}  // namespace facet::serve
