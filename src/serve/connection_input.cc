// How a connection reads: bytes to requests, requests to handlers. See http_connection.h.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <random>

#include "serve/http_connection.h"
#include "serve/response_sink.h"

namespace facet::serve {

using boost::system::error_code;

namespace {

// What a client may send ahead while its request is answered. Beyond it, reading waits.
constexpr size_t kReadAheadBytesMax = 64 << 10;
constexpr size_t kRequestIdBytesMax = 64;
constexpr std::chrono::seconds kRetryAfter{5};

// An id from outside goes into logs and headers, so it is a plain word or none.
bool is_request_id(std::string_view id) {
    return !id.empty() && id.size() <= kRequestIdBytesMax &&
           std::all_of(id.begin(), id.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '-' || c == '_' || c == '.';
           });
}

std::string new_request_id() {
    thread_local std::mt19937_64 random(std::random_device{}());
    return fmt::format("{:016x}", random());
}

}  // namespace

void HttpConnection::read_more() {
    if (reading_ || input_ended_ || phase_ == Phase::kClosed) return;
    const bool is_ahead = phase_ != Phase::kReading && phase_ != Phase::kLingering;
    if (is_ahead && parser_.buffered_bytes() >= kReadAheadBytesMax) return;
    reading_ = true;
    transport_->read_some(read_buffer_,
                          [self = shared_from_this()](const error_code& error, size_t bytes) {
                              self->reading_ = false;
                              self->on_read(error, bytes);
                          });
}

void HttpConnection::on_read(const error_code& error, size_t bytes) {
    if (phase_ == Phase::kClosed) return;
    if (error) return end_input(error);
    context_->counters.bytes_received += bytes;
    if (phase_ != Phase::kLingering) parser_.feed({read_buffer_.data(), bytes});
    if (phase_ == Phase::kReading) process_input();
    read_more();
}

// A client that has ended its side may still read: an answer that is complete or nearly so is
// written. A stream has no such end in sight, and who makes the answer is told in any case.
void HttpConnection::end_input(const error_code& error) {
    input_ended_ = true;
    const bool may_read = error == boost::asio::error::eof;
    if (may_read && phase_ == Phase::kResponding) return;
    if (may_read && phase_ == Phase::kHandling) {
        exchange_->cancel.request_stop();
        return;
    }
    close(Outcome::kClientLeft);
}

void HttpConnection::process_input() {
    while (phase_ == Phase::kReading) {
        switch (parser_.advance()) {
            case RequestParser::State::kHead:
                if (input_ended_) return close(Outcome::kClientLeft);
                return await_head();
            case RequestParser::State::kHeadDone:
                if (!begin_request()) return;
                break;
            case RequestParser::State::kBody:
                if (!take_body()) return;
                if (input_ended_) return close(Outcome::kClientLeft);
                return;
            case RequestParser::State::kComplete:
                if (take_body()) dispatch();
                return;
            case RequestParser::State::kFailed:
                return reject(error_response(parser_.error().status, parser_.error().message));
        }
    }
}

// The time for a head runs from its first byte and is not extended by the next.
void HttpConnection::await_head() {
    if (parser_.buffered_bytes() == 0) {
        // Who has not asked anything yet does not get the time that an open connection is worth.
        set_deadline(answered_some_ ? limits_.idle_timeout : limits_.header_timeout);
    } else if (!receiving_) {
        receiving_ = true;
        set_deadline(limits_.header_timeout);
    }
}

void HttpConnection::begin_exchange() {
    exchange_->begun = true;
    exchange_->head_complete = Clock::now();
    exchange_->written_before = writer_.bytes_written();
    exchange_->record.time = std::chrono::system_clock::now();
    exchange_->record.id = new_request_id();
    exchange_->record.peer = peer_;
    ++context_->counters.requests_open;
}

bool HttpConnection::begin_request() {
    const Request& head = parser_.head();
    begin_exchange();
    const std::string* id = head.headers.find("x-request-id");
    if (id != nullptr && is_request_id(*id)) exchange_->record.id = *id;
    exchange_->record.method = head.method;
    exchange_->record.path = head.path;
    exchange_->head_only = head.method == "HEAD";
    exchange_->body_share = std::make_shared<BodyShare>(context_->body_bytes);

    std::optional<Response> refused = context_->guard.check_origin(head);
    Router::Match match;
    if (!refused) {
        // A page that may ask may also read why it is refused.
        context_->guard.add_cors_headers(head, exchange_->cors_headers);
        refused = refusal(head, match);
    }
    if (refused) {
        reject(std::move(*refused));
        return false;
    }
    exchange_->route = match.route;
    exchange_->path_parameters = std::move(match.path_parameters);
    receiving_ = true;
    set_deadline(limits_.body_timeout);
    if (parser_.expects_continue()) writer_.write("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

// In an order that tells a stranger nothing: who asks comes before what is asked for.
std::optional<Response> HttpConnection::refusal(const Request& head, Router::Match& match) const {
    const Guard& guard = context_->guard;
    if (auto response = guard.preflight(head)) return response;
    match = context_->router.find(head.method, head.path);
    if (match.route == nullptr || match.route->needs_key) {
        if (auto response = guard.check_key(head)) return response;
    }
    if (match.route == nullptr) {
        if (match.allow.empty()) {
            return error_response(404, fmt::format("there is no {}", head.path));
        }
        Response response = error_response(
            405, fmt::format("{} is not for {}, but for {}", head.path, head.method, match.allow));
        response.headers.add("allow", match.allow);
        return response;
    }
    const std::string* expect = head.headers.find("expect");
    if (expect != nullptr && !equals_ignoring_case(*expect, "100-continue")) {
        return error_response(417, "the only expectation understood is 100-continue");
    }
    if (context_->draining) {
        return retry_response(503, "the server is about to stop", kRetryAfter);
    }
    return std::nullopt;
}

bool HttpConnection::take_body() {
    const size_t bytes = parser_.body_bytes();
    if (!exchange_->body_share->grow_to(bytes, limits_.body_bytes_total)) {
        reject(retry_response(503, "the server holds too many large requests", kRetryAfter));
        return false;
    }
    deadline_ = exchange_->head_complete + limits_.body_timeout +
                std::chrono::milliseconds(1000 * bytes / limits_.body_bytes_per_second);
    return true;
}

void HttpConnection::dispatch() {
    phase_ = Phase::kHandling;
    receiving_ = false;
    clear_deadline();
    Request request = parser_.take_request();
    request.path_parameters = std::move(exchange_->path_parameters);
    request.peer = peer_;
    request.id = exchange_->record.id;
    request.received = exchange_->head_complete;
    request.cancelled = exchange_->cancel.get_token();
    request.body_share = std::move(exchange_->body_share);
    exchange_->record.request_body_bytes = request.body.size();
    // The client that pipelined this may have ended its side long ago.
    if (input_ended_) exchange_->cancel.request_stop();
    context_->run_handler(
        exchange_->route->handler, std::move(request),
        Responder(std::make_shared<Sink>(context_, weak_from_this(), exchange_->cancel)));
}

}  // namespace facet::serve
