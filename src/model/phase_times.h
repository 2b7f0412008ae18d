// Where a device spends its time: nanoseconds by phase of the forward step, as one thread sees it.
//
// A phase ends at the barrier behind it, so that waiting for other threads counts to the phase that
// made them late. Taking the time costs some 25 ns a phase, so it is always on.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace facet {

enum class Phase : uint8_t {
    kEmbed,
    kAttentionNorm,  // norm and quantization of the block's input
    kQueryKeyValue,  // their projections
    kHeads,          // norms and rotations of heads, rows into the cache
    kAttention,
    kAttentionOutput,  // quantization and projection
    kFfnNorm,          // residual, norms and quantization
    kRouterAndGate,    // router, gate and up of the dense branch
    kRoute,            // choice of experts, quantization of the hidden row
    kDown,             // down of the dense branch
    kExpertGate,       // gate and up of the experts
    kExpertRows,       // quantization of their hidden rows
    kExpertDown,
    kResidual,  // norms and addition of both branches
    kHead,
    kCount,
};

inline constexpr std::array<std::string_view, static_cast<size_t>(Phase::kCount)> kPhaseNames = {
    "embed",
    "attention norm",
    "query key value",
    "heads",
    "attention",
    "attention output",
    "ffn norm",
    "router and dense gate",
    "route",
    "dense down",
    "expert gate",
    "expert rows",
    "expert down",
    "residual",
    "head"};

class PhaseTimes {
  public:
    // Everything since the last call of begin() or end() belongs to `phase`.
    void begin() { last_ = Clock::now(); }
    void end(Phase phase) {
        const Clock::time_point now = Clock::now();
        nanoseconds_[static_cast<size_t>(phase)] +=
            std::chrono::duration_cast<std::chrono::nanoseconds>(now - last_).count();
        last_ = now;
    }
    int64_t nanoseconds(Phase phase) const { return nanoseconds_[static_cast<size_t>(phase)]; }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point last_;
    std::array<int64_t, static_cast<size_t>(Phase::kCount)> nanoseconds_ = {};
};

}  // namespace facet
