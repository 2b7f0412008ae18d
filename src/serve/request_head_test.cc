#include "serve/request_head.h"

#include <gtest/gtest.h>

namespace facet::serve {
namespace {

// 0 if the head may be parsed.
int status_of(const std::string& head, const HttpLimits& limits = {}) {
    HeadScanner scanner;
    const auto found = scanner.scan(head);
    if (found == HeadScanner::Found::kBadLine) return 400;
    EXPECT_EQ(found, HeadScanner::Found::kEnd) << head;
    EXPECT_EQ(scanner.end(), head.size()) << head;
    const auto error = check_request_head(head, limits);
    if (error) {
        EXPECT_FALSE(error->message.empty());
    }
    return error ? error->status : 0;
}

int with_fields(const std::string& fields) {
    return status_of("POST /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
}

TEST(RequestHead, AcceptsWhatClientsSend) {
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"), 0);
    EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
    EXPECT_EQ(status_of("GET http://a/b?c=d HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    EXPECT_EQ(with_fields("Content-Length: 12\r\nX-Empty:\r\nX-Tab:\ta\tb \r\n"), 0);
    EXPECT_EQ(with_fields("Transfer-Encoding: Chunked\r\n"), 0);
    EXPECT_EQ(with_fields("X-Latin: caf\xe9\r\n"), 0);
}

TEST(RequestHead, RefusesShapesThatSmuggleRequests) {
    EXPECT_EQ(with_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
    EXPECT_EQ(with_fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: 5, 5\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: +5\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: -1\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: 0x5\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length:\r\n"), 400);
    EXPECT_EQ(with_fields("Content-Length: 99999999999999999999\r\n"), 400);
    EXPECT_EQ(with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
    EXPECT_EQ(with_fields("Transfer-Encoding: gzip, chunked\r\n"), 501);
    EXPECT_EQ(with_fields("Transfer-Encoding: chunked, gzip\r\n"), 501);
    EXPECT_EQ(with_fields("Transfer-Encoding: xchunked\r\n"), 501);
    EXPECT_EQ(with_fields("Transfer-Encoding: identity\r\n"), 501);
    EXPECT_EQ(with_fields("Transfer-Encoding: \x0b"
                          "chunked\r\n"),
              400);
    EXPECT_EQ(with_fields("Content-Length : 5\r\n"), 400);
    EXPECT_EQ(with_fields("Transfer-Encoding\t: chunked\r\n"), 400);
    EXPECT_EQ(with_fields(" Content-Length: 5\r\n"), 400);
    EXPECT_EQ(with_fields("X-Folded: a\r\n b\r\n"), 400);
    EXPECT_EQ(with_fields("X-Folded: a\r\n\tContent-Length: 5\r\n"), 400);
    EXPECT_EQ(with_fields("Host: b\r\n"), 400);
    EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(RequestHead, RefusesLinesThatAreNone) {
    EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), 400);
    EXPECT_EQ(status_of(std::string("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 28)), 400);
    EXPECT_EQ(status_of("\x16\x03\x01\x02"), 400);
    EXPECT_EQ(with_fields("no colon\r\n"), 400);
    EXPECT_EQ(with_fields(": no name\r\n"), 400);
    EXPECT_EQ(with_fields("X-Control: \x01\r\n"), 400);
    EXPECT_EQ(with_fields("X-\xc3\xa9: a\r\n"), 400);
}

TEST(RequestHead, RefusesRequestLinesThatAreNone) {
    EXPECT_EQ(status_of("GET\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET /\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
    EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\n"), 505);
    EXPECT_EQ(status_of("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505);
    EXPECT_EQ(status_of("GET / http/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
}

TEST(RequestHead, HoldsItsLimits) {
    HttpLimits limits;
    limits.target_bytes = 10;
    limits.header_count = 3;
    EXPECT_EQ(status_of("GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", limits), 0);
    EXPECT_EQ(status_of("GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n", limits), 414);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\n\r\n", limits), 0);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\nD: d\r\n\r\n", limits), 431);
}

TEST(RequestHead, IsFoundByteByByte) {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string buffer = head + "GET /";
    HeadScanner scanner;
    for (size_t bytes = 0; bytes < head.size(); ++bytes) {
        ASSERT_EQ(scanner.scan(std::string_view(buffer).substr(0, bytes)),
                  HeadScanner::Found::kNothing);
    }
    EXPECT_EQ(scanner.scan(buffer), HeadScanner::Found::kEnd);
    EXPECT_EQ(scanner.end(), head.size());
}

}  // namespace
}  // namespace facet::serve
