#include "model/kv_cache.h"

#include <algorithm>

#include "base/check.h"

namespace facet {

KvCache::KvCache(const ModelConfig& config, int32_t context, KvPool* pool)
    : pool_(pool), context_(context), window_(largest_window(config)) {
    for (const KvPart part : kKvParts)
        pages_[part].assign(static_cast<size_t>(pages_for(context)), kNoPage);
    for (const LayerConfig& layer : config.layers) has_layers_[part_of(layer)] = true;
}

void KvCache::set_length(int32_t length) {
    FACET_CHECK(0 <= length && length <= context_);
    length_ = length;
}

int32_t KvCache::first_page(KvPart part, int32_t position) const {
    return part == KvPart::kGlobal ? 0 : first_page_in_window(position, window_);
}

bool KvCache::has_pages_for(int32_t rows) const {
    for (const KvPart part : kKvParts) {
        if (!has_layers_[part]) continue;
        const auto& pages = pages_[part];
        const auto begin = pages.begin() + first_page(part, length_);
        const auto end = pages.begin() + pages_for(int64_t{length_} + rows);
        if (std::find(begin, end, kNoPage) != end) return false;
    }
    return true;
}

}  // namespace facet
