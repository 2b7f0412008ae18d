// The server as a client sees it on the wire: what HTTP says, for what is well-formed and what is
// not.
#include "serve/http_server.h"

#include <gtest/gtest.h>

#include <mutex>

#include "base/json.h"
#include "serve/http_testing.h"

namespace facet::serve::testing {
namespace {

TEST(HttpServer, AnswersAndKeepsTheConnection) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    for (int i = 0; i < 3; ++i) {
        const TestResponse hello = client.ask(get("/hello"));
        EXPECT_EQ(hello.status, 200);
        EXPECT_EQ(hello.body, "hello");
        EXPECT_EQ(hello.header("content-type"), "text/plain");
        EXPECT_EQ(hello.header("connection"), "");
        EXPECT_EQ(hello.header("date").size(), 29u);
        EXPECT_EQ(hello.header("x-request-id").size(), 16u);
        EXPECT_EQ(client.ask(post("/echo", "body")).body, "body");
    }
    EXPECT_EQ(server->counters().connections_accepted, 1u);
    EXPECT_EQ(server->counters().answers[2], 6u);
}

TEST(HttpServer, ClosesWhenTheClientAsks) {
    const auto server = start_server(small_router());
    TestClient closing(server->port());
    EXPECT_EQ(closing.ask(get("/hello", "Connection: close\r\n")).header("connection"), "close");
    EXPECT_TRUE(closing.is_closed_by_server());
    TestClient old(server->port());
    EXPECT_EQ(old.ask("GET /hello HTTP/1.0\r\n\r\n").header("connection"), "close");
    EXPECT_TRUE(old.is_closed_by_server());
    TestClient staying(server->port());
    EXPECT_EQ(
        staying.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("connection"),
        "keep-alive");
    EXPECT_EQ(staying.ask(get("/hello")).body, "hello");
}

TEST(HttpServer, AnswersHeadWithoutABody) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/hello"));
    const TestResponse head = client.read_response(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("content-length"), "5");
    EXPECT_EQ(client.read_response().body, "hello");
}

TEST(HttpServer, NamesUnknownPathsAndWrongMethods) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    const TestResponse missing = client.ask(get("/nothing"));
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(Json::parse(missing.body).value().find("error")->find("message")->text,
              "there is no /nothing");
    const TestResponse wrong = client.ask(get("/echo"));
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.header("allow"), "POST");
    EXPECT_EQ(client.ask(get("/hello")).status, 200);
    // A body that nobody wants is not waited for.
    const TestResponse with_body = client.ask(post("/nothing", "body"));
    EXPECT_EQ(with_body.status, 404);
    EXPECT_EQ(with_body.header("connection"), "close");
    EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, SaysContinueBeforeABodyThatWaits) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        "Content-Length: 4\r\n\r\n";
    client.send(head);
    EXPECT_EQ(client.read_response().head, "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(client.ask("body").body, "body");
    EXPECT_EQ(client.ask(head + "body").status, 200);
    EXPECT_EQ(client.ask(post("/echo", "body", "Expect: magic\r\n")).status, 417);
    // Refused before the client has sent a byte of its body.
    TestClient refused(server->port());
    EXPECT_EQ(refused
                  .ask("POST /none HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                       "Content-Length: 4\r\n\r\n")
                  .status,
              404);
}

TEST(HttpServer, ReadsChunkedBodies) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(client.ask(head + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n").body,
              "abcde");
    EXPECT_EQ(client.ask(head + "0\r\n\r\n").status, 200);
    EXPECT_EQ(client.ask(head + "0x1\r\na\r\n0\r\n\r\n").status, 400);
    EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    std::string requests;
    for (int i = 0; i < 2000; ++i) requests += post("/echo", std::to_string(i));
    std::thread sender([&] { client.send(requests); });
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(client.read_response().body, std::to_string(i));
    sender.join();
}

TEST(HttpServer, AnswersAClientThatHasEndedItsSide) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    client.send(get("/hello") + post("/echo", "body"));
    client.half_close();
    EXPECT_EQ(client.read_response().body, "hello");
    EXPECT_EQ(client.read_response().body, "body");
    EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, RefusesWhatIsNoHttpAndCloses) {
    const auto server = start_server(small_router());
    const std::string host = " HTTP/1.1\r\nHost: localhost\r\n";
    const std::pair<std::string, int> cases[] = {
        {"GET /hello" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET /hello" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
        {"GET /hello" + host + "X: a\r\n folded\r\n\r\n", 400},
        {"GET /hello" + host + "X : a\r\n\r\n", 400},
        {"GET /hello HTTP/1.1\nHost: localhost\n\n", 400},
        {"GET /hello HTTP/1.1\r\n\r\n", 400},
        {"GET /hello HTTP/3.0\r\nHost: localhost\r\n\r\n", 505},
        {"\x16\x03\x01\x02\x00\x01\x00", 400},
        {"GET /hello" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET /" + std::string(9000, 'a') + host + "\r\n", 414},
        {"GET /" + std::string(60'000, 'a'), 414},
        {"GET /hello" + host + "X: " + std::string(60'000, 'a'), 431},
        {"GET /hello" + host +
             [] {
                 std::string many;
                 for (int i = 0; i < 200; ++i) many += "X: a\r\n";
                 return many + "\r\n";
             }(),
         431},
        {"POST /echo" + host + "Content-Length: 67108865\r\n\r\n", 413},
        {"POST /echo" + host + "Transfer-Encoding: chunked\r\n\r\n4000001\r\n", 413},
    };
    for (const auto& [bytes, status] : cases) {
        TestClient client(server->port());
        // What follows must not be taken for a request.
        client.send(bytes + get("/hello"));
        const TestResponse refused = client.read_response();
        EXPECT_EQ(refused.status, status) << bytes.substr(0, 100);
        EXPECT_EQ(refused.header("connection"), "close");
        EXPECT_TRUE(client.is_closed_by_server()) << bytes.substr(0, 100);
        EXPECT_EQ(client.input(), "");
    }
    TestClient healthy(server->port());
    EXPECT_EQ(healthy.ask(get("/hello")).status, 200);
}

TEST(HttpServer, AnswersForHandlersThatDoNot) {
    Router router;
    router.add("GET", "/forgets", [](Request, Responder) {});
    router.add("GET", "/throws",
               [](Request, Responder) { throw std::runtime_error("a handler's bug"); });
    router.add("GET", "/headers", [](Request, Responder responder) {
        Response response = text_response("");
        response.headers.add("x-value", "a\r\nx-forged: b");
        responder.send(std::move(response));
    });
    const auto server = start_server(std::move(router));
    TestClient client(server->port());
    EXPECT_EQ(client.ask(get("/forgets")).status, 500);
    EXPECT_EQ(client.ask(get("/throws")).status, 500);
    const TestResponse response = client.ask(get("/headers"));
    EXPECT_EQ(response.header("x-value"), "a  x-forged: b");
    EXPECT_EQ(response.header("x-forged"), "");
}

TEST(HttpServer, KeepsGoodRequestIds) {
    const auto server = start_server(small_router());
    TestClient client(server->port());
    EXPECT_EQ(client.ask(get("/hello", "X-Request-Id: my-id_1.2\r\n")).header("x-request-id"),
              "my-id_1.2");
    EXPECT_EQ(client.ask(get("/hello", "X-Request-Id: a b\r\n")).header("x-request-id").size(),
              16u);
}

TEST(HttpServer, AsksForKeysButNotOnOpenRoutes) {
    Router router = small_router();
    router.add(
        "GET", "/health", [](Request, Responder responder) { responder.send(text_response("ok")); },
        false);
    HttpServerOptions options;
    options.guard.api_keys = {"the-key"};
    options.guard.cors_origins = {"https://app.example"};
    const auto server = start_server(std::move(router), std::move(options));
    TestClient client(server->port());
    EXPECT_EQ(client.ask(get("/health")).body, "ok");
    EXPECT_EQ(client.ask(get("/hello")).status, 401);
    EXPECT_EQ(client.ask(get("/unknown")).status, 401);
    EXPECT_EQ(client.ask(get("/hello", "X-Api-Key: the-key\r\n")).status, 200);
    const TestResponse allowed = client.ask(
        get("/hello", "Authorization: Bearer the-key\r\nOrigin: https://app.example\r\n"));
    EXPECT_EQ(allowed.header("access-control-allow-origin"), "https://app.example");
    const TestResponse locked = client.ask(get("/hello", "Origin: https://app.example\r\n"));
    EXPECT_EQ(locked.status, 401);
    EXPECT_EQ(locked.header("access-control-allow-origin"), "https://app.example");
    EXPECT_EQ(client
                  .ask("OPTIONS /hello HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example"
                       "\r\nAccess-Control-Request-Method: GET\r\n\r\n")
                  .status,
              204);
    EXPECT_EQ(client.ask(get("/health", "Origin: https://evil.example\r\n")).status, 403);
    EXPECT_EQ(client.ask("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
}

TEST(HttpServer, StreamsEvents) {
    Router router;
    router.add("POST", "/stream", [](Request request, Responder responder) {
        auto stream = responder.start_stream();
        for (const char c : request.body) stream->send_event(std::string(1, c));
        stream->finish();
    });
    router.add("GET", "/breaks",
               [](Request, Responder responder) { responder.start_stream()->send_event("half"); });
    const auto server = start_server(std::move(router));
    TestClient client(server->port());
    for (int i = 0; i < 2; ++i) {
        const TestResponse response = client.ask(post("/stream", "abc"));
        EXPECT_TRUE(response.complete);
        EXPECT_EQ(response.header("content-type"), "text/event-stream");
        EXPECT_EQ(response.body, "data: a\n\ndata: b\n\ndata: c\n\n");
    }
    TestClient old(server->port());
    const TestResponse until_close = old.ask("POST /stream HTTP/1.0\r\nContent-Length: 1\r\n\r\na");
    EXPECT_EQ(until_close.header("transfer-encoding"), "");
    EXPECT_EQ(until_close.body, "data: a\n\n");
    const TestResponse broken = client.ask(get("/breaks"));
    EXPECT_EQ(broken.body, "data: half\n\n");
    EXPECT_FALSE(broken.complete);
    TestClient head(server->port());
    head.send("HEAD /breaks HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(head.read_response(true).status, 200);
    EXPECT_TRUE(eventually([&] { return server->counters().streams_open == 0; }));
}

TEST(HttpServer, LogsRequestsWithoutContent) {
    std::mutex mutex;
    std::vector<AccessRecord> records;
    HttpServerOptions options;
    options.log = [&](const AccessRecord& record) {
        const std::lock_guard lock(mutex);
        records.push_back(record);
    };
    const auto server = start_server(small_router(), std::move(options));
    TestClient client(server->port());
    client.ask(post("/echo?secret=1", "secret", "X-Request-Id: r1\r\n"));
    client.ask("nonsense\r\n\r\n");
    ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex);
        return records.size() == 2;
    }));
    EXPECT_EQ(records[0].id, "r1");
    EXPECT_EQ(records[0].status, 200);
    EXPECT_EQ(records[0].request_body_bytes, 6u);
    EXPECT_EQ(records[0].outcome, Outcome::kDone);
    EXPECT_GT(records[0].bytes_sent, 6u);
    EXPECT_EQ(to_json(records[0]).dump().find("secret"), std::string::npos);
    EXPECT_EQ(records[1].status, 400);
    EXPECT_EQ(records[1].path, "");
}

TEST(HttpServer, ListensOnIpv6AndSaysWhatItCanNot) {
    HttpServerOptions options;
    options.host = "::1";
    options.port = 0;
    auto six = HttpServer::start(std::move(options), small_router());
    // A machine may have none; then it says so.
    if (six.ok()) {
        EXPECT_EQ(six.value()->urls()[0], "http://[::1]:" + std::to_string(six.value()->port()));
    } else {
        EXPECT_NE(six.error().message.find("can not listen on ::1"), std::string::npos);
    }
    const auto told = [](HttpServerOptions wrong) {
        auto server = HttpServer::start(std::move(wrong), Router());
        return server.ok() ? "" : server.error().message;
    };
    HttpServerOptions open;
    open.host = "0.0.0.0";
    open.port = 0;
    EXPECT_NE(told(open).find("--api-key"), std::string::npos);
    open.insecure = true;
    EXPECT_EQ(told(open), "");
    HttpServerOptions nowhere;
    nowhere.host = "no such host";
    EXPECT_NE(told(nowhere).find("no such host"), std::string::npos);
    const auto first = start_server(Router());
    HttpServerOptions taken;
    taken.port = first->port();
    EXPECT_NE(told(taken).find(std::to_string(first->port())), std::string::npos);
}

}  // namespace
}  // namespace facet::serve::testing
