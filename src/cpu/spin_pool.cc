#include "cpu/spin_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

namespace facet::cpu {

namespace {

// About 50 us of spinning before a core is given away, measured in pauses of some 40 cycles.
constexpr int kSpinsBeforeYield = 4000;
// About 1 ms of giving away before an idle worker sleeps.
constexpr int kYieldsBeforeSleep = 500;

// The cores this process may use.
std::vector<int> allowed_cores() {
    std::vector<int> cores;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
    return cores;
}

}  // namespace

SpinPool::SpinPool(int32_t threads) {
    const std::vector<int> cores = allowed_cores();
    if (threads <= 0) threads = std::max<int32_t>(1, static_cast<int32_t>(cores.size()));
    for (int32_t i = 1; i < threads; ++i) {
        workers_.emplace_back([this, i] { work(i); });
        if (static_cast<size_t>(threads) > cores.size()) continue;
        // Two spinning threads on one core would wait for each other for whole time slices. The
        // caller stays free to move: it settles on the core that is left.
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cores[static_cast<size_t>(i)], &set);
        pthread_setaffinity_np(workers_.back().native_handle(), sizeof set, &set);
    }
}

SpinPool::~SpinPool() {
    stopping_.store(true);
    start();
    for (std::thread& worker : workers_) worker.join();
}

void SpinPool::start() {
    generation_.fetch_add(1);
    if (sleeping_.load() > 0) generation_.notify_all();
}

void SpinPool::barrier() {
    const int32_t threads = thread_count();
    if (threads == 1) return;
    const uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_release);
        return;
    }
    for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
        if (spins < kSpinsBeforeYield) {
            pause();
        } else {
            sched_yield();
        }
    }
}

void SpinPool::work(int32_t thread) {
    uint32_t joined = 0;
    while (true) {
        for (int waits = 0; generation_.load(std::memory_order_acquire) == joined; ++waits) {
            if (waits < kSpinsBeforeYield) {
                pause();
            } else if (waits < kSpinsBeforeYield + kYieldsBeforeSleep) {
                sched_yield();
            } else {
                // start() adds to the generation before it looks for sleepers, and wait() looks
                // again after announcing one.
                sleeping_.fetch_add(1);
                generation_.wait(joined);
                sleeping_.fetch_sub(1);
            }
        }
        ++joined;
        if (stopping_.load()) return;
        function_(context_, thread);
        barrier();
    }
}

}  // namespace facet::cpu
