// How a connection answers: responses and streams to bytes. See http_connection.h.
#include "serve/http_connection.h"
#include "serve/response_sink.h"

namespace facet::serve {

std::shared_ptr<StreamBuffer> HttpConnection::Sink::open_stream(StreamHead head) {
    const auto context = context_.lock();
    const auto wake = [weak_context = context_, weak_connection = connection_] {
        post_to(weak_context, weak_connection,
                [](HttpConnection& connection) { connection.flush_stream(); });
    };
    const size_t bytes_max = context ? context->limits.stream_buffer_bytes : 0;
    auto buffer = std::make_shared<StreamBuffer>(bytes_max, wake, cancel_);
    if (!context) {
        buffer->close();
        return buffer;
    }
    // Counted here, so that no more can be started than there may be; the connection counts down.
    if (context->streams.fetch_add(1) >= context->limits.streams) {
        --context->streams;
        ++context->counters.streams_refused;
        return nullptr;
    }
    boost::asio::post(context->loop, [head = std::move(head), buffer, connection = connection_,
                                      weak_context = context_]() {
        if (const auto alive = connection.lock()) {
            alive->begin_stream(head, buffer);
        } else {
            if (const auto server = weak_context.lock()) --server->streams;
            buffer->close();
        }
    });
    return buffer;
}

// Before any handler has seen the request. A body that is still to come is not waited for.
void HttpConnection::reject(Response response) {
    receiving_ = false;
    if (!exchange_->begun) begin_exchange();
    const bool is_whole = parser_.state() == RequestParser::State::kHeadDone &&
                          !parser_.has_body() &&
                          parser_.advance() == RequestParser::State::kComplete;
    if (!is_whole) exchange_->close_after = true;
    phase_ = Phase::kHandling;
    respond(std::move(response));
}

void HttpConnection::respond(Response response) {
    if (phase_ != Phase::kHandling) return;
    const bool has_body = response.status != 204 && response.status != 304;
    phase_ = Phase::kResponding;
    write_head(response.status, std::move(response.headers),
               has_body ? BodyFraming::kLength : BodyFraming::kNone, response.body.size());
    if (has_body && !exchange_->head_only) writer_.write(std::move(response.body));
}

void HttpConnection::begin_stream(const StreamHead& head, std::shared_ptr<StreamBuffer> buffer) {
    if (phase_ != Phase::kHandling || input_ended_) {
        --context_->streams;
        buffer->close();
        // There is nobody to stream to, but a client that is only half gone must not wait.
        if (phase_ == Phase::kHandling) close(Outcome::kClientLeft);
        return;
    }
    ++context_->counters.streams_started;
    ++context_->counters.streams_open;
    exchange_->record.streamed = true;
    exchange_->stream = std::move(buffer);
    exchange_->stream_kind = head.kind;
    if (parser_.is_http_1_0()) exchange_->close_after = true;
    phase_ = exchange_->head_only ? Phase::kResponding : Phase::kStreaming;
    Headers headers;
    if (head.kind == StreamKind::kEvents) {
        headers.add("content-type", "text/event-stream");
        headers.add("cache-control", "no-cache");
        // nginx in front would collect the events otherwise.
        headers.add("x-accel-buffering", "no");
    }
    for (const auto& [name, value] : head.headers.all()) headers.add(name, value);
    write_head(head.status, std::move(headers),
               parser_.is_http_1_0() ? BodyFraming::kUntilClose : BodyFraming::kChunked, 0);
    // What follows a HEAD is never sent; whoever makes it need not.
    if (exchange_->head_only) exchange_->stream->close();
}

void HttpConnection::write_head(int status, Headers headers, BodyFraming framing,
                                size_t body_bytes) {
    for (const auto& [name, value] : exchange_->cors_headers.all()) headers.add(name, value);
    // In this order, because a head that was not read has no answer to the last question.
    exchange_->close_after = exchange_->close_after || context_->draining || !parser_.keeps_alive();
    exchange_->framing = framing;
    AccessRecord& record = exchange_->record;
    record.status = status;
    record.first_byte_ms =
        std::chrono::duration<double, std::milli>(Clock::now() - exchange_->head_complete).count();
    const auto group = static_cast<size_t>(status / 100);
    ++context_->counters.answers[group < context_->counters.answers.size() ? group : 5];
    set_deadline(limits_.write_timeout);
    HeadOptions options;
    options.framing = framing;
    options.body_bytes = body_bytes;
    options.close = exchange_->close_after;
    options.http_1_0 = parser_.is_http_1_0();
    options.request_id = record.id;
    options.time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    writer_.write(head_text(status, headers, options));
}

// What was sent while the last piece was written goes out as one chunk.
void HttpConnection::flush_stream() {
    if (phase_ != Phase::kStreaming) return;
    if (exchange_->stream->overflowed()) return drop_client();
    if (writer_.busy()) return;
    const StreamBuffer::Taken taken = exchange_->stream->take();
    if (!taken.bytes.empty()) write_piece(taken.bytes);
    if (taken.end == StreamBuffer::End::kOpen) {
        if (!writer_.busy()) set_deadline(limits_.stream_comment_interval);
        return;
    }
    phase_ = Phase::kResponding;
    exchange_->broken = taken.end == StreamBuffer::End::kAbandoned;
    if (!exchange_->broken && exchange_->framing == BodyFraming::kChunked) {
        writer_.write(std::string(kLastChunk));
    }
    if (!writer_.busy()) finish_request();
}

void HttpConnection::write_piece(std::string_view bytes) {
    set_deadline(limits_.write_timeout);
    writer_.write(exchange_->framing == BodyFraming::kChunked ? chunk_text(bytes)
                                                              : std::string(bytes));
}

void HttpConnection::on_drained() {
    if (phase_ == Phase::kResponding) finish_request();
    if (phase_ == Phase::kStreaming) flush_stream();
}

void HttpConnection::finish_request() {
    if (exchange_->broken) return close(Outcome::kAbandoned);
    const bool close_after = exchange_->close_after;
    const bool until_close = exchange_->framing == BodyFraming::kUntilClose;
    note_end(Outcome::kDone);
    exchange_.emplace();
    answered_some_ = true;
    // The end of the connection is what this client waits for.
    if (until_close) return close();
    if (close_after) return linger();
    parser_.next();
    phase_ = Phase::kReading;
    if (context_->draining && parser_.buffered_bytes() == 0) return close();
    process_input();
    read_more();
}

void HttpConnection::linger() {
    if (input_ended_) return close(Outcome::kDone);
    transport_->end_sending();
    phase_ = Phase::kLingering;
    set_deadline(limits_.linger_timeout);
    read_more();
}

}  // namespace facet::serve
