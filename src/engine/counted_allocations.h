// For tests: every operator new of the test program, counted and failed (allocation_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace facet {

inline std::atomic<int64_t> counted_allocations{0};
// Of this thread: so many more are granted; negative: all.
inline thread_local int64_t allocations_granted = -1;

class FailingAllocations {
  public:
    explicit FailingAllocations(int64_t granted) { allocations_granted = granted; }
    FailingAllocations(const FailingAllocations&) = delete;
    FailingAllocations& operator=(const FailingAllocations&) = delete;
    ~FailingAllocations() { allocations_granted = -1; }
};

}  // namespace facet
