// A connected socket, with TLS or without.
//
// Owns: the difference between the two, so that the code of a connection is compiled once. All
// calls come from the I/O thread; handlers are called there, later, also after close(). Knows no
// HTTP.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace facet::serve {

class Transport {
  public:
    using Done = std::function<void(const boost::system::error_code&, size_t)>;

    virtual ~Transport() = default;

    virtual void handshake(std::function<void(const boost::system::error_code&)> done) = 0;
    // At most one read and one write at a time; the memory stays the caller's.
    virtual void read_some(std::span<char> into, Done done) = 0;
    virtual void write_some(std::string_view bytes, Done done) = 0;
    // No more will be written; what the client still sends can be read.
    virtual void end_sending() = 0;
    // Ends what runs. A TLS client is told so first if that does not take long.
    virtual void close() = 0;
};

std::shared_ptr<Transport> make_plain_transport(boost::asio::ip::tcp::socket socket);

// The server's side of TLS: certificate and key, and the sockets made with them.
class TlsServer {
  public:
    // PEM files: the certificate with its chain, and its key without a passphrase. TLS 1.2 and 1.3.
    // Errors: a file that can not be read, a key of another certificate.
    static Result<std::unique_ptr<TlsServer>> load(const std::string& certificate_file,
                                                   const std::string& key_file);
    ~TlsServer();

    std::shared_ptr<Transport> accept(boost::asio::ip::tcp::socket socket) const;

  private:
    struct Context;
    explicit TlsServer(std::unique_ptr<Context> context);

    std::unique_ptr<Context> context_;
};

}  // namespace facet::serve
