// A resident pool of threads that share one loop at a time.
//
// Owns the threads and the split of a range; knows nothing of what is computed. The caller works
// too, so a pool of one starts no thread. Results do not depend on the split as long as the body
// computes each index by itself.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace facet {

// How many threads work where `asked` were asked for; 0 = one a core.
inline int32_t threads_or_cores(int32_t asked) {
    return asked > 0 ? asked
                     : static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
}

class ThreadPool {
  public:
    // threads: how many work at once, the caller included; 0 = one a core.
    explicit ThreadPool(int32_t threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int32_t thread_count() const { return static_cast<int32_t>(workers_.size()) + 1; }

    // Calls body(begin, end, thread) for disjoint ranges that cover [0, count), thread in [0,
    // thread_count()), and returns when all are done. One loop at a time: callers from several
    // threads must take turns. `cost_per_item` is an estimate in nanoseconds; a loop too small to
    // share runs in the caller.
    template <typename Body>
    void parallel_for(int64_t count, int64_t cost_per_item, const Body& body) {
        if (workers_.empty() || count * cost_per_item < kShareFromNanoseconds) {
            if (count > 0) body(int64_t{0}, count, int32_t{0});
            return;
        }
        run({count, std::max<int64_t>(1, count / (8 * thread_count())),
             [](const void* context, int64_t begin, int64_t end, int32_t thread) {
                 (*static_cast<const Body*>(context))(begin, end, thread);
             },
             &body});
    }

  private:
    // Waking a thread costs some 10 us; below a few times that, sharing loses.
    static constexpr int64_t kShareFromNanoseconds = 60'000;

    struct Loop {
        int64_t count = 0;
        int64_t grain = 1;
        void (*body)(const void* context, int64_t begin, int64_t end, int32_t thread) = nullptr;
        const void* context = nullptr;
    };

    void run(const Loop& loop);
    void work(int32_t thread);
    void take_ranges(const Loop& loop, int32_t thread);

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable done_;
    Loop loop_;
    uint64_t generation_ = 0;  // counts loops; a worker joins each once
    int32_t busy_ = 0;         // workers still inside the current loop
    bool stopping_ = false;
    std::atomic<int64_t> next_{0};
};

}  // namespace facet
