// Loops that all threads of a pool run together.
//
// Each thread has a part and takes it from its start, piece by piece, so that it reads memory as
// one stream. Who has finished takes the next pieces of the others: a thread that lost its core, or
// gets less of the memory, holds up the rest by one piece and not by half a loop. Knows nothing of
// what is computed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "cpu/thread_parts.h"

namespace facet::cpu {

class SharedLoops {
  public:
    explicit SharedLoops(int32_t threads) : members_(static_cast<size_t>(threads)) {}

    // Calls body(piece, part) for pieces of at most `step` numbers, which together are the parts of
    // all threads: part(thread) is a Range. Every thread calls this for the same loops in the same
    // order; loops need no barrier between them. When it returns, nothing is left to take, but
    // other threads may still be at their last piece.
    template <typename Part, typename Body>
    void run(int32_t thread, int64_t step, const Part& part, const Body& body) {
        const auto threads = static_cast<int32_t>(members_.size());
        const uint32_t loop = ++members_[static_cast<size_t>(thread)].loop;
        for (int32_t i = 0; i < threads; ++i) {
            const int32_t owner = (thread + i) % threads;
            const Range whole = part(owner);
            Range piece;
            while (take(members_[static_cast<size_t>(owner)], loop, whole, step, &piece))
                body(piece, whole);
        }
    }

  private:
    // On a cache line of its own.
    struct alignas(64) Member {
        // The last loop from which its part was taken, and how much of it, in the low half.
        std::atomic<uint64_t> taken{0};
        uint32_t loop = 0;  // how many this thread has begun
    };

    // The next piece of the owner's part; false if none is left. What the pieces write is handed
    // over by barriers, so the order of memory does not matter here.
    static bool take(Member& owner, uint32_t loop, Range part, int64_t step, Range* piece) {
        uint64_t taken = owner.taken.load(std::memory_order_relaxed);
        while (true) {
            const auto ahead = static_cast<int32_t>(static_cast<uint32_t>(taken >> 32) - loop);
            // Somebody found nothing left in this loop and went on to another.
            if (ahead > 0) return false;
            const int64_t done = ahead < 0 ? 0 : static_cast<uint32_t>(taken);
            *piece = {part.begin + done, std::min(part.begin + done + step, part.end)};
            if (piece->begin >= piece->end) return false;
            const auto then = static_cast<uint32_t>(piece->end - part.begin);
            if (owner.taken.compare_exchange_weak(taken, uint64_t{loop} << 32 | then,
                                                  std::memory_order_relaxed))
                return true;
        }
    }

    std::vector<Member> members_;
};

}  // namespace facet::cpu
