#include "engine/page_store.h"

#include <algorithm>

#include "base/check.h"
#include "model/device.h"

namespace facet {

Result<PageStore> PageStore::create(Device& device, const PerPart<uint64_t>& page_bytes,
                                    int32_t context, uint64_t budget_bytes) {
    PerPart<int32_t> pages;
    for (const KvPart part : kKvParts) {
        if (page_bytes[part] == 0) continue;
        pages[part] =
            static_cast<int32_t>(std::min<uint64_t>(budget_bytes / page_bytes[part], INT32_MAX));
    }
    return PageStore(FACET_TRY(device.make_kv_pool(context, pages)), budget_bytes);
}

int32_t PageStore::take(KvPart part) {
    const uint64_t bytes = page_bytes(part);
    if (bytes > budget_ - used_) return kNoPage;
    std::vector<int32_t>&warm = warm_[part], &cold = cold_[part];
    int32_t page = kNoPage;
    if (!warm.empty()) {
        page = warm.back();
        warm.pop_back();
    } else {
        if (!make_room(bytes)) return kNoPage;
        if (!cold.empty()) {
            page = cold.back();
            cold.pop_back();
        } else {
            if (next_[part] == pool_->pages(part)) return kNoPage;
            page = next_[part]++;
        }
        touched_ += bytes;
    }
    used_ += bytes;
    return page;
}

void PageStore::give_back(KvPart part, int32_t page) {
    FACET_CHECK(0 <= page && page < next_[part]);
    FACET_CHECK(used_ >= page_bytes(part));
    used_ -= page_bytes(part);
    warm_[part].push_back(page);
}

// Gives the memory of unused pages back to the system until `bytes` more can be touched.
bool PageStore::make_room(uint64_t bytes) {
    for (const KvPart part : kKvParts) {
        std::vector<int32_t>& warm = warm_[part];
        while (touched_ + bytes > budget_ && !warm.empty()) {
            pool_->release(part, warm.back());
            cold_[part].push_back(warm.back());
            warm.pop_back();
            touched_ -= page_bytes(part);
        }
    }
    return touched_ + bytes <= budget_;
}

}  // namespace facet
