// One address that is listened on.
//
// Owns: the listening socket, the names it comes from, and how accepted sockets are set up. All
// calls but open() come from the I/O thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/http_limits.h"

namespace facet::serve {

class Listener {
  public:
    using Take = std::function<void(boost::asio::ip::tcp::socket)>;

    // Errors: the system's, with the address.
    static Result<std::unique_ptr<Listener>> open(boost::asio::io_context& loop,
                                                  const boost::asio::ip::tcp::endpoint& endpoint,
                                                  Take take);
    ~Listener();

    void start();
    uint16_t port() const;

  private:
    struct State;
    explicit Listener(std::shared_ptr<State> state);
    static void accept_next(const std::shared_ptr<State>& state);

    std::shared_ptr<State> state_;
};

// The addresses of a name or address. Errors: there are none.
Result<std::vector<boost::asio::ip::tcp::endpoint>> resolve_host(const std::string& host,
                                                                 uint16_t port);

// Events leave at once, dead peers are found, and a slow reader's data does not pile up in the
// kernel.
void tune_socket(boost::asio::ip::tcp::socket& socket, const HttpLimits& limits);

}  // namespace facet::serve
