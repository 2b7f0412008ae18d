// What a token costs a machine: the bytes that decoding it reads, the operations that computing it
// in a batch takes. The basis of every share we report and of every prediction.
#pragma once

#include <span>
#include <string_view>

#include "model/config.h"
#include "model/weights.h"

namespace facet {

// A form of the KV cache: bytes of one element as plan_kv() counts them, keys and values alike.
struct KvForm {
    std::string_view name;
    double sliding_bytes = 0;  // an element of a sliding layer
    double global_bytes = 0;
};

// The forms worth comparing; a new KV type is a new row.
std::span<const KvForm> kv_forms();

class TokenCost {
  public:
    // config and weights must outlive it.
    TokenCost(const ModelConfig& config, const Weights& weights);

    // Bytes read to decode the token at a position: every weight it touches, and the KV it sees.
    double decode_bytes(int32_t position, const KvForm& kv) const;
    // Operations to compute that token in a batch, without the head, which only the last token of a
    // prompt goes through. A multiply-add is two.
    double prefill_operations(int32_t position) const;
    double head_operations() const;

    // A prompt of `count` tokens after `first` others: all its operations, the head once.
    double prompt_operations(int32_t first, int32_t count) const;

  private:
    const ModelConfig& config_;
    double weight_bytes_;
};

// Bytes of KV in memory for a context. batch_rows: the most rows of one batch (device.h).
double kv_bytes(const ModelConfig& config, int32_t context, int32_t batch_rows, const KvForm& kv);

}  // namespace facet
