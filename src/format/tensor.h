// A tensor as a file describes it: name, type, shape, and where its bytes lie. A view; the file
// owns the bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/tensor_type.h"

namespace facet {

struct TensorView {
    std::string name;
    TensorType type = TensorType::kF32;
    // GGUF order: shape[0] is the length of a row (the input width), the last is the slowest.
    std::vector<uint64_t> shape;
    std::span<const uint8_t> bytes;

    uint64_t row_elements() const { return shape.empty() ? 1 : shape[0]; }
    uint64_t row_count() const {
        uint64_t rows = 1;
        for (size_t i = 1; i < shape.size(); ++i) rows *= shape[i];
        return rows;
    }
    uint64_t element_count() const { return row_elements() * row_count(); }
};

}  // namespace facet
