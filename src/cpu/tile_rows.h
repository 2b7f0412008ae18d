// Memory for rows of activations in the interleaved form that strip kernels take.
//
// Rows are numbered; any run of up to kColumnsMax of them can be a tile, as long as a row is
// written and read as part of the same run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu/kernels.h"

namespace facet::cpu {

// In which forms some matrices take activations.
struct ActivationForms {
    bool codes = false;
    bool values = false;
    bool super_blocks = false;  // codes with one scale for a super-block, where columns allow it
};

class TileRows {
  public:
    TileRows() = default;
    TileRows(int64_t rows, int64_t columns, ActivationForms forms)
        : rows_(rows),
          columns_(columns),
          blocks_((columns + 31) / 32),
          super_blocks_(forms.super_blocks) {
        const auto blocks = static_cast<size_t>(rows * blocks_);
        codes_.resize(forms.codes ? blocks * 32 : 0);
        floats_.resize(forms.codes ? blocks * 2 : 0);
        sums_.resize(forms.codes ? blocks * 2 + static_cast<size_t>(rows * pairs()) : 0);
        values_.resize(forms.values ? static_cast<size_t>(rows * columns) : 0);
    }

    bool has_codes() const { return !codes_.empty(); }
    bool has_values() const { return !values_.empty(); }
    // For how many columns there is one scale, in rows of `columns`.
    int scale_columns(int64_t columns) const {
        return super_blocks_ && columns % kSuperBlock == 0 ? kSuperBlock : 32;
    }

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
                floats_.data() + all + at,
                sums_.data() + all + at,
                sums_.data() + 2 * all + first * pairs(),
                has_values() ? values_.data() + first * columns_ : nullptr};
    }

    int64_t columns() const { return columns_; }

  private:
    int64_t pairs() const { return (blocks_ + 1) / 2; }

    int64_t rows_ = 0;
    int64_t columns_ = 0;
    int64_t blocks_ = 0;
    bool super_blocks_ = false;
    std::vector<int8_t> codes_;
    std::vector<float> floats_;  // scale [rows, blocks], scaled_sum32 the same
    // negative_sum32 [rows, blocks], sum_pairs16 the same, sum_pairs32 [rows, pairs of blocks]
    std::vector<int32_t> sums_;
    std::vector<float> values_;
};

// Cuts rows [first, first + count) into the fewest tiles, of nearly equal heights: a tile of one
// row beside full ones would cost as much as half a full one.
class TileCut {
  public:
    struct Place {
        int64_t first;  // row of the tile
        int count;      // its rows
        int slot;       // of the row asked for
    };

    TileCut(int64_t first, int64_t count)
        : first_(first), count_(count), tiles_((count + kColumnsMax - 1) / kColumnsMax) {}

    int64_t tiles() const { return tiles_; }
    Place tile(int64_t index) const {
        const int64_t begin = count_ * index / tiles_;
        return {first_ + begin, static_cast<int>(count_ * (index + 1) / tiles_ - begin), 0};
    }
    Place place_of(int64_t row) const {
        const int64_t at = row - first_;
        // The last tile that begins at or before `at`.
        Place place = tile(((at + 1) * tiles_ - 1) / count_);
        place.slot = static_cast<int>(row - place.first);
        return place;
    }

  private:
    int64_t first_, count_, tiles_;
};

// Writes x [columns] unquantized as row `slot` of the tile.
inline void store_values(const float* x, int64_t columns, const Tile& tile, int slot) {
    std::copy_n(x, columns, tile.values + slot * columns);
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
        to.sum_pairs16[i * to.count + to_slot] = from.sum_pairs16[i * from.count + from_slot];
    }
    for (int64_t i = 0; i < (columns + 63) / 64; ++i)
        to.sum_pairs32[i * to.count + to_slot] = from.sum_pairs32[i * from.count + from_slot];
}

inline void copy_values(const Tile& from, int from_slot, const Tile& to, int to_slot,
                        int64_t columns) {
    std::copy_n(from.values + from_slot * columns, columns, to.values + to_slot * columns);
}

}  // namespace facet::cpu
