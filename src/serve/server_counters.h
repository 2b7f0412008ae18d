// What the server has done since it started, for /metrics.
//
// Owns: the counters. The I/O thread writes, any thread reads; gauges end with _open.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace facet::serve {

struct ServerCounters {
    std::atomic<uint64_t> connections_accepted = 0;
    std::atomic<uint64_t> connections_refused = 0;  // beyond HttpLimits::connections
    std::atomic<uint64_t> connections_open = 0;
    std::atomic<uint64_t> requests_open = 0;         // from complete head to end of answer
    std::array<std::atomic<uint64_t>, 6> answers{};  // by the status' first digit
    std::atomic<uint64_t> streams_started = 0;
    std::atomic<uint64_t> streams_open = 0;
    std::atomic<uint64_t> streams_refused = 0;  // beyond HttpLimits::streams
    std::atomic<uint64_t> clients_left = 0;     // before their answer was complete
    std::atomic<uint64_t> slow_clients_dropped = 0;
    std::atomic<uint64_t> request_timeouts = 0;
    std::atomic<uint64_t> bytes_received = 0;
    std::atomic<uint64_t> bytes_sent = 0;
};

}  // namespace facet::serve
