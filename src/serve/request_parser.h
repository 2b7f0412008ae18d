// Bytes of a connection to requests, one after the other.
//
// Owns: the input buffer of a connection, and Boost.Beast's parser behind it (no other file
// includes Beast). Every head passes check_request_head() first. Knows no sockets: the fuzz target
// and the property tests feed it directly.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http_limits.h"
#include "serve/http_message.h"
#include "serve/request_head.h"

namespace facet::serve {

class RequestParser {
  public:
    enum class State {
        kHead,      // waiting for the rest of a head
        kHeadDone,  // head() is complete; the next advance() goes on with the body
        kBody,      // waiting for the rest of a body
        kComplete,  // take_request(), then next()
        kFailed,    // error(); the connection must be closed
    };

    // `limits` must outlive the parser.
    explicit RequestParser(const HttpLimits& limits);
    ~RequestParser();

    // Bytes from the client. Nothing is parsed until advance().
    void feed(std::string_view bytes) { input_ += bytes; }
    // Parses as far as the bytes and the next state go. In kComplete and kFailed it does nothing.
    State advance();
    State state() const { return state_; }

    // Method, path, query and headers, from kHeadDone on. A target in absolute form has been taken
    // apart, and its authority is the Host.
    const Request& head() const;
    bool is_http_1_0() const;
    bool keeps_alive() const;       // what version and Connection header ask for
    bool has_body() const;          // the head announces one that is not empty
    size_t body_bytes() const;      // so far
    bool expects_continue() const;  // and the body has not begun to arrive
    const HttpError& error() const { return error_; }

    // The request with its body; once, in kComplete.
    Request take_request();
    // Begins with the next request.
    void next();

    // Bytes that were fed and do not yet belong to a request.
    size_t buffered_bytes() const { return input_.size() - used_; }

  private:
    class Parser;

    State fail(int status, std::string message);
    State advance_head();
    State advance_body();
    std::string_view unused() const { return std::string_view(input_).substr(used_); }
    void use(size_t bytes);

    const HttpLimits& limits_;
    std::string input_;
    size_t used_ = 0;  // of input_
    State state_ = State::kHead;
    HeadScanner scanner_;
    bool skipped_empty_line_ = false;  // before this request
    std::unique_ptr<Parser> parser_;
    HttpError error_;
};

}  // namespace facet::serve
