// Clients that are slow, many, gone or malicious: the server stays healthy and forgets them.
#include <optional>

#include "base/json.h"
#include "serve/held_answers.h"

namespace facet::serve::testing {
namespace {

TEST(HttpClients, ComeAndGoWithoutATrace) {
    Held held;
    const auto server = start_server(held.router());
    ASSERT_TRUE(is_healthy(*server));
    ASSERT_TRUE(forgets_all(*server));
    const size_t descriptors = open_descriptors();
    for (int i = 0; i < 1000; ++i) {
        TestClient client(server->port());
        ASSERT_TRUE(client.connected());
        switch (i % 5) {
            case 0: break;
            case 1: client.send("GET /hel"); break;
            case 2: client.send(get("/stream")); break;
            case 3: client.send(get("/hello")); break;
            case 4:
                client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
                break;
        }
        if (i % 2 == 0) client.abort();
    }
    EXPECT_TRUE(forgets_all(*server));
    EXPECT_TRUE(eventually([&] { return held.send("x") == 0; }));
    EXPECT_EQ(open_descriptors(), descriptors);
    const ServerCounters& counters = server->counters();
    EXPECT_EQ(counters.connections_accepted, 1001u);
    EXPECT_EQ(counters.requests_open, 0u);
    EXPECT_EQ(counters.streams_open, 0u);
    EXPECT_TRUE(is_healthy(*server));
}

TEST(HttpClients, ThatStopInTheMiddleRunOutOfTime) {
    HttpServerOptions options;
    options.limits.header_timeout = milliseconds(100);
    options.limits.body_timeout = milliseconds(100);
    options.limits.idle_timeout = milliseconds(100);
    const auto server = start_server(small_router(), options);
    TestClient silent(server->port()), head(server->port()), body(server->port()),
        idle(server->port()), trickle(server->port());
    head.send("GET /hello HTTP/1.1\r\nHo");
    body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf");
    EXPECT_EQ(idle.ask(get("/hello")).status, 200);
    // More bytes do not buy more time.
    trickle.send("GET /hello HTTP/1.1\r\nX: ");
    while (!trickle.receive(milliseconds(10))) trickle.send("x");
    EXPECT_EQ(head.read_response().status, 408);
    EXPECT_EQ(body.read_response().status, 408);
    EXPECT_EQ(trickle.read_response().status, 408);
    EXPECT_EQ(silent.receive_all(), "");
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_TRUE(is_healthy(*server));
    EXPECT_EQ(server->counters().request_timeouts, 3u);
}

TEST(HttpClients, SendLargeBodies) {
    constexpr size_t kBytes = size_t{50} << 20;
    std::atomic<size_t> received = 0;
    Router router = small_router();
    router.add("POST", "/count", [&](Request request, Responder responder) {
        received = request.body.size();
        responder.send(text_response(std::to_string(request.body.size())));
    });
    HttpServerOptions options;
    options.limits.body_bytes_total = kBytes + (size_t{10} << 20);
    const auto server = start_server(std::move(router), options);
    TestClient large(server->port()), larger(server->port());
    EXPECT_EQ(large.ask(post("/count", std::string(kBytes, 'x'))).body, std::to_string(kBytes));
    // Its share is free again.
    EXPECT_EQ(large.ask(post("/count", std::string(kBytes, 'x'))).body, std::to_string(kBytes));
    // The answer arrives although the client goes on sending.
    EXPECT_EQ(larger.ask(post("/count", std::string(size_t{65} << 20, 'x'))).status, 413);
    EXPECT_EQ(larger.receive_all(), "");
}

TEST(HttpClients, ShareTheMemoryForBodies) {
    HttpServerOptions options;
    options.limits.body_bytes_total = 1 << 20;
    const auto server = start_server(small_router(), options);
    TestClient first(server->port()), second(server->port());
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n";
    first.send(head + std::string(800'000, 'x'));
    ASSERT_TRUE(eventually([&] { return server->counters().bytes_received > 800'000; }));
    const TestResponse refused = second.ask(head + std::string(900'000, 'x'));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.header("retry-after"), "5");
    EXPECT_EQ(first.ask(std::string(100'000, 'x')).body.size(), 900'000u);
    TestClient third(server->port());
    EXPECT_EQ(third.ask(head + std::string(900'000, 'x')).status, 200);
}

TEST(HttpClients, SendWhatIsNoTextOrMuchTooDeep) {
    Router router;
    router.add("POST", "/json", [](Request request, Responder responder) {
        const auto parsed = Json::parse(request.body);
        responder.send(parsed.ok() ? text_response("ok")
                                   : error_response(400, parsed.error().message));
    });
    const auto server = start_server(std::move(router));
    TestClient client(server->port());
    EXPECT_EQ(client.ask(post("/json", std::string(100'000, '['))).status, 400);
    EXPECT_EQ(client.ask(post("/json", "{\"a\":\"\xff\xfe\"}")).status, 400);
    EXPECT_EQ(client.ask(post("/json", std::string("\0\0", 2))).status, 400);
    EXPECT_EQ(client.ask(post("/json", "{}")).status, 200);
}

TEST(HttpClients, AreOnlySoMany) {
    HttpServerOptions options;
    options.limits.connections = 2;
    const auto server = start_server(small_router(), options);
    std::optional<TestClient> first(std::in_place, server->port());
    TestClient second(server->port());
    EXPECT_EQ(first->ask(get("/hello")).status, 200);
    EXPECT_EQ(second.ask(get("/hello")).status, 200);
    TestClient third(server->port());
    const TestResponse refused = third.read_response();
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.header("retry-after"), "1");
    first.reset();
    EXPECT_TRUE(eventually([&] { return server->counters().connections_open == 1; }));
    EXPECT_TRUE(is_healthy(*server));
}

TEST(HttpClients, ThatPipelineTooMuchWaitWithoutCost) {
    Held held;
    const auto server = start_server(held.router());
    TestClient client(server->port());
    client.send(get("/hold"));
    ASSERT_TRUE(eventually([&] { return held.held_count() == 1; }));
    std::string many;
    while (many.size() < (1 << 20)) many += get("/hello");
    std::thread sender([&] { client.send(many); });
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_LT(server->counters().bytes_received, 256u << 10);
    held.answer_first(text_response("first"));
    EXPECT_EQ(client.read_response().body, "first");
    for (size_t i = 0; i < many.size() / get("/hello").size(); ++i) {
        ASSERT_EQ(client.read_response().body, "hello");
    }
    sender.join();
}

}  // namespace
}  // namespace facet::serve::testing
