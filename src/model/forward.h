// The forward pass of Gemma 4: the order of steps, once, for every device.
#pragma once

#include "model/config.h"
#include "model/device.h"

namespace facet {

// Computes one batch: writes the KV rows of every sequence, advances its cache, and answers
// batch.wanted. The caller has checked ids, context and batch size.
void forward(const ModelConfig& config, Device& device, const Batch& batch);

}  // namespace facet
