// Memory for keys and values in pages of 256 positions, shared by all conversations of a device.
//
// A page holds its positions for every sliding layer, or for every global layer: the two parts have
// pages of their own, because sliding layers forget. Pages are numbered from 0 and cost nothing
// before they are written. Owns: the memory and its layout. Must not know: what a row means (that
// is the device's business), nor who uses which page (kv_cache.h, and the engine's page table).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/result.h"
#include "model/config.h"

namespace facet {

// Positions of a page. Devices read aligned runs of positions, which never cross a page.
inline constexpr int32_t kPagePositions = 256;
constexpr int32_t pages_for(int64_t positions) {
    return static_cast<int32_t>((positions + kPagePositions - 1) / kPagePositions);
}

// How a device keeps keys and values. A row of q8_0 has an f16 scale for each 32 values.
enum class KvType : uint8_t { kF16, kQ8_0 };
constexpr int64_t kv_row_bytes(KvType type, int64_t values) {
    return type == KvType::kF16 ? 2 * values : values + values / 16;
}

enum class KvPart : uint8_t { kSliding, kGlobal };
inline constexpr std::array kKvParts = {KvPart::kSliding, KvPart::kGlobal};
constexpr KvPart part_of(const LayerConfig& layer) {
    return layer.sliding ? KvPart::kSliding : KvPart::kGlobal;
}
template <typename T>
struct PerPart {
    std::array<T, kKvParts.size()> of = {};
    T& operator[](KvPart part) { return of[static_cast<size_t>(part)]; }
    const T& operator[](KvPart part) const { return of[static_cast<size_t>(part)]; }
};

class KvPool {
  public:
    // What a layer keeps: runs (heads of keys, heads of values) of one row for each position.
    struct Layer {
        KvPart part;
        int64_t runs = 0;
        int64_t row_bytes = 0;
    };

    KvPool() = default;
    virtual ~KvPool() = default;
    KvPool(const KvPool&) = delete;
    KvPool& operator=(const KvPool&) = delete;

    // Errors: the system does not give that much, even as a promise.
    Status allocate(const std::vector<Layer>& layers, const PerPart<int32_t>& pages);

    int32_t pages(KvPart part) const { return pages_[part]; }
    // 0 where the model has no such layer.
    uint64_t page_bytes(KvPart part) const { return page_bytes_[part]; }

    KvPart part(int32_t layer) const { return places_[static_cast<size_t>(layer)].part; }
    // The row of one position of a page, in one run of a layer; the rows of a run follow one
    // another.
    uint8_t* row(int32_t layer, int64_t run, int32_t page, int32_t position) const {
        const Place& place = places_[static_cast<size_t>(layer)];
        return data(place.part, page) + place.offset +
               (run * kPagePositions + position) * place.row_bytes;
    }
    // A whole page, to be saved and brought back.
    std::span<uint8_t> bytes(KvPart part, int32_t page) const {
        return {data(part, page), page_bytes_[part]};
    }
    // Copies the first `positions` of a page to another.
    void copy(KvPart part, int32_t from, int32_t to, int32_t positions) const;
    // Gives the memory of a page back to the system; the page reads as zeros afterwards.
    void release(KvPart part, int32_t page);

  private:
    struct Place {
        KvPart part;
        int64_t offset = 0;  // of the first run in a page
        int64_t runs = 0;
        int64_t row_bytes = 0;
    };
    uint8_t* data(KvPart part, int32_t page) const {
        return static_cast<uint8_t*>(memory_[part].data()) +
               static_cast<uint64_t>(page) * page_bytes_[part];
    }

    std::vector<Place> places_;
    PerPart<int32_t> pages_;
    PerPart<uint64_t> page_bytes_;
    PerPart<ZeroedMemory> memory_;
};

// The largest window of the sliding layers; 0 if there are none.
int32_t largest_window(const ModelConfig& config);
// The first page of sliding layers that queries from `position` on see.
constexpr int32_t first_page_in_window(int32_t position, int32_t window) {
    return std::max(0, position - window + 1) / kPagePositions;
}

// Bytes of one page of each part.
//   row_bytes[layer]  what one position of a layer takes
PerPart<uint64_t> kv_page_bytes(const ModelConfig& config, const std::vector<uint64_t>& row_bytes);

// Pages that one conversation of `context` positions needs: every position of global layers, and
// of sliding layers what the rows of one batch see.
PerPart<int32_t> kv_pages(const ModelConfig& config, int32_t context, int32_t batch_rows);

// Bytes of these pages: for memory plans.
struct KvPlan {
    uint64_t sliding_bytes = 0;
    uint64_t global_bytes = 0;
    uint64_t bytes() const { return sliding_bytes + global_bytes; }
};
KvPlan plan_kv(const ModelConfig& config, int32_t context, int32_t batch_rows,
               const std::vector<uint64_t>& row_bytes);

}  // namespace facet
