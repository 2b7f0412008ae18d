// Memory for rows of activations in the interleaved form that strip kernels take.
//
// Rows are numbered; any run of up to kColumnsMax of them can be a tile, as long as a row is
// written and read as part of the same run.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu/kernels.h"

namespace facet::cpu {

class TileRows {
  public:
    TileRows() = default;
    // has_codes, has_values: which of the two forms the rows are needed in.
    TileRows(int64_t rows, int64_t columns, bool has_codes, bool has_values)
        : rows_(rows), columns_(columns), blocks_((columns + 31) / 32) {
        const auto blocks = static_cast<size_t>(rows * blocks_);
        codes_.resize(has_codes ? blocks * 32 : 0);
        floats_.resize(has_codes ? blocks * 4 : 0);
        sums_.resize(has_codes ? blocks * 3 : 0);
        values_.resize(has_values ? static_cast<size_t>(rows * columns) : 0);
    }

    bool has_codes() const { return !codes_.empty(); }
    bool has_values() const { return !values_.empty(); }

    // The tile of rows [first, first + count).
    Tile tile(int64_t first, int count) {
        const int64_t at = first * blocks_, all = rows_ * blocks_;
        if (!has_codes()) {
            return {count,   nullptr, nullptr, nullptr,
                    nullptr, nullptr, nullptr, values_.data() + first * columns_};
        }
        return {count,
                codes_.data() + at * 32,
                floats_.data() + at,
                sums_.data() + at,
                sums_.data() + all + 2 * at,
                floats_.data() + all + at,
                floats_.data() + 2 * all + 2 * at,
                has_values() ? values_.data() + first * columns_ : nullptr};
    }

    int64_t columns() const { return columns_; }

  private:
    int64_t rows_ = 0;
    int64_t columns_ = 0;
    int64_t blocks_ = 0;
    std::vector<int8_t> codes_;
    std::vector<float>
        floats_;  // scale [rows, blocks], scaled_sum32 the same, scaled_sum16 [rows, 2 blocks]
    std::vector<int32_t> sums_;  // negative_sum32 [rows, blocks], negative_sum16 [rows, 2 blocks]
    std::vector<float> values_;
};

// Writes x [columns] unquantized as row `slot` of the tile.
inline void store_values(const float* x, int64_t columns, const Tile& tile, int slot) {
    for (int64_t c = 0; c < columns; ++c) tile.values[c * tile.count + slot] = x[c];
}

// Copies row `from_slot` of one tile to row `to_slot` of another, codes and all that belongs to
// them.
inline void copy_codes(const Tile& from, int from_slot, const Tile& to, int to_slot,
                       int64_t columns) {
    for (int64_t i = 0; i < columns / 4; ++i) {
        std::memcpy(to.codes + (i * to.count + to_slot) * 4,
                    from.codes + (i * from.count + from_slot) * 4, 4);
    }
    for (int64_t i = 0; i < columns / 32; ++i) {
        to.scale[i * to.count + to_slot] = from.scale[i * from.count + from_slot];
        to.negative_sum32[i * to.count + to_slot] = from.negative_sum32[i * from.count + from_slot];
        to.scaled_sum32[i * to.count + to_slot] = from.scaled_sum32[i * from.count + from_slot];
    }
    for (int64_t i = 0; i < columns / 16; ++i) {
        to.negative_sum16[i * to.count + to_slot] = from.negative_sum16[i * from.count + from_slot];
        to.scaled_sum16[i * to.count + to_slot] = from.scaled_sum16[i * from.count + from_slot];
    }
}

inline void copy_values(const Tile& from, int from_slot, const Tile& to, int to_slot,
                        int64_t columns) {
    for (int64_t c = 0; c < columns; ++c) {
        to.values[c * to.count + to_slot] = from.values[c * from.count + from_slot];
    }
}

}  // namespace facet::cpu
