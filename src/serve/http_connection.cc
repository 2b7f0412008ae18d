// See http_connection.h. This file: phases, deadlines, the end; connection_input.cc and
// connection_output.cc hold the two directions.
#include "serve/http_connection.h"

#include <boost/asio/post.hpp>

namespace facet::serve {

using boost::system::error_code;

HttpConnection::HttpConnection(std::shared_ptr<ServerContext> context,
                               std::shared_ptr<Transport> transport, std::string peer)
    : context_(std::move(context)),
      limits_(context_->limits),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      parser_(limits_),
      writer_(*transport_,
              {[this] { set_deadline(limits_.write_timeout); }, [this] { on_drained(); },
               [this] { close(Outcome::kClientLeft); }},
              [this] { return shared_from_this(); }),
      timer_(context_->loop) {}

void HttpConnection::start() {
    set_deadline(limits_.header_timeout);
    transport_->handshake([self = shared_from_this()](const error_code& error) {
        if (self->phase_ != Phase::kHandshake) return;
        if (error) {
            self->close(Outcome::kClientLeft);
            return;
        }
        self->phase_ = Phase::kReading;
        self->await_head();
        self->read_more();
    });
}

void HttpConnection::close_if_idle() {
    if (phase_ == Phase::kHandshake || (phase_ == Phase::kReading && !receiving_)) close();
}

void HttpConnection::close(Outcome outcome) {
    if (phase_ == Phase::kClosed) return;
    phase_ = Phase::kClosed;
    const auto self = shared_from_this();
    writer_.stop();
    transport_->close();
    timer_.cancel();
    note_end(outcome);
    context_->forget(self);
}

void HttpConnection::drop_client() {
    ++context_->counters.slow_clients_dropped;
    close(Outcome::kSlowClient);
}

// An answer that is not through is one that nobody waits for any longer.
void HttpConnection::note_end(Outcome outcome) {
    if (!exchange_->begun) return;
    exchange_->begun = false;
    ServerCounters& counters = context_->counters;
    --counters.requests_open;
    if (outcome == Outcome::kClientLeft) ++counters.clients_left;
    if (exchange_->stream) {
        --counters.streams_open;
        --context_->streams;
    }
    AccessRecord& record = exchange_->record;
    record.outcome = outcome;
    record.bytes_sent = writer_.bytes_written() - exchange_->written_before;
    record.total_ms =
        std::chrono::duration<double, std::milli>(Clock::now() - exchange_->head_complete).count();
    counters.bytes_sent += record.bytes_sent;
    if (context_->log) context_->log(record);
    if (outcome == Outcome::kDone) return;
    // Last: these run the callbacks of handlers.
    if (exchange_->stream) exchange_->stream->close();
    exchange_->cancel.request_stop();
}

// The timer is set anew only for an earlier deadline. A later one, as each piece that is written
// brings, waits for the timer to find it.
void HttpConnection::set_deadline(Clock::duration from_now) {
    deadline_ = Clock::now() + from_now;
    if (deadline_ < armed_) arm_timer();
}

void HttpConnection::arm_timer() {
    armed_ = deadline_;
    timer_.expires_at(armed_);
    timer_.async_wait([weak = weak_from_this()](const error_code& error) {
        const auto self = weak.lock();
        if (error || !self || self->phase_ == Phase::kClosed) return;
        self->armed_ = Clock::time_point::max();
        if (self->deadline_ == Clock::time_point::max()) return;
        if (self->deadline_ > Clock::now()) {
            self->arm_timer();
            return;
        }
        self->clear_deadline();
        self->on_deadline();
    });
}

void HttpConnection::on_deadline() {
    switch (phase_) {
        case Phase::kReading:
            if (!receiving_) return close(Outcome::kDone);
            ++context_->counters.request_timeouts;
            return reject(error_response(408, "the request did not arrive in time"));
        case Phase::kResponding:
        case Phase::kStreaming: return on_writing_deadline();
        case Phase::kHandling: return;
        case Phase::kHandshake:
        case Phase::kLingering:
        case Phase::kClosed: return close(Outcome::kDone);
    }
}

void HttpConnection::on_writing_deadline() {
    if (writer_.busy()) return drop_client();
    if (phase_ == Phase::kStreaming && exchange_->stream_kind == StreamKind::kEvents) {
        write_piece(":\n\n");
    }
}

}  // namespace facet::serve
