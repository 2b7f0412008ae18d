#include "serve/http_message.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace facet::serve {
namespace {

TEST(HttpMessage, UndoesPercentEscapes) {
    EXPECT_EQ(percent_decode("a%20b+c", false), "a b+c");
    EXPECT_EQ(percent_decode("a%20b+c%C3%a9", true), "a b c\xc3\xa9");
    for (const char* text : {"%", "%2", "%g0", "%0g", "%00"}) {
        EXPECT_EQ(percent_decode(text, false), std::nullopt) << text;
    }
}

TEST(HttpMessage, FindsParametersOfTheQuery) {
    Request request;
    request.query = "a=1&b=x%26y&c&a=2&d=%zz";
    EXPECT_EQ(request.query_parameter("a"), "1");
    EXPECT_EQ(request.query_parameter("b"), "x&y");
    EXPECT_EQ(request.query_parameter("c"), "");
    EXPECT_EQ(request.query_parameter("d"), std::nullopt);
    EXPECT_EQ(request.query_parameter("e"), std::nullopt);
}

TEST(HttpMessage, FindsHeadersWhateverTheirCase) {
    Headers headers;
    headers.add("X-Name", "first");
    headers.add("x-NAME", "second");
    EXPECT_EQ(*headers.find("x-name"), "first");
    EXPECT_EQ(headers.find("x-other"), nullptr);
}

TEST(HttpMessage, TellsErrorsInOneFormForAllClients) {
    const Response response = error_response(404, "no \"x\"\xff");
    EXPECT_EQ(*response.headers.find("content-type"), "application/json");
    const Json body = Json::parse(response.body).take();
    EXPECT_EQ(body.find("type")->text, "error");
    EXPECT_EQ(body.find("error")->find("type")->text, "not_found_error");
    EXPECT_EQ(body.find("error")->find("message")->text, "no \"x\"\xef\xbf\xbd");
    EXPECT_EQ(*retry_response(429, "later", std::chrono::seconds(7)).headers.find("retry-after"),
              "7");
}

TEST(HttpMessage, HasAReasonForEveryStatusThatTheServerGives) {
    for (const int status :
         {200, 204, 400, 401, 403, 404, 405, 408, 413, 414, 417, 429, 431, 500, 501, 503, 505}) {
        EXPECT_NE(reason_phrase(status), "Unknown") << status;
    }
    EXPECT_EQ(reason_phrase(299), "Unknown");
}

}  // namespace
}  // namespace facet::serve
