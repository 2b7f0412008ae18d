// See event_stream.h.
#include "serve/event_stream.h"

#include <algorithm>

namespace facet::serve {

namespace {

// Up to the first of the protocol's line ends (CR, LF, CRLF), which is taken too.
std::string_view take_line(std::string_view& rest) {
    const size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    size_t used = end;
    if (used < rest.size()) used += rest.substr(used).starts_with("\r\n") ? 2 : 1;
    rest.remove_prefix(used);
    return line;
}

void append_line(std::string& out, std::string_view field, std::string_view value) {
    out += field;
    out += value;
    out += '\n';
}

}  // namespace

std::string event_text(std::string_view data, std::string_view name) {
    std::string out;
    out.reserve(data.size() + name.size() + 32);
    if (!name.empty()) append_line(out, "event: ", take_line(name));
    append_line(out, "data: ", take_line(data));
    while (!data.empty()) append_line(out, "data: ", take_line(data));
    out += '\n';
    return out;
}

bool StreamBuffer::append(std::string_view bytes) {
    {
        const std::lock_guard lock(mutex_);
        if (closed_ || overflowed_ || end_ != End::kOpen) return false;
        overflowed_ = pending_.size() + bytes.size() > bytes_max_;
        if (!overflowed_) pending_ += bytes;
        // An overflow is told even if the connection still has a piece to write.
        if (woken_ && !overflowed_) return true;
        woken_ = true;
    }
    wake_();
    return !closed();
}

void StreamBuffer::end(End how) {
    {
        const std::lock_guard lock(mutex_);
        if (end_ != End::kOpen) return;
        end_ = how;
        if (closed_ || woken_) return;
        woken_ = true;
    }
    wake_();
}

StreamBuffer::Taken StreamBuffer::take() {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    Taken taken{std::move(pending_), end_};
    pending_.clear();
    return taken;
}

void StreamBuffer::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        pending_ = {};
    }
    // Not under the lock: the callbacks are the producer's.
    gone_.request_stop();
}

bool StreamBuffer::closed() const {
    if (gone_.stop_requested()) return true;
    const std::lock_guard lock(mutex_);
    return closed_ || overflowed_;
}

bool StreamBuffer::overflowed() const {
    const std::lock_guard lock(mutex_);
    return overflowed_;
}

EventStream& EventStream::operator=(EventStream&& other) noexcept {
    if (this != &other) {
        on_closed_.reset();
        if (buffer_) buffer_->end(StreamBuffer::End::kAbandoned);
        buffer_ = std::move(other.buffer_);
        on_closed_ = std::move(other.on_closed_);
    }
    return *this;
}

EventStream::~EventStream() {
    on_closed_.reset();
    if (buffer_) buffer_->end(StreamBuffer::End::kAbandoned);
}

bool EventStream::send_event(std::string_view data, std::string_view name) {
    return buffer_->append(event_text(data, name));
}

bool EventStream::send_comment(std::string_view text) {
    std::string out;
    append_line(out, ": ", take_line(text));
    return buffer_->append(out + "\n");
}

bool EventStream::send_raw(std::string_view bytes) { return buffer_->append(bytes); }

void EventStream::finish() { buffer_->end(StreamBuffer::End::kFinished); }

bool EventStream::closed() const { return buffer_->closed(); }

void EventStream::on_closed(std::function<void()> callback) {
    on_closed_ = std::make_unique<Callback>(buffer_->gone(), std::move(callback));
}

}  // namespace facet::serve
