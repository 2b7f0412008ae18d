// The end of a server, in order and out of it.
#include "serve/held_answers.h"

namespace facet::serve::testing {
namespace {

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
    StreamAndWaiting clients(held, *server);
    EXPECT_FALSE(server->drain(milliseconds(50)));
    EXPECT_TRUE(held.first_is_cancelled());
    EXPECT_EQ(held.send("x"), 0u);
    EXPECT_EQ(server->counters().connections_open, 0u);
}

TEST(Shutdown, LeavesRespondersAndStreamsHarmless) {
    Held held;
    auto server = start_server(held.router());
    StreamAndWaiting clients(held, *server);
    server.reset();
    EXPECT_TRUE(held.first_is_cancelled());
    EXPECT_EQ(held.send("x"), 0u);
    held.answer_first(text_response("too late"));
}

}  // namespace
}  // namespace facet::serve::testing
