// Answers that are sent while they are made: many at once, to quick readers and slow ones.
#include <algorithm>
#include <cstdio>

#include "base/memory.h"
#include "serve/held_answers.h"

namespace facet::serve::testing {
namespace {

using Clock = std::chrono::steady_clock;

// How long the streams below run. `FACET_SOAK_SECONDS=600` is the test of endurance.
std::chrono::seconds soak_time() {
    const char* text = std::getenv("FACET_SOAK_SECONDS");
    return std::chrono::seconds(text == nullptr ? 1 : std::atoi(text));
}

TEST(HttpStreams, AreServedTwoHundredAtOnce) {
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
    std::vector<float> waits_ms(1'000'000);  // the last ones, in memory that does not grow
    size_t wait_count = 0;
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
            waits_ms[wait_count++ % waits_ms.size()] =
                std::chrono::duration<float, std::milli>(Clock::now() - sent).count();
        }
        if (events == 10) memory_at_first = resident_memory_bytes() / 1024;
        // The rate of a model: fifty tokens a second for everyone.
        std::this_thread::sleep_until(sent + milliseconds(20));
    }
    // A sanitizer keeps what was freed for a while.
    EXPECT_LT(resident_memory_bytes() / 1024, memory_at_first + 16'384);
    held.finish();
    for (TestClient& client : clients) ASSERT_TRUE(client.receive_until("0\r\n\r\n"));
    waits_ms.resize(std::min(wait_count, waits_ms.size()));
    std::sort(waits_ms.begin(), waits_ms.end());
    // From send to the client's hand, the time to read all those before it included.
    std::printf("%d events to %zu streams: p50 %.2f ms, p99 %.2f ms, memory %zu -> %zu KiB\n",
                events, kStreams, waits_ms[waits_ms.size() / 2],
                waits_ms[waits_ms.size() * 99 / 100], memory_at_first,
                resident_memory_bytes() / 1024);
    EXPECT_EQ(server->counters().streams_started, kStreams);
    EXPECT_TRUE(eventually([&] { return server->counters().streams_open == 0; }));
}

TEST(HttpStreams, AreOnlySoMany) {
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

TEST(HttpStreams, SayThatTheyLiveWhileTheyAreSilent) {
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

TEST(HttpStreams, ThatRunFullAreDropped) {
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

TEST(HttpStreams, ThatNobodyTakesAreDroppedAfterATime) {
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

TEST(HttpStreams, OfClientsThatLeaveCancelTheirWork) {
    Held held;
    const auto server = start_server(held.router());
    StreamAndWaiting clients(held, *server);
    std::atomic<bool> told = false;
    held.streams().front().on_closed([&] { told = true; });
    EXPECT_FALSE(held.first_is_cancelled());
    clients.stream.abort();
    clients.waiting.close();
    EXPECT_TRUE(eventually([&] { return told.load() && held.first_is_cancelled(); }));
    EXPECT_EQ(held.send("x"), 0u);
    held.answer_first(text_response("nobody reads this"));
    EXPECT_TRUE(forgets_all(*server));
    EXPECT_GE(server->counters().clients_left, 1u);
}

}  // namespace
}  // namespace facet::serve::testing
