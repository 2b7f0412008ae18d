// A mutex that lets waiting threads in in the order they came. A plain one may give a loop that
// locks and unlocks all the time every turn.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace facet {

class FairMutex {
  public:
    void lock() {
        std::unique_lock lock(mutex_);
        const uint64_t ticket = next_++;
        turn_.wait(lock, [&] { return ticket == served_; });
    }
    void unlock() {
        {
            const std::lock_guard lock(mutex_);
            ++served_;
        }
        turn_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable turn_;
    uint64_t next_ = 0;
    uint64_t served_ = 0;
};

}  // namespace facet
