// What a token costs a machine: the bytes that decoding it reads, the operations that computing it
// in a batch takes. The basis of every share we report and of every prediction.
#pragma once

#include <cstdint>
#include <span>

#include "model/config.h"
#include "model/weights.h"

namespace facet {

class TokenCost {
  public:
    // config and weights must outlive it.
    TokenCost(const ModelConfig& config, const Weights& weights);

    // Bytes read to decode the token at a position: every weight it touches, and the KV it sees.
    //   kv_row_bytes  of one position, for each layer (DevicePlan)
    //   head_bytes    of the output head, all of which not every choice of a token needs
    double decode_bytes(int32_t position, std::span<const uint64_t> kv_row_bytes,
                        double head_bytes) const;
    double whole_head_bytes() const { return head_bytes_; }
    // Operations to compute that token in a batch, without the head, which only the last token of a
    // prompt goes through. A multiply-add is two.
    double prefill_operations(int32_t position) const;
    double head_operations() const;

    // A prompt of `count` tokens after `first` others: all its operations, the head once.
    double prompt_operations(int32_t first, int32_t count) const;

  private:
    const ModelConfig& config_;
    double weight_bytes_;  // without the head
    double head_bytes_;
};

}  // namespace facet
