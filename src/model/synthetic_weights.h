// Weights that look like a model's and mean nothing: its shapes and types, random values of a
// magnitude that keeps activations finite and spreads tokens over all experts. For measuring speed
// without a file.
//
// All matrices of a type are windows on the same few MB of random blocks, so that they take no
// memory until a device makes its own copy of each.
#pragma once

#include <vector>

#include "base/repeated_memory.h"
#include "base/result.h"
#include "model/config.h"
#include "model/type_mix.h"
#include "model/weights.h"

namespace facet {

struct SyntheticWeights {
    Weights weights;
    std::vector<RepeatedMemory> blocks;  // what the matrices point into; must outlive them
};

// The same weights each time. Errors: the system gives no memory.
Result<SyntheticWeights> make_synthetic_weights(const ModelConfig& config, const TypeMix& mix);

}  // namespace facet
