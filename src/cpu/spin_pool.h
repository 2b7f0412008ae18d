// Resident threads that run one function together and meet at barriers inside it.
//
// A decoded token has hundreds of barriers, so waiting spins; a waiter gives its core away after a
// while, so that a busy machine slows it down but never stops it, and idle threads sleep. Knows
// nothing of what is computed.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace facet::cpu {

// Tells the processor that this thread waits for another by looking again and again.
inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class SpinPool {
  public:
    // threads: how many work, the caller included; 0 = one a core. Each gets a core of its own
    // where there are enough.
    explicit SpinPool(int32_t threads);
    ~SpinPool();
    SpinPool(const SpinPool&) = delete;
    SpinPool& operator=(const SpinPool&) = delete;

    int32_t thread_count() const { return static_cast<int32_t>(workers_.size()) + 1; }

    // Calls body(thread) in every thread at once, thread in [0, thread_count()), and returns when
    // all have returned. One caller at a time. `body` may call barrier().
    template <typename Body>
    void run(const Body& body) {
        context_ = &body;
        function_ = [](const void* context, int32_t thread) {
            (*static_cast<const Body*>(context))(thread);
        };
        start();
        body(int32_t{0});
        barrier();
    }

    // Inside run(): returns when every thread has called it.
    void barrier();

  private:
    void start();
    void work(int32_t thread);

    std::vector<std::thread> workers_;
    const void* context_ = nullptr;
    void (*function_)(const void* context, int32_t thread) = nullptr;
    std::atomic<bool> stopping_{false};
    alignas(64) std::atomic<uint32_t> generation_{0};  // counts run() calls
    alignas(64) std::atomic<int32_t> sleeping_{0};
    alignas(64) std::atomic<int32_t> arrived_{0};
    alignas(64) std::atomic<uint32_t> phase_{0};  // counts barriers
};

}  // namespace facet::cpu
