// What one client, and all clients together, may take of the server.
//
// Owns: the limits with their defaults. Everything that grows with what comes from outside has one
// here.
#pragma once

#include <chrono>
#include <cstddef>

namespace facet::serve {

struct HttpLimits {
    // One request.
    size_t head_bytes = size_t{32} << 10;   // request line and headers: 431
    size_t target_bytes = size_t{8} << 10;  // path and query: 414
    size_t header_count = 100;              // 431
    size_t body_bytes = size_t{64} << 20;   // 413

    // All of them together.
    size_t body_bytes_total = size_t{512} << 20;  // bodies held in memory: 503
    size_t connections = 1024;                    // 503
    size_t streams = 512;                         // Responder::start_stream() refuses

    // What is buffered for a stream's client beyond the socket's own buffer; one that lets it run
    // full is dropped.
    size_t stream_buffer_bytes = size_t{1} << 20;
    // The socket's own buffer. Fixed, because the system would let it grow to megabytes for each
    // slow reader.
    int socket_send_bytes = 256 << 10;

    // The TLS handshake, or a request's head from its first byte: 408.
    std::chrono::milliseconds header_timeout{15'000};
    // A body: this long, and as long as it takes at `body_bytes_per_second`: 408.
    std::chrono::milliseconds body_timeout{30'000};
    size_t body_bytes_per_second = size_t{32} << 10;
    // A connection without a request.
    std::chrono::milliseconds idle_timeout{75'000};
    // 64 KiB of an answer, or what there is of it: the client is dropped.
    std::chrono::milliseconds write_timeout{30'000};
    // A silent event stream gets a comment this often, so that proxies keep it open and dead
    // clients are found.
    std::chrono::milliseconds stream_comment_interval{15'000};
    // How long a connection that ends takes in what its client still sends, so that the answer is
    // read before the connection is reset.
    std::chrono::milliseconds linger_timeout{5'000};
};

}  // namespace facet::serve
