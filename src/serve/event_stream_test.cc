#include "serve/event_stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace facet::serve {
namespace {

struct Pair {
    explicit Pair(size_t bytes_max = 1000)
        : buffer(std::make_shared<StreamBuffer>(
              bytes_max, [this] { ++wakes; }, std::stop_source())),
          stream(std::in_place, buffer) {}

    std::atomic<int> wakes = 0;
    std::shared_ptr<StreamBuffer> buffer;
    std::optional<EventStream> stream;
};

TEST(EventStream, WritesEventsAsTheProtocolSays) {
    EXPECT_EQ(event_text("{\"a\":1}", ""), "data: {\"a\":1}\n\n");
    EXPECT_EQ(event_text("one\ntwo\r\nthree\rfour\n", "delta"),
              "event: delta\ndata: one\ndata: two\ndata: three\ndata: four\n\n");
    EXPECT_EQ(event_text("", ""), "data: \n\n");
    EXPECT_EQ(event_text("x", "a\ndata: forged"), "event: a\ndata: x\n\n");
}

TEST(EventStream, WakesOnceForWhatWaits) {
    Pair pair;
    EXPECT_TRUE(pair.stream->send_raw("a"));
    EXPECT_TRUE(pair.stream->send_raw("b"));
    EXPECT_EQ(pair.wakes, 1);
    EXPECT_EQ(pair.buffer->take().bytes, "ab");
    EXPECT_EQ(pair.buffer->take().bytes, "");
    pair.stream->finish();
    EXPECT_FALSE(pair.stream->send_raw("late"));
    EXPECT_EQ(pair.wakes, 2);
    const StreamBuffer::Taken taken = pair.buffer->take();
    EXPECT_EQ(taken.bytes, "");
    EXPECT_EQ(taken.end, StreamBuffer::End::kFinished);
}

TEST(EventStream, IsAbandonedWithoutFinish) {
    Pair pair;
    pair.stream->send_raw("half");
    pair.stream.reset();
    EXPECT_EQ(pair.buffer->take().end, StreamBuffer::End::kAbandoned);
}

TEST(EventStream, TellsOnceThatTheClientIsGone) {
    Pair pair;
    int told = 0;
    pair.stream->on_closed([&] { ++told; });
    EXPECT_FALSE(pair.stream->closed());
    pair.buffer->close();
    pair.buffer->close();
    EXPECT_EQ(told, 1);
    EXPECT_TRUE(pair.stream->closed());
    EXPECT_FALSE(pair.stream->send_raw("x"));
    EXPECT_TRUE(pair.stream->gone().stop_requested());
    pair.stream->on_closed([&] { ++told; });
    EXPECT_EQ(told, 2);
}

TEST(EventStream, OverflowsWithoutGrowing) {
    Pair pair(10);
    EXPECT_TRUE(pair.stream->send_raw("0123456789"));
    EXPECT_FALSE(pair.stream->send_raw("x"));
    EXPECT_TRUE(pair.buffer->overflowed());
    EXPECT_TRUE(pair.stream->closed());
    EXPECT_EQ(pair.wakes, 2);
    EXPECT_FALSE(pair.stream->send_raw(""));
    EXPECT_EQ(pair.buffer->take().bytes, "0123456789");
}

TEST(EventStream, TakesFromSeveralThreads) {
    Pair pair(1 << 20);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 1000; ++n) pair.stream->send_event("x");
        });
    }
    std::string all;
    while (all.size() < 4000 * event_text("x", "").size()) all += pair.buffer->take().bytes;
    for (std::thread& thread : threads) thread.join();
    for (size_t at = 0; at < all.size(); at += 9) ASSERT_EQ(all.substr(at, 9), "data: x\n\n");
}

}  // namespace
}  // namespace facet::serve
