// See http_server.h.
#include "serve/http_server.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "serve/http_connection.h"
#include "serve/listener.h"
#include "serve/response_text.h"
#include "serve/server_context.h"
#include "serve/transport.h"

namespace facet::serve {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

// For listeners, logs, models and whatever else the program has open.
constexpr rlim_t kOtherFilesMax = 256;

// Connections are files, and the usual soft limit is below what the hard one permits.
void raise_file_limit(size_t connections) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t wanted = connections + kOtherFilesMax;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min(limit.rlim_max, wanted);
    setrlimit(RLIMIT_NOFILE, &limit);
}

std::string name_of_peer(const Tcp::socket& socket) {
    error_code error;
    const Tcp::endpoint peer = socket.remote_endpoint(error);
    return error ? "local" : peer.address().to_string();
}

}  // namespace

class HttpServer::Core {
  public:
    Core(HttpServerOptions options, Router router, std::unique_ptr<TlsServer> tls,
         const std::vector<std::string>& addresses);
    ~Core();

    Status listen(const std::vector<Tcp::endpoint>& endpoints);
    void run();
    void take(Tcp::socket socket, bool with_tls);
    void adopt(int descriptor);
    bool drain(std::chrono::milliseconds patience);

    const std::shared_ptr<ServerContext>& context() const { return context_; }
    const std::vector<std::string>& urls() const { return urls_; }
    uint16_t port() const { return port_; }

  private:
    void refuse(Tcp::socket socket, bool with_tls);
    void forget(const std::shared_ptr<HttpConnection>& connection);
    bool wait_until_empty(std::chrono::milliseconds patience);
    void close_all();

    const std::shared_ptr<ServerContext> context_;
    const std::unique_ptr<TlsServer> tls_;
    asio::thread_pool handlers_;
    std::vector<std::unique_ptr<Listener>> listeners_;  // the I/O thread's
    std::vector<std::string> urls_;
    uint16_t port_ = 0;
    asio::executor_work_guard<asio::io_context::executor_type> work_;

    std::set<std::shared_ptr<HttpConnection>> connections_;  // the I/O thread's
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t open_ = 0;  // connections, for who waits

    std::thread io_thread_;
};

HttpServer::Core::Core(HttpServerOptions options, Router router, std::unique_ptr<TlsServer> tls,
                       const std::vector<std::string>& addresses)
    : context_(std::make_shared<ServerContext>(options.limits, std::move(router),
                                               Guard(options.guard, addresses),
                                               std::move(options.log))),
      tls_(std::move(tls)),
      handlers_(static_cast<size_t>(std::max(1, options.handler_threads))),
      work_(asio::make_work_guard(context_->loop)) {
    context_->forget = [this](const auto& connection) { forget(connection); };
    context_->run_handler = [this](const Handler& handler, Request request, Responder responder) {
        asio::post(handlers_, [&handler, request = std::move(request),
                               responder = std::move(responder)]() mutable {
            try {
                handler(std::move(request), std::move(responder));
            } catch (const std::exception&) {
                // Out of memory, or a handler's bug: the Responder has answered 500 on its way.
            }
        });
    };
}

HttpServer::Core::~Core() {
    if (io_thread_.joinable()) {
        asio::post(context_->loop, [this] {
            listeners_.clear();
            close_all();
            work_.reset();
        });
        io_thread_.join();
    }
    handlers_.join();
}

Status HttpServer::Core::listen(const std::vector<Tcp::endpoint>& endpoints) {
    Error failure = invalid_input("--host: the name has no address");
    for (Tcp::endpoint endpoint : endpoints) {
        // With port 0 the first address chooses for all.
        if (port_ != 0) endpoint.port(port_);
        auto listener = Listener::open(context_->loop, endpoint, [this](Tcp::socket socket) {
            take(std::move(socket), tls_ != nullptr);
        });
        if (!listener.ok()) {
            failure = listener.error();
            continue;
        }
        port_ = listener.value()->port();
        const std::string address = endpoint.address().to_string();
        const bool is_v6 = endpoint.address().is_v6();
        urls_.push_back(fmt::format("{}://{}:{}", tls_ ? "https" : "http",
                                    is_v6 ? "[" + address + "]" : address, port_));
        listeners_.push_back(listener.take());
    }
    // One address is enough: "localhost" has two where the machine may know one.
    return listeners_.empty() ? Status(failure) : Status();
}

void HttpServer::Core::run() {
    raise_file_limit(context_->limits.connections);
    for (const auto& listener : listeners_) listener->start();
    io_thread_ = std::thread([this] { context_->loop.run(); });
}

void HttpServer::Core::take(Tcp::socket socket, bool with_tls) {
    ServerCounters& counters = context_->counters;
    if (connections_.size() >= context_->limits.connections) {
        ++counters.connections_refused;
        return refuse(std::move(socket), with_tls);
    }
    ++counters.connections_accepted;
    ++counters.connections_open;
    tune_socket(socket, context_->limits);
    std::string peer = name_of_peer(socket);
    auto transport =
        with_tls ? tls_->accept(std::move(socket)) : make_plain_transport(std::move(socket));
    auto connection =
        std::make_shared<HttpConnection>(context_, std::move(transport), std::move(peer));
    connections_.insert(connection);
    {
        const std::lock_guard lock(mutex_);
        ++open_;
    }
    connection->start();
}

// Says why, as far as that goes without waiting.
void HttpServer::Core::refuse(Tcp::socket socket, bool with_tls) {
    if (with_tls) return;
    const Response response =
        retry_response(503, "the server has too many connections", std::chrono::seconds(1));
    HeadOptions head;
    head.body_bytes = response.body.size();
    head.close = true;
    head.time = std::time(nullptr);
    const std::string text = head_text(response.status, response.headers, head) + response.body;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
    socket.shutdown(Tcp::socket::shutdown_send, ignored);
}

void HttpServer::Core::forget(const std::shared_ptr<HttpConnection>& connection) {
    if (connections_.erase(connection) == 0) return;
    --context_->counters.connections_open;
    const std::lock_guard lock(mutex_);
    --open_;
    changed_.notify_all();
}

void HttpServer::Core::adopt(int descriptor) {
    asio::post(context_->loop, [this, descriptor] {
        Tcp::socket socket(context_->loop);
        error_code error;
        socket.assign(Tcp::v4(), descriptor, error);
        if (error) {
            ::close(descriptor);
            return;
        }
        take(std::move(socket), false);
    });
}

void HttpServer::Core::close_all() {
    // A copy, because each forgets itself.
    const auto connections = connections_;
    for (const auto& connection : connections) connection->close();
}

bool HttpServer::Core::wait_until_empty(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return open_ == 0; });
}

bool HttpServer::Core::drain(std::chrono::milliseconds patience) {
    context_->draining = true;
    asio::post(context_->loop, [this] {
        listeners_.clear();
        const auto connections = connections_;
        for (const auto& connection : connections) connection->close_if_idle();
    });
    if (wait_until_empty(patience)) return true;
    asio::post(context_->loop, [this] { close_all(); });
    wait_until_empty(std::chrono::seconds(2));
    return false;
}

HttpServer::HttpServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, Router router) {
    if (options.tls_certificate.empty() != options.tls_key.empty()) {
        return invalid_input("--tls-certificate and --tls-key go together");
    }
    const std::vector<Tcp::endpoint> endpoints =
        FACET_TRY(resolve_host(options.host, options.port));
    std::vector<std::string> addresses;
    for (const Tcp::endpoint& endpoint : endpoints) {
        addresses.push_back(endpoint.address().to_string());
    }
    FACET_TRY(check_exposure(addresses, !options.guard.api_keys.empty(), options.insecure));
    std::unique_ptr<TlsServer> tls;
    if (!options.tls_key.empty()) {
        tls = FACET_TRY(TlsServer::load(options.tls_certificate, options.tls_key));
    }
    auto core =
        std::make_unique<Core>(std::move(options), std::move(router), std::move(tls), addresses);
    FACET_TRY(core->listen(endpoints));
    core->run();
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

uint16_t HttpServer::port() const { return core_->port(); }
const std::vector<std::string>& HttpServer::urls() const { return core_->urls(); }
void HttpServer::adopt(int socket) { core_->adopt(socket); }
bool HttpServer::drain(std::chrono::milliseconds patience) { return core_->drain(patience); }
bool HttpServer::draining() const { return core_->context()->draining; }
const ServerCounters& HttpServer::counters() const { return core_->context()->counters; }

}  // namespace facet::serve
