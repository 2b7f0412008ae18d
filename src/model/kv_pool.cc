#include "model/kv_pool.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "model/kv_cache.h"

namespace facet {

namespace {

// Below, what is given back would be holes in huge pages, which the system fills again by itself.
constexpr uint64_t kWorthHugePages = uint64_t{1} << 20;

}  // namespace

Status KvPool::allocate(const std::vector<Layer>& layers, const PerPart<int32_t>& pages) {
    pages_ = pages;
    for (const Layer& layer : layers) {
        uint64_t& end = page_bytes_[layer.part];
        places_.push_back({layer.part, static_cast<int64_t>(end), layer.runs, layer.row_bytes});
        end += static_cast<uint64_t>(layer.runs * layer.row_bytes * kPagePositions);
    }
    for (const KvPart part : kKvParts) {
        const uint64_t bytes = page_bytes_[part] * static_cast<uint64_t>(pages_[part]);
        memory_[part] =
            FACET_TRY(page_bytes_[part] < kWorthHugePages ? ZeroedMemory::promise(bytes)
                                                          : ZeroedMemory::promise_huge(bytes));
    }
    return {};
}

void KvPool::copy(KvPart part, int32_t from, int32_t to, int32_t positions) const {
    FACET_CHECK(0 <= positions && positions <= kPagePositions);
    for (const Place& place : places_) {
        if (place.part != part) continue;
        const int64_t run_bytes = place.row_bytes * kPagePositions;
        for (int64_t run = 0; run < place.runs; ++run) {
            const int64_t offset = place.offset + run * run_bytes;
            std::memcpy(data(part, to) + offset, data(part, from) + offset,
                        static_cast<size_t>(positions * place.row_bytes));
        }
    }
}

void KvPool::release(KvPart part, int32_t page) {
    memory_[part].give_back(static_cast<uint64_t>(page) * page_bytes_[part], page_bytes_[part]);
}

int32_t largest_window(const ModelConfig& config) {
    int32_t window = 0;
    for (const LayerConfig& layer : config.layers) window = std::max(window, layer.window);
    return window;
}

PerPart<uint64_t> kv_page_bytes(const ModelConfig& config, const std::vector<uint64_t>& row_bytes) {
    PerPart<uint64_t> bytes;
    for (size_t i = 0; i < config.layers.size(); ++i)
        bytes[part_of(config.layers[i])] += row_bytes[i] * kPagePositions;
    return bytes;
}

PerPart<int32_t> kv_pages(const ModelConfig& config, int32_t context, int32_t batch_rows) {
    const int32_t all = pages_for(context);
    PerPart<int32_t> pages;
    for (const LayerConfig& layer : config.layers) {
        // The first and last positions that a batch sees may lie anywhere in their pages.
        const int64_t seen = int64_t{layer.window} - 1 + batch_rows;
        const int32_t wanted = layer.sliding ? std::min(all, pages_for(seen) + 1) : all;
        pages[part_of(layer)] = std::max(pages[part_of(layer)], wanted);
    }
    return pages;
}

KvPlan plan_kv(const ModelConfig& config, int32_t context, int32_t batch_rows,
               const std::vector<uint64_t>& row_bytes) {
    const PerPart<int32_t> pages = kv_pages(config, context, batch_rows);
    const PerPart<uint64_t> bytes = kv_page_bytes(config, row_bytes);
    const auto of = [&](KvPart part) { return bytes[part] * static_cast<uint64_t>(pages[part]); };
    return {of(KvPart::kSliding), of(KvPart::kGlobal)};
}

}  // namespace facet
