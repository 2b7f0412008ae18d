// What replies take, as histograms for /metrics.
//
// Owns: the buckets. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "facet/facet.hpp"

namespace facet::endpoints {

// Seconds, in buckets of a 1-2-5 series from 1 ms to 1000 s.
class Histogram {
  public:
    void note(double seconds);
    // The Prometheus text of it: name_bucket{le=".."}, name_sum, name_count.
    void append_to(std::string& out, std::string_view name, std::string_view help) const;

  private:
    static constexpr std::array kBounds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                           0.2,   0.5,   1.0,   2.0,  5.0,  10.0, 20.0,
                                           50.0,  100.,  200.,  500., 1000.};
    std::array<std::atomic<uint64_t>, kBounds.size() + 1> counts_{};
    std::atomic<uint64_t> microseconds_ = 0;
};

struct CallMetrics {
    Histogram first_token;  // from the request to the first token of a reply
    Histogram token_gap;    // between two pieces of a reply
    Histogram request;      // the whole
};

// Takes the times of one call.
class CallTimes {
  public:
    CallTimes(CallMetrics& metrics, size_t replies);
    void note(size_t index, const api::Event& event);
    void end();

  private:
    using Clock = std::chrono::steady_clock;
    CallMetrics& metrics_;
    const Clock::time_point start_ = Clock::now();
    std::vector<Clock::time_point> last_;  // of each reply; the epoch before its first token
};

}  // namespace facet::endpoints
