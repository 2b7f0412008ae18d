// The reference device: Gemma 4 in plain f32, slow, readable, and the oracle of every test.
//
// Weights stay quantized where the file is mapped; a row is decoded to f32 when it is needed. Keys
// and values are f32. Must not know: SIMD, other devices, text.
#pragma once

#include <functional>
#include <memory>

#include "base/threads.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet {

struct ReferenceOptions {
    int32_t threads = 0;       // 0 = one a core
    int32_t batch_rows = 256;  // the most rows of one batch
    // Sees intermediate values: name (those of the golden files: "attn_norm", "q", ...), layer (-1
    // outside), and rows x width values. For tests; null costs nothing.
    std::function<void(std::string_view name, int32_t layer, const float* values, int64_t rows,
                       int64_t width)>
        tap;
};

// config and weights must outlive the device. Errors: not enough memory.
Result<std::unique_ptr<Device>> make_reference_device(const ModelConfig& config,
                                                      const Weights& weights,
                                                      ReferenceOptions options);

DevicePlan plan_reference_device(const ModelConfig& config, const ReferenceOptions& options);

}  // namespace facet
