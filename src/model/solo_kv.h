// A conversation with a pool of its own that holds all its positions: for tests and tools that run
// one conversation from its start.
#pragma once

#include <memory>

#include "model/device.h"
#include "model/kv_cache.h"

namespace facet {

struct SoloKv {
    std::unique_ptr<KvPool> pool;
    KvCache cache;

    // Errors: not enough memory.
    static Result<std::unique_ptr<SoloKv>> create(Device& device, const ModelConfig& config,
                                                  int32_t context) {
        const int32_t pages = pages_for(context);
        auto pool = FACET_TRY(device.make_kv_pool(context, PerPart<int32_t>{{pages, pages}}));
        KvCache cache(config, context, pool.get());
        for (const KvPart part : kKvParts) {
            for (int32_t i = 0; i < pages; ++i) cache.set_page(part, i, i);
        }
        return std::unique_ptr<SoloKv>(new SoloKv{std::move(pool), std::move(cache)});
    }
};

}  // namespace facet
