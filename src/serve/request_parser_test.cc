#include "serve/request_parser.h"

#include <gtest/gtest.h>

#include <vector>

#include "serve/parser_transcript.h"

namespace facet::serve {
namespace {

// Two requests that fill and a third that does not, with all that a body may be framed in.
const std::string kRequests =
    "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    "\r\nPOST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;name=\"value\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    "GET /e HTTP/1.0\r\n\r\n"
    "GET /f HTTP/1.1\r\nHo";

TEST(RequestParser, ReadsRequestsInOrder) {
    EXPECT_EQ(parser_transcript({kRequests}, {}),
              "POST /a ?b=c host=x content-length=5 [hello]\n"
              "POST /d ? host=x transfer-encoding=chunked [abc0123456789]\n"
              "GET /e ? []\n"
              "head\n");
}

TEST(RequestParser, GivesTheSameHoweverTheBytesArrive) {
    const std::string whole = parser_transcript({kRequests}, {});
    for (size_t first = 0; first <= kRequests.size(); ++first) {
        for (size_t second = first; second <= kRequests.size(); second += 7) {
            const std::string_view text = kRequests;
            ASSERT_EQ(parser_transcript({text.substr(0, first), text.substr(first, second - first),
                                         text.substr(second)},
                                        {}),
                      whole)
                << first << " " << second;
        }
    }
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < kRequests.size(); ++i) bytes.push_back({&kRequests[i], 1});
    EXPECT_EQ(parser_transcript(bytes, {}), whole);
}

TEST(RequestParser, ForgivesOneEmptyLineHoweverItArrives) {
    const std::string request = "GET / HTTP/1.0\r\n\r\n";
    EXPECT_EQ(parser_transcript({"\r\n" + request}, {}), "GET / ? []\nhead\n");
    EXPECT_EQ(parser_transcript({"\r", "\n", request, "\r\n", request}, {}),
              "GET / ? []\nGET / ? []\nhead\n");
    EXPECT_EQ(parser_transcript({"\r\n\r\n" + request}, {}), "error 400\n");
    EXPECT_EQ(parser_transcript({"\r\n", "\r\n", request}, {}), "error 400\n");
    EXPECT_EQ(parser_transcript({"\r\n\r", "\n"}, {}), "error 400\n");
}

std::string chunked(const std::string& body) {
    return parser_transcript(
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body}, {});
}

TEST(RequestParser, RefusesChunksThatAreNone) {
    for (const char* body :
         {"5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n",
          "g\r\n\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n",
          "0x5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
          "ffffffffffffffffff\r\n\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n",
          "5\r\nhello\r\n0\r\nTrailer : t\r\n\r\n",
          "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"}) {
        EXPECT_EQ(chunked(body), "error 400\n") << body;
    }
    EXPECT_EQ(chunked("fffffffff\r\n"), "error 413\n");
    EXPECT_EQ(chunked("5;" + std::string(20'000, 'a')), "error 400\n");
    EXPECT_EQ(chunked("0\r\n" + std::string(20'000, 'a')), "error 400\n");
}

TEST(RequestParser, DropsTrailers) {
    EXPECT_EQ(chunked("1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
              "POST / ? host=x transfer-encoding=chunked [a]\nhead\n");
}

TEST(RequestParser, BoundsHeadAndBody) {
    HttpLimits limits;
    limits.head_bytes = 100;
    limits.body_bytes = 10;
    const std::string long_line(200, 'a');
    EXPECT_EQ(parser_transcript({"GET /" + long_line}, limits), "error 414\n");
    EXPECT_EQ(parser_transcript({"GET / HTTP/1.1\r\nHost: " + long_line}, limits), "error 431\n");
    EXPECT_EQ(parser_transcript({"GET / HTTP/1.1\r\nHost: " + long_line + "\r\n\r\n"}, limits),
              "error 431\n");
    const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
    EXPECT_EQ(parser_transcript({post + "Content-Length: 10\r\n\r\n0123456789"}, limits),
              "POST / ? host=x content-length=10 [0123456789]\nhead\n");
    EXPECT_EQ(parser_transcript({post + "Content-Length: 11\r\n\r\n"}, limits), "error 413\n");
    EXPECT_EQ(parser_transcript({post + "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n"},
                                limits),
              "error 413\n");
}

TEST(RequestParser, TakesAnAbsoluteTargetApart) {
    EXPECT_EQ(
        parser_transcript({"GET http://name:80?q=1 HTTP/1.1\r\nHost: other\r\nA: b\r\n\r\n"}, {}),
        "GET / ?q=1 host=name:80 a=b []\nhead\n");
    EXPECT_EQ(parser_transcript({"GET name HTTP/1.1\r\nHost: x\r\n\r\n"}, {}), "error 400\n");
    EXPECT_EQ(parser_transcript({"GET * HTTP/1.1\r\nHost: x\r\n\r\n"}, {}), "error 400\n");
    EXPECT_EQ(parser_transcript({"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"}, {}), "error 400\n");
    EXPECT_EQ(parser_transcript({"CONNECT name:80 HTTP/1.1\r\nHost: x\r\n\r\n"}, {}),
              "error 400\n");
}

TEST(RequestParser, KnowsWhoWantsToStay) {
    const auto stays = [](const std::string& head) {
        const HttpLimits limits;
        RequestParser parser(limits);
        parser.feed(head + "\r\n\r\n");
        EXPECT_EQ(parser.advance(), RequestParser::State::kHeadDone) << head;
        return parser.keeps_alive();
    };
    EXPECT_TRUE(stays("GET / HTTP/1.1\r\nHost: x"));
    EXPECT_FALSE(stays("GET / HTTP/1.1\r\nHost: x\r\nConnection: close"));
    EXPECT_FALSE(stays("GET / HTTP/1.0"));
    EXPECT_TRUE(stays("GET / HTTP/1.0\r\nConnection: keep-alive"));
}

}  // namespace
}  // namespace facet::serve
