// See request_parser.h. Beast 1.81 splits the head into fields and takes chunked bodies apart.
#include "serve/request_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/check.h"

namespace facet::serve {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

// The line before a chunk with its extensions, and the trailers after the last one.
constexpr size_t kChunkHeadBytesMax = 16 << 10;
// So that a body is not moved once for every few bytes that were used.
constexpr size_t kCompactFromBytes = 64 << 10;

}  // namespace

class RequestParser::Parser final : public http::basic_parser<true> {
  public:
    explicit Parser(const HttpLimits& limits) {
        header_limit(static_cast<uint32_t>(limits.head_bytes));
        body_limit(limits.body_bytes);
    }

    // Takes the target apart; false if it is malformed.
    bool split_target();
    // A reference, because the virtual functions fill it while put() runs.
    Request& request() { return request_; }
    bool head_done() const { return head_done_; }
    bool is_http_1_0() const { return version_ == 10; }

  private:
    void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                         int version, beast::error_code&) override {
        request_.method = method;
        request_.path = target;
        version_ = version;
    }
    void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
    void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                       beast::error_code&) override {
        if (head_done_) return;  // A trailer must not be taken for a header that was checked.
        request_.headers.add({name.data(), name.size()}, std::string(value));
    }
    void on_header_impl(beast::error_code&) override { head_done_ = true; }
    void on_body_init_impl(const boost::optional<uint64_t>&, beast::error_code&) override {}
    size_t on_body_impl(beast::string_view body, beast::error_code&) override {
        request_.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(uint64_t, beast::string_view, beast::error_code&) override {}
    size_t on_chunk_body_impl(uint64_t, beast::string_view body, beast::error_code&) override {
        request_.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    Request request_;
    int version_ = 11;
    bool head_done_ = false;
};

bool RequestParser::Parser::split_target() {
    std::string target = std::move(request_.path);
    const size_t scheme = target.find("://");
    if (target[0] != '/' && scheme != std::string::npos) {
        // Absolute form (RFC 9112, section 3.2.2): its authority replaces the Host header.
        const size_t begin = scheme + 3;
        const size_t end = std::min(target.find_first_of("/?", begin), target.size());
        Headers headers;
        headers.add("host", target.substr(begin, end - begin));
        for (const auto& [name, value] : request_.headers.all()) {
            if (name != "host") headers.add(name, value);
        }
        request_.headers = std::move(headers);
        target = target.substr(end);
        if (target.empty() || target[0] == '?') target.insert(0, "/");
    }
    if (target[0] != '/' && !(target == "*" && request_.method == "OPTIONS")) return false;
    const size_t question = target.find('?');
    request_.path = target.substr(0, question);
    if (question != std::string::npos) request_.query = target.substr(question + 1);
    return target.find('#') == std::string::npos;
}

RequestParser::RequestParser(const HttpLimits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::State RequestParser::fail(int status, std::string message) {
    error_ = {status, std::move(message)};
    return state_ = State::kFailed;
}

void RequestParser::use(size_t bytes) {
    used_ += bytes;
    if (used_ == input_.size()) {
        input_.clear();
        used_ = 0;
    } else if (used_ >= kCompactFromBytes) {
        input_.erase(0, used_);
        used_ = 0;
    }
}

RequestParser::State RequestParser::advance() {
    switch (state_) {
        case State::kHead: return advance_head();
        case State::kHeadDone:
            if (parser_->is_done()) return state_ = State::kComplete;
            state_ = State::kBody;
            return advance_body();
        case State::kBody: return advance_body();
        case State::kComplete:
        case State::kFailed: break;
    }
    return state_;
}

RequestParser::State RequestParser::advance_head() {
    // One empty line before a request is forgiven (RFC 9112, section 2.2), and no more: each would
    // give its client time anew.
    if (scanner_.nothing_read() && !skipped_empty_line_) {
        if (unused() == "\r") return state_;
        skipped_empty_line_ = unused().starts_with("\r\n");
        if (skipped_empty_line_) use(2);
    }
    const HeadScanner::Found found = scanner_.scan(unused());
    if (found == HeadScanner::Found::kBadLine) {
        return fail(400, "the request holds a line that HTTP does not have");
    }
    const size_t head_bytes = found == HeadScanner::Found::kEnd ? scanner_.end() : buffered_bytes();
    if (head_bytes > limits_.head_bytes) {
        const bool is_target =
            unused().substr(0, limits_.target_bytes).find('\n') == std::string::npos;
        return is_target ? fail(414, "the request target is too long")
                         : fail(431, "the headers are too large");
    }
    if (found == HeadScanner::Found::kNothing) return state_;
    if (auto error = check_request_head(unused().substr(0, head_bytes), limits_)) {
        return fail(error->status, std::move(error->message));
    }
    beast::error_code failure;
    const size_t used = parser_->put(boost::asio::buffer(unused().data(), head_bytes), failure);
    // The start line and the fields are two steps of Beast's.
    size_t all = used;
    if (!failure && !parser_->is_header_done()) {
        all +=
            parser_->put(boost::asio::buffer(unused().data() + used, head_bytes - used), failure);
    }
    if (failure == http::error::body_limit) {
        return fail(413, "the body is larger than this server takes");
    }
    if (failure || !parser_->head_done() || all != head_bytes) {
        return fail(400, "the headers are malformed");
    }
    use(head_bytes);
    if (!parser_->split_target()) return fail(400, "the request target is no path");
    return state_ = State::kHeadDone;
}

RequestParser::State RequestParser::advance_body() {
    while (!parser_->is_done() && buffered_bytes() > 0) {
        beast::error_code failure;
        const std::string_view bytes = unused();
        const size_t used = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), failure);
        use(used);
        if (failure == http::error::need_more) {
            if (buffered_bytes() > kChunkHeadBytesMax) {
                return fail(400, "the line before a chunk is too long");
            }
            return state_;
        }
        if (failure == http::error::body_limit) {
            return fail(413, "the body is larger than this server takes");
        }
        if (failure) return fail(400, "the chunked body is malformed");
    }
    return parser_->is_done() ? state_ = State::kComplete : state_;
}

const Request& RequestParser::head() const { return parser_->request(); }
bool RequestParser::is_http_1_0() const { return parser_->is_http_1_0(); }
bool RequestParser::keeps_alive() const { return parser_->keep_alive(); }

bool RequestParser::has_body() const {
    const auto length = parser_->content_length();
    return parser_->chunked() || (length && *length > 0);
}

size_t RequestParser::body_bytes() const { return parser_->request().body.size(); }

bool RequestParser::expects_continue() const {
    const std::string* expect = head().headers.find("expect");
    return expect != nullptr && equals_ignoring_case(*expect, "100-continue") && !is_http_1_0() &&
           has_body() && buffered_bytes() == 0;
}

Request RequestParser::take_request() {
    FACET_CHECK(state_ == State::kComplete);
    return std::move(parser_->request());
}

void RequestParser::next() {
    parser_ = std::make_unique<Parser>(limits_);
    scanner_ = {};
    skipped_empty_line_ = false;
    state_ = State::kHead;
}

}  // namespace facet::serve
