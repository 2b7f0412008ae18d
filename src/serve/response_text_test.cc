#include "serve/response_text.h"

#include <gtest/gtest.h>

namespace facet::serve {
namespace {

TEST(ResponseText, WritesDatesAsTheStandardDoes) {
    EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(ResponseText, WritesHeads) {
    Headers headers;
    headers.add("Allow", "GET");
    headers.add("x-split", "a\r\n\r\nHTTP/1.1 200 OK");
    HeadOptions options;
    options.body_bytes = 5;
    options.close = true;
    options.request_id = "id";
    options.time = 784111777;
    const std::string start =
        "HTTP/1.1 405 Method Not Allowed\r\n"
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "allow: GET\r\nx-split: a    HTTP/1.1 200 OK\r\n"
        "x-content-type-options: nosniff\r\nx-request-id: id\r\n";
    EXPECT_EQ(head_text(405, headers, options),
              start + "content-length: 5\r\nconnection: close\r\n\r\n");
    options.framing = BodyFraming::kChunked;
    options.close = false;
    EXPECT_EQ(head_text(405, headers, options), start + "transfer-encoding: chunked\r\n\r\n");
    options.framing = BodyFraming::kNone;
    options.http_1_0 = true;
    EXPECT_EQ(head_text(405, headers, options), start + "connection: keep-alive\r\n\r\n");
}

TEST(ResponseText, WritesChunks) {
    EXPECT_EQ(chunk_text("a"), "1\r\na\r\n");
    EXPECT_EQ(chunk_text(std::string(26, 'x')), "1a\r\n" + std::string(26, 'x') + "\r\n");
}

}  // namespace
}  // namespace facet::serve
