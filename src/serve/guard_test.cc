#include "serve/guard.h"

#include <gtest/gtest.h>

namespace facet::serve {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Request request(const Fields& fields, const std::string& method = "GET") {
    Request out;
    out.method = method;
    for (const auto& [name, value] : fields) out.headers.add(name, value);
    return out;
}

Guard guard(GuardOptions options = {}, std::vector<std::string> bound = {"127.0.0.1"}) {
    return Guard(options, bound);
}

bool lets_in(const Guard& guard, const Fields& fields) {
    const auto refusal = guard.check_origin(request(fields));
    if (refusal) {
        EXPECT_EQ(refusal->status, 403);
    }
    return !refusal;
}

TEST(Guard, KnowsItsOwnNames) {
    const Guard local = guard();
    for (const char* host : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080",
                             "[::1]:8080", "[::1]", "localhost.", "localhost:"}) {
        EXPECT_TRUE(lets_in(local, {{"host", host}})) << host;
    }
    for (const char* host :
         {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.2", "",
          "localhost:80x", "[::1", "[::1]x", "user@localhost", "localhost:80:80"}) {
        EXPECT_FALSE(lets_in(local, {{"host", host}})) << host;
    }
}

TEST(Guard, TakesNamesAndAddressesOfItsNetwork) {
    GuardOptions options;
    options.allowed_hosts = {"Box.lan"};
    const Guard everywhere = guard(options, {"0.0.0.0"});
    EXPECT_TRUE(lets_in(everywhere, {{"host", "192.168.1.2:8080"}}));
    EXPECT_TRUE(lets_in(everywhere, {{"host", "[fe80::1]:8080"}}));
    EXPECT_TRUE(lets_in(everywhere, {{"host", "box.LAN:8080"}}));
    EXPECT_FALSE(lets_in(everywhere, {{"host", "evil.example"}}));
    EXPECT_TRUE(lets_in(guard({}, {"10.0.0.7"}), {{"host", "10.0.0.7:8080"}}));
    EXPECT_FALSE(lets_in(guard({}, {"10.0.0.7"}), {{"host", "10.0.0.8:8080"}}));
    options.allowed_hosts = {"*"};
    EXPECT_TRUE(lets_in(guard(options), {{"host", "evil.example"}}));
}

TEST(Guard, LetsInOnlyItsOwnPagesAndListedOnes) {
    GuardOptions options;
    options.cors_origins = {"https://app.example"};
    const Guard listed = guard(options);
    const auto from = [&](const char* origin, const char* host = "localhost:8080") {
        return lets_in(listed, {{"host", host}, {"origin", origin}});
    };
    EXPECT_TRUE(from("http://localhost:8080"));
    EXPECT_TRUE(from("https://localhost", "localhost:443"));
    EXPECT_TRUE(from("http://localhost", "localhost"));
    EXPECT_TRUE(from("https://app.example"));
    EXPECT_TRUE(from("https://APP.example"));
    EXPECT_FALSE(from("http://localhost:3000"));
    EXPECT_FALSE(from("http://127.0.0.1:8080"));
    EXPECT_FALSE(from("http://app.example"));
    EXPECT_FALSE(from("https://app.example.evil.example"));
    EXPECT_FALSE(from("null"));
    EXPECT_FALSE(from(""));
}

TEST(Guard, AsksForAKey) {
    GuardOptions options;
    options.api_keys = {"first-key", "second-key"};
    const Guard locked = guard(options);
    const auto opens = [&](const Fields& fields) {
        const auto refusal = locked.check_key(request(fields));
        if (refusal) {
            EXPECT_EQ(refusal->status, 401);
        }
        if (refusal) {
            EXPECT_EQ(*refusal->headers.find("www-authenticate"), "Bearer");
        }
        return !refusal;
    };
    EXPECT_TRUE(opens({{"authorization", "Bearer first-key"}}));
    EXPECT_TRUE(opens({{"authorization", "bearer  second-key"}}));
    EXPECT_TRUE(opens({{"x-api-key", "second-key"}}));
    EXPECT_TRUE(opens({{"authorization", "Bearer other"}, {"x-api-key", "first-key"}}));
    EXPECT_FALSE(opens({}));
    EXPECT_FALSE(opens({{"authorization", "first-key"}}));
    EXPECT_FALSE(opens({{"authorization", "Basic first-key"}}));
    EXPECT_FALSE(opens({{"authorization", "Bearer "}}));
    EXPECT_FALSE(opens({{"authorization", "Bearer first-ke"}}));
    EXPECT_FALSE(opens({{"x-api-key", "first-key2"}}));
    EXPECT_FALSE(guard().check_key(request({})).has_value());
}

TEST(Guard, AnswersPreflights) {
    GuardOptions options;
    options.cors_origins = {"https://app.example"};
    const Guard listed = guard(options);
    const Request asked = request({{"host", "localhost"},
                                   {"origin", "https://app.example"},
                                   {"access-control-request-method", "POST"},
                                   {"access-control-request-headers", "authorization"}},
                                  "OPTIONS");
    const auto answer = listed.preflight(asked);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 204);
    EXPECT_EQ(*answer->headers.find("access-control-allow-methods"), "POST");
    EXPECT_EQ(*answer->headers.find("access-control-allow-headers"), "authorization");
    Headers headers;
    listed.add_cors_headers(asked, headers);
    EXPECT_EQ(*headers.find("access-control-allow-origin"), "https://app.example");
    EXPECT_EQ(*headers.find("vary"), "Origin");
    EXPECT_FALSE(listed.preflight(request({{"origin", "https://app.example"}}, "OPTIONS")));
    Headers own;
    listed.add_cors_headers(request({{"origin", "http://localhost:8080"}}), own);
    EXPECT_EQ(own.find("access-control-allow-origin"), nullptr);
}

TEST(Exposure, TakesAKeyBeyondLoopback) {
    EXPECT_TRUE(check_exposure({"127.0.0.1", "::1"}, false, false).ok());
    EXPECT_TRUE(check_exposure({"127.8.9.1"}, false, false).ok());
    for (const char* address : {"0.0.0.0", "::", "192.168.1.2", "128.0.0.1", "::ffff:127.0.0.1"}) {
        const Status refused = check_exposure({"127.0.0.1", address}, false, false);
        ASSERT_FALSE(refused.ok()) << address;
        EXPECT_NE(refused.error().message.find("--api-key"), std::string::npos);
        EXPECT_TRUE(check_exposure({address}, true, false).ok());
        EXPECT_TRUE(check_exposure({address}, false, true).ok());
    }
}

}  // namespace
}  // namespace facet::serve
