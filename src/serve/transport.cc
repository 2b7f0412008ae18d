// See transport.h.
#include "serve/transport.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

namespace facet::serve {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

// How long a TLS client may take to hear that the connection ends.
constexpr std::chrono::seconds kTlsGoodbye{1};

class PlainTransport final : public Transport {
  public:
    explicit PlainTransport(Tcp::socket socket) : socket_(std::move(socket)) {}

    void handshake(std::function<void(const error_code&)> done) override {
        asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
    }
    void read_some(std::span<char> into, Done done) override {
        socket_.async_read_some(asio::buffer(into.data(), into.size()), std::move(done));
    }
    void write_some(std::string_view bytes, Done done) override {
        socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), std::move(done));
    }
    void end_sending() override {
        error_code ignored;
        socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    }
    void close() override {
        error_code ignored;
        socket_.close(ignored);
    }

  private:
    Tcp::socket socket_;
};

class TlsTransport final : public Transport, public std::enable_shared_from_this<TlsTransport> {
  public:
    TlsTransport(Tcp::socket socket, asio::ssl::context& context)
        : stream_(std::move(socket), context), goodbye_(stream_.get_executor()) {}

    void handshake(std::function<void(const error_code&)> done) override {
        stream_.async_handshake(
            asio::ssl::stream_base::server,
            [self = shared_from_this(), done = std::move(done)](const error_code& error) {
                self->is_open_ = !error;
                done(error);
            });
    }
    // A read or write that fails leaves nothing to say goodbye through (OpenSSL, SSL_shutdown).
    void read_some(std::span<char> into, Done done) override {
        stream_.async_read_some(asio::buffer(into.data(), into.size()), watched(std::move(done)));
    }
    void write_some(std::string_view bytes, Done done) override {
        stream_.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                                 watched(std::move(done)));
    }
    // TLS has no half-closed connections that clients agree on.
    void end_sending() override {}
    void close() override {
        error_code ignored;
        // Before the stream's shutdown, which must not meet a read or write that runs.
        stream_.next_layer().cancel(ignored);
        if (!std::exchange(is_open_, false)) {
            stream_.next_layer().close(ignored);
            return;
        }
        asio::post(stream_.get_executor(), [self = shared_from_this()] { self->say_goodbye(); });
    }

  private:
    Done watched(Done done) {
        return [self = shared_from_this(), done = std::move(done)](const error_code& error,
                                                                   size_t bytes) {
            if (error) self->is_open_ = false;
            done(error, bytes);
        };
    }
    void say_goodbye() {
        goodbye_.expires_after(kTlsGoodbye);
        goodbye_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) self->close_socket();
        });
        stream_.async_shutdown([self = shared_from_this()](const error_code&) {
            self->goodbye_.cancel();
            self->close_socket();
        });
    }
    void close_socket() {
        error_code ignored;
        stream_.next_layer().close(ignored);
    }

    asio::ssl::stream<Tcp::socket> stream_;
    asio::steady_timer goodbye_;
    bool is_open_ = false;
};

}  // namespace

std::shared_ptr<Transport> make_plain_transport(Tcp::socket socket) {
    return std::make_shared<PlainTransport>(std::move(socket));
}

struct TlsServer::Context {
    asio::ssl::context ssl{asio::ssl::context::tls_server};
};

TlsServer::TlsServer(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TlsServer::~TlsServer() = default;

Result<std::unique_ptr<TlsServer>> TlsServer::load(const std::string& certificate_file,
                                                   const std::string& key_file) {
    auto context = std::make_unique<Context>();
    asio::ssl::context& ssl = context->ssl;
    SSL_CTX_set_min_proto_version(ssl.native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_options(ssl.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // Many connections are idle; their buffers need not be there meanwhile.
    SSL_CTX_set_mode(ssl.native_handle(), SSL_MODE_RELEASE_BUFFERS);
    error_code error;
    ssl.use_certificate_chain_file(certificate_file, error);
    if (error) {
        return invalid_input(
            fmt::format("--tls-certificate: '{}' is no readable PEM certificate ({})",
                        certificate_file, error.message()));
    }
    // Without this OpenSSL would ask for a passphrase on the terminal.
    ssl.set_password_callback(
        [](size_t, asio::ssl::context::password_purpose) { return std::string(); });
    ssl.use_private_key_file(key_file, asio::ssl::context::pem, error);
    if (error) {
        return invalid_input(
            fmt::format("--tls-key: '{}' is no readable PEM key without passphrase that belongs to "
                        "'{}' ({})",
                        key_file, certificate_file, error.message()));
    }
    return std::unique_ptr<TlsServer>(new TlsServer(std::move(context)));
}

std::shared_ptr<Transport> TlsServer::accept(Tcp::socket socket) const {
    return std::make_shared<TlsTransport>(std::move(socket), context_->ssl);
}

}  // namespace facet::serve
