// See response_writer.h.
#include "serve/response_writer.h"

namespace facet::serve {

void ResponseWriter::write(std::string bytes) {
    if (stopped_ || bytes.empty()) return;
    const bool was_busy = busy();
    queue_.push_back(std::move(bytes));
    if (!was_busy) write_more();
}

void ResponseWriter::write_more() {
    const std::string_view rest = std::string_view(queue_.front()).substr(sent_);
    transport_.write_some(
        rest, [this, alive = keep_alive_()](const boost::system::error_code& error, size_t bytes) {
            on_written(error, bytes);
        });
}

void ResponseWriter::on_written(const boost::system::error_code& error, size_t bytes) {
    if (stopped_) return;
    if (error) {
        events_.on_failed();
        return;
    }
    bytes_written_ += bytes;
    since_progress_ += bytes;
    sent_ += bytes;
    if (sent_ == queue_.front().size()) {
        queue_.pop_front();
        sent_ = 0;
    }
    if (queue_.empty()) {
        since_progress_ = 0;
        events_.on_drained();
        return;
    }
    if (since_progress_ >= kProgressBytes) {
        since_progress_ = 0;
        events_.on_progress();
    }
    write_more();
}

}  // namespace facet::serve
