// Clients that are slow, many, gone or malicious: the server stays healthy and forgets them.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <list>
#include <mutex>

#include "base/json.h"
#include "serve/http_server.h"
#include "serve/http_testing.h"

namespace facet::serve::testing {
namespace {

using Clock = std::chrono::steady_clock;

// GET /stream and GET /hold leave their answer to the test, which makes it from its own thread.
class Held {
  public:
    Router router() {
        Router router = small_router();
        router.add("GET", "/stream", [this](Request, Responder responder) {
            auto stream = responder.start_stream();
            if (!stream) {
                responder.send(retry_response(429, "too many streams", std::chrono::seconds(1)));
                return;
            }
            const std::lock_guard lock(mutex_);
            streams_.push_back(std::move(*stream));
        });
        router.add("GET", "/hold", [this](Request request, Responder responder) {
            const std::lock_guard lock(mutex_);
            requests_.push_back(std::move(request));
            responders_.push_back(std::move(responder));
        });
        return router;
    }
    // Sends to all streams and lets go of those whose client is gone; how many are left.
    size_t send(std::string_view data) {
        const std::lock_guard lock(mutex_);
        streams_.remove_if([&](EventStream& stream) { return !stream.send_event(data); });
        return streams_.size();
    }
    size_t stream_count() {
        const std::lock_guard lock(mutex_);
        return streams_.size();
    }
    void finish() {
        const std::lock_guard lock(mutex_);
        for (EventStream& stream : streams_) stream.finish();
        streams_.clear();
    }
    size_t held_count() {
        const std::lock_guard lock(mutex_);
        return responders_.size();
    }
    bool first_is_cancelled() {
        const std::lock_guard lock(mutex_);
        return requests_.front().cancelled.stop_requested();
    }
    void answer_first(Response response) {
        const std::lock_guard lock(mutex_);
        responders_.front().send(std::move(response));
        responders_.pop_front();
        requests_.pop_front();
    }
    std::list<EventStream>& streams() { return streams_; }

  private:
    std::mutex mutex_;
    std::list<EventStream> streams_;
    std::list<Request> requests_;
    std::list<Responder> responders_;
};

bool is_healthy(const HttpServer& server) {
    TestClient client(server.port());
    return client.ask(get("/hello")).body == "hello";
}

bool forgets_all(const HttpServer& server) {
    return eventually([&] { return server.counters().connections_open == 0; });
}

// The resident set in KiB.
size_t memory_kib() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word && word != "VmRSS:") {
    }
    size_t kib = 0;
    status >> kib;
    return kib;
}

// How long the streams below run. `FACET_SOAK_SECONDS=600` is the test of endurance.
std::chrono::seconds soak_time() {
    const char* text = std::getenv("FACET_SOAK_SECONDS");
    return std::chrono::seconds(text == nullptr ? 1 : std::atoi(text));
}

TEST(HttpClients, ServesTwoHundredStreamsAtOnce) {
    constexpr size_t kStreams = 200;
    Held held;
    const auto server = start_server(held.router());
    std::vector<TestClient> clients;
    for (size_t i = 0; i < kStreams; ++i) {
        clients.emplace_back(server->port());
        ASSERT_TRUE(clients.back().connected());
        clients.back().send(get("/stream"));
    }
    ASSERT_TRUE(eventually([&] { return held.stream_count() == kStreams; }));
    std::vector<float> waits_ms;
    size_t memory_at_first = 0;
    const auto end = Clock::now() + soak_time();
    int events = 0;
    for (; Clock::now() < end || events < 20; ++events) {
        const std::string event = "data: event " + std::to_string(events) + "\n\n";
        const auto sent = Clock::now();
        ASSERT_EQ(held.send(event.substr(6, event.size() - 8)), kStreams);
        for (TestClient& client : clients) {
            ASSERT_TRUE(client.receive_until(event));
            client.input().clear();
            waits_ms.push_back(
                std::chrono::duration<float, std::milli>(Clock::now() - sent).count());
        }
        if (waits_ms.size() > 1'000'000) waits_ms.resize(500'000);
        if (events == 10) memory_at_first = memory_kib();
        // The rate of a model: fifty tokens a second for everyone.
        std::this_thread::sleep_until(sent + milliseconds(20));
    }
    // What the waits themselves take grows too.
    EXPECT_LT(memory_kib(), memory_at_first + 16'384);
    held.finish();
    for (TestClient& client : clients) ASSERT_TRUE(client.receive_until("0\r\n\r\n"));
    std::sort(waits_ms.begin(), waits_ms.end());
    // From send to the client's hand, the time to read all those before it included.
    std::printf("%d events to %zu streams: p50 %.2f ms, p99 %.2f ms, memory %zu -> %zu KiB\n",
                events, kStreams, waits_ms[waits_ms.size() / 2],
                waits_ms[waits_ms.size() * 99 / 100], memory_at_first, memory_kib());
    EXPECT_EQ(server->counters().streams_started, kStreams);
    EXPECT_TRUE(eventually([&] { return server->counters().streams_open == 0; }));
}

TEST(HttpClients, RefusesMoreStreamsThanThereMayBe) {
    Held held;
    HttpServerOptions options;
    options.limits.streams = 1;
    const auto server = start_server(held.router(), options);
    TestClient first(server->port()), second(server->port());
    first.send(get("/stream"));
    ASSERT_TRUE(first.receive_until("\r\n\r\n"));
    const TestResponse refused = second.ask(get("/stream"));
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.header("retry-after"), "1");
    held.finish();
    ASSERT_TRUE(first.receive_until("0\r\n\r\n"));
    ASSERT_TRUE(eventually([&] { return server->counters().streams_open == 0; }));
    second.send(get("/stream"));
    EXPECT_TRUE(second.receive_until("text/event-stream"));
}

TEST(HttpClients, AreToldThatASilentStreamLives) {
    Held held;
    HttpServerOptions options;
    options.limits.stream_comment_interval = milliseconds(20);
    const auto server = start_server(held.router(), options);
    TestClient client(server->port());
    client.send(get("/stream"));
    EXPECT_TRUE(client.receive_until("3\r\n:\n\n\r\n3\r\n:\n\n\r\n"));
    held.send("late");
    EXPECT_TRUE(client.receive_until("data: late\n\n"));
}

TEST(HttpClients, ThatLetTheirStreamRunFullAreDropped) {
    Held held;
    HttpServerOptions options;
    options.limits.stream_buffer_bytes = 256 << 10;
    options.limits.socket_send_bytes = 32 << 10;
    const auto server = start_server(held.router(), options);
    TestClient slow(server->port(), 4096), quick(server->port());
    slow.send(get("/stream"));
    quick.send(get("/stream"));
    ASSERT_TRUE(eventually([&] { return held.stream_count() == 2; }));
    std::vector<std::stop_token> gone;
    for (const EventStream& stream : held.streams()) gone.push_back(stream.gone());
    const std::string event(1000, 'x');
    ASSERT_TRUE(eventually([&] {
        while (quick.receive(milliseconds(0))) quick.input().clear();
        return held.send(event) == 1;
    }));
    EXPECT_TRUE(eventually([&] { return gone[0].stop_requested() != gone[1].stop_requested(); }));
    EXPECT_EQ(server->counters().slow_clients_dropped, 1u);
    held.finish();
    EXPECT_TRUE(quick.receive_until("0\r\n\r\n"));
    EXPECT_TRUE(is_healthy(*server));
}

TEST(HttpClients, ThatTakeNothingAreDroppedAfterATime) {
    Held held;
    HttpServerOptions options;
    options.limits.write_timeout = milliseconds(100);
    options.limits.socket_send_bytes = 32 << 10;
    const auto server = start_server(held.router(), options);
    TestClient stream(server->port(), 4096), answer(server->port(), 4096);
    stream.send(get("/stream"));
    answer.send(get("/hold"));
    ASSERT_TRUE(eventually([&] { return held.stream_count() + held.held_count() == 2; }));
    held.send(std::string(900 << 10, 'x'));
    held.answer_first(text_response(std::string(8 << 20, 'x')));
    EXPECT_TRUE(eventually([&] { return server->counters().slow_clients_dropped == 2; }));
    EXPECT_TRUE(eventually([&] { return held.send("x") == 0; }));
    EXPECT_TRUE(forgets_all(*server));
}

TEST(HttpClients, ThatLeaveCancelTheirWork) {
    Held held;
    const auto server = start_server(held.router());
    TestClient stream(server->port()), waiting(server->port());
    stream.send(get("/stream"));
    waiting.send(get("/hold"));
    ASSERT_TRUE(eventually([&] { return held.stream_count() + held.held_count() == 2; }));
    std::atomic<bool> told = false;
    held.streams().front().on_closed([&] { told = true; });
    EXPECT_FALSE(held.first_is_cancelled());
    stream.abort();
    waiting.close();
    EXPECT_TRUE(eventually([&] { return told.load() && held.first_is_cancelled(); }));
    EXPECT_EQ(held.send("x"), 0u);
    held.answer_first(text_response("nobody reads this"));
    EXPECT_TRUE(forgets_all(*server));
    EXPECT_GE(server->counters().clients_left, 1u);
}

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

TEST(Drain, LetsAnswersEnd) {
    Held held;
    const auto server = start_server(held.router());
    TestClient stream(server->port()), waiting(server->port()), idle(server->port());
    EXPECT_EQ(idle.ask(get("/hello")).status, 200);
    stream.send(get("/stream"));
    waiting.send(get("/hold") + get("/hello"));
    ASSERT_TRUE(eventually([&] { return held.stream_count() + held.held_count() == 2; }));
    bool all_ended = false;
    std::thread drain([&] { all_ended = server->drain(kPatience); });
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_TRUE(server->draining());
    EXPECT_FALSE(TestClient(server->port()).connected());
    held.send("still here");
    EXPECT_TRUE(stream.receive_until("still here"));
    held.finish();
    EXPECT_TRUE(stream.receive_until("0\r\n\r\n"));
    stream.close();
    held.answer_first(text_response("done"));
    const TestResponse answer = waiting.read_response();
    EXPECT_EQ(answer.body, "done");
    EXPECT_EQ(answer.header("connection"), "close");
    EXPECT_EQ(waiting.receive_all(), "");
    waiting.close();
    drain.join();
    EXPECT_TRUE(all_ended);
}

TEST(Drain, RefusesRequestsThatArriveLate) {
    Held held;
    const auto server = start_server(held.router());
    TestClient half(server->port());
    half.send("GET /hello HTTP/1.1\r\nHost: loc");
    ASSERT_TRUE(eventually([&] { return server->counters().bytes_received > 0; }));
    std::thread drain([&] { server->drain(kPatience); });
    ASSERT_TRUE(eventually([&] { return server->draining(); }));
    const TestResponse late = half.ask("alhost\r\n\r\n");
    EXPECT_EQ(late.status, 503);
    EXPECT_EQ(late.header("retry-after"), "5");
    half.close();
    drain.join();
}

TEST(Drain, EndsWhatDoesNotEnd) {
    Held held;
    const auto server = start_server(held.router());
    TestClient stream(server->port()), waiting(server->port());
    stream.send(get("/stream"));
    waiting.send(get("/hold"));
    ASSERT_TRUE(eventually([&] { return held.stream_count() + held.held_count() == 2; }));
    EXPECT_FALSE(server->drain(milliseconds(50)));
    EXPECT_TRUE(held.first_is_cancelled());
    EXPECT_EQ(held.send("x"), 0u);
    EXPECT_EQ(server->counters().connections_open, 0u);
}

TEST(Shutdown, LeavesRespondersAndStreamsHarmless) {
    Held held;
    auto server = start_server(held.router());
    TestClient stream(server->port()), waiting(server->port());
    stream.send(get("/stream"));
    waiting.send(get("/hold"));
    ASSERT_TRUE(eventually([&] { return held.stream_count() + held.held_count() == 2; }));
    server.reset();
    EXPECT_TRUE(held.first_is_cancelled());
    EXPECT_EQ(held.send("x"), 0u);
    held.answer_first(text_response("too late"));
}

}  // namespace
}  // namespace facet::serve::testing
