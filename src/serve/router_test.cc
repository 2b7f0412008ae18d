#include "serve/router.h"

#include <gtest/gtest.h>

namespace facet::serve {
namespace {

Router router() {
    Router out;
    const Handler none = [](Request, Responder) {};
    out.add("GET", "/", none, false);
    out.add("GET", "/v1/models", none);
    out.add("GET", "/v1/models/{model}", none);
    out.add("DELETE", "/v1/models/{model}", none);
    out.add("POST", "/v1/chat", none);
    out.add("GET", "/static/*", none, false);
    return out;
}

TEST(Router, FindsRoutes) {
    const Router table = router();
    EXPECT_FALSE(table.find("GET", "/").route->needs_key);
    EXPECT_TRUE(table.find("GET", "/v1/models").route->needs_key);
    const auto match = table.find("DELETE", "/v1/models/a%2Fb%20c");
    ASSERT_NE(match.route, nullptr);
    EXPECT_EQ(match.route->method, "DELETE");
    EXPECT_EQ(match.path_parameters, std::vector<std::string>{"a/b c"});
    EXPECT_EQ(table.find("HEAD", "/v1/models").route->method, "GET");
}

TEST(Router, TellsUnknownPathsFromWrongMethods) {
    const Router table = router();
    EXPECT_EQ(table.find("GET", "/v1").allow, "");
    EXPECT_EQ(table.find("GET", "/v1/models/").route, nullptr);
    EXPECT_EQ(table.find("GET", "/v1/models/a/b").route, nullptr);
    EXPECT_EQ(table.find("GET", "*").route, nullptr);
    EXPECT_EQ(table.find("PUT", "/v1/models/a").allow, "GET, HEAD, DELETE");
    EXPECT_EQ(table.find("GET", "/v1/chat").allow, "POST");
    EXPECT_EQ(table.find("HEAD", "/v1/chat").route, nullptr);
}

TEST(Router, TakesTheRestOfAPathWithoutWaysOut) {
    const Router table = router();
    EXPECT_EQ(table.find("GET", "/static/a/b.js").path_parameters[0], "a/b.js");
    EXPECT_EQ(table.find("GET", "/static/").path_parameters[0], "");
    EXPECT_EQ(table.find("GET", "/static").route, nullptr);
    for (const char* path : {"/static/../a", "/static/a/..", "/static/%2e%2e/a", "/static/a%2fb",
                             "/static/%00", "/static/%zz", "/static/%2"}) {
        EXPECT_EQ(table.find("GET", path).route, nullptr) << path;
    }
}

}  // namespace
}  // namespace facet::serve
