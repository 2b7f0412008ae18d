// Which tensor type each matrix of a file has whose mix of types is called Q4_K_M, Q2_K and so on.
//
// The rules of llama.cpp's quantizer without an importance matrix, as far as they concern Gemma 4;
// norms, scales and routers are F32 in all of them. Source: ggml-org/llama.cpp src/llama-quant.cpp
// (facts), checked against the sizes of published files (type_mix_test.cc).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "format/tensor_type.h"
#include "model/config.h"

namespace facet {

enum class MatrixRole {
    kEmbedding,
    kQuery,
    kKey,
    kValue,
    kOutput,
    kGate,
    kUp,
    kDown,
    kExpertGate,
    kExpertUp,
    kExpertDown,
};

class TypeMix {
  public:
    // Errors: an unknown name; lists the known ones. Case does not matter.
    static Result<TypeMix> named(std::string_view name);

    std::string_view name() const;
    // `layer` does not matter for the embedding.
    TensorType type(const ModelConfig& config, MatrixRole role, int32_t layer) const;

  private:
    explicit TypeMix(int row) : row_(row) {}

    int row_;
};

}  // namespace facet
