#include "base/threads.h"

namespace facet {

ThreadPool::ThreadPool(int32_t threads) {
    threads = threads_or_cores(threads);
    for (int32_t i = 1; i < threads; ++i) {
        workers_.emplace_back([this, i] { work(i); });
    }
}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(const Loop& loop) {
    {
        const std::lock_guard lock(mutex_);
        loop_ = loop;
        next_.store(0, std::memory_order_relaxed);
        busy_ = static_cast<int32_t>(workers_.size());
        ++generation_;
    }
    wake_.notify_all();
    take_ranges(loop, 0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
}

void ThreadPool::take_ranges(const Loop& loop, int32_t thread) {
    while (true) {
        const int64_t begin = next_.fetch_add(loop.grain, std::memory_order_relaxed);
        if (begin >= loop.count) return;
        loop.body(loop.context, begin, std::min(begin + loop.grain, loop.count), thread);
    }
}

void ThreadPool::work(int32_t thread) {
    uint64_t joined = 0;
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [&] { return stopping_ || generation_ != joined; });
        if (stopping_) return;
        joined = generation_;
        const Loop loop = loop_;
        lock.unlock();
        take_ranges(loop, thread);
        lock.lock();
        if (--busy_ == 0) done_.notify_one();
    }
}

}  // namespace facet
