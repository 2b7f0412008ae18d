// One client: requests in, answers out, in order, until either side ends it.
//
// Owns: the phases of a connection, its one deadline, and the bookkeeping of the request that it
// answers. Everything here runs on the I/O thread; handlers reach it through ResponseSink, which
// posts. One request is answered at a time; what the client pipelines waits, a bounded amount.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "serve/request_parser.h"
#include "serve/response_text.h"
#include "serve/response_writer.h"
#include "serve/server_context.h"
#include "serve/transport.h"

namespace facet::serve {

class BodyShare;  // response_sink.h

// The request that a connection reads or answers.
struct Exchange {
    AccessRecord record;
    std::chrono::steady_clock::time_point head_complete;
    std::stop_source cancel;
    std::shared_ptr<BodyShare> body_share;
    const Route* route = nullptr;
    std::vector<std::string> path_parameters;
    Headers cors_headers;
    std::shared_ptr<StreamBuffer> stream;
    StreamKind stream_kind = StreamKind::kEvents;
    BodyFraming framing = BodyFraming::kLength;
    uint64_t written_before = 0;
    bool begun = false;  // and the end not noted yet
    bool head_only = false;
    bool close_after = false;
    bool broken = false;  // the answer ends in the middle
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
  public:
    HttpConnection(std::shared_ptr<ServerContext> context, std::shared_ptr<Transport> transport,
                   std::string peer);

    void start();
    // Ends the connection unless a request has begun to arrive or is being answered.
    void close_if_idle();
    // Ends it now; a request that is being answered is cancelled.
    void close() { close(Outcome::kServerClosed); }

  private:
    using Clock = std::chrono::steady_clock;
    enum class Phase {
        kHandshake,
        kReading,     // a request
        kHandling,    // the handler has it
        kResponding,  // the answer is complete, and not yet with the system
        kStreaming,   // the answer is being made
        kLingering,   // ending: the client may read its answer first
        kClosed,
    };
    class Sink;

    // Input.
    void read_more();
    void on_read(const boost::system::error_code& error, size_t bytes);
    void end_input(const boost::system::error_code& error);
    void process_input();
    void await_head();
    void begin_exchange();
    bool begin_request();  // false: it is being answered already
    bool take_body();      // false: it is being answered already
    std::optional<Response> refusal(const Request& head, Router::Match& match) const;
    void dispatch();

    // Output.
    void reject(Response response);
    void respond(Response response);
    void begin_stream(const StreamHead& head, std::shared_ptr<StreamBuffer> buffer);
    void flush_stream();
    void write_head(int status, Headers headers, BodyFraming framing, size_t body_bytes);
    void write_piece(std::string_view bytes);
    void on_drained();
    void finish_request();
    void linger();
    void drop_client();

    void close(Outcome outcome);
    void note_end(Outcome outcome);

    // The deadline.
    void set_deadline(Clock::duration from_now);
    void clear_deadline() { deadline_ = Clock::time_point::max(); }
    void arm_timer();
    void on_deadline();
    void on_writing_deadline();

    const std::shared_ptr<ServerContext> context_;
    const HttpLimits& limits_;
    const std::shared_ptr<Transport> transport_;
    const std::string peer_;
    RequestParser parser_;
    ResponseWriter writer_;
    std::array<char, 32 << 10> read_buffer_;
    Phase phase_ = Phase::kHandshake;
    bool reading_ = false;
    bool input_ended_ = false;
    bool answered_some_ = false;

    boost::asio::steady_timer timer_;
    Clock::time_point deadline_ = Clock::time_point::max();
    Clock::time_point armed_ = Clock::time_point::max();
    bool receiving_ = false;  // the deadline is that of a head or body, not of an idle connection

    // Never empty; made anew for each request.
    std::optional<Exchange> exchange_{std::in_place};
};

}  // namespace facet::serve
