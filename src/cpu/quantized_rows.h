// Memory for activation rows in the form the strip kernels take.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.h"

namespace facet::cpu {

class QuantizedRows {
  public:
    QuantizedRows() = default;
    // `rows` rows of `columns` each. Columns are rounded up to a multiple of 32.
    QuantizedRows(int64_t rows, int64_t columns) {
        const auto blocks = static_cast<size_t>((columns + 31) / 32),
                   count = static_cast<size_t>(rows);
        codes_.resize(count * blocks * 32);
        floats_.resize(count * blocks * 4);
        sums_.resize(count * blocks * 3);
        for (size_t r = 0; r < count; ++r) {
            float* f = floats_.data() + r * blocks * 4;
            int32_t* s = sums_.data() + r * blocks * 3;
            rows_.push_back({codes_.data() + r * blocks * 32, f, s, s + blocks, f + blocks,
                             f + 2 * blocks, nullptr});
        }
    }

    QuantizedRow& operator[](int64_t row) { return rows_[static_cast<size_t>(row)]; }
    const QuantizedRow& operator[](int64_t row) const { return rows_[static_cast<size_t>(row)]; }

  private:
    std::vector<int8_t> codes_;
    std::vector<float> floats_;
    std::vector<int32_t> sums_;
    std::vector<QuantizedRow> rows_;
};

}  // namespace facet::cpu
