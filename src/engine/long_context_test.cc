// A conversation far longer than the window, with the window and context of the real model: inside
// its memory plan, and cheap to go on with at its end.
//
// FACET_LONG=1 makes it 200,000 tokens, which takes minutes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/memory.h"
#include "engine/session.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

TEST(LongContext, StaysInsideItsPlanAndGoesOnCheaply) {
    constexpr int32_t kWindow = 1024;
    const bool is_long = std::getenv("FACET_LONG") != nullptr;
    const int32_t count = is_long ? 200'000 : 9'000;
    EditedModel edited(kMoeModel);
    edited.set("gemma4.context_length", GgufType::kUint32, 262144);
    edited.set("gemma4.attention.sliding_window", GgufType::kUint32, kWindow);
    EngineOptions options;
    options.memory.context = is_long ? 262144 : 16384;
    const std::string path = edited.write();
    const MemoryPlan plan = Engine::plan(path, options).take();
    // Nothing beside this one conversation.
    options.memory.kv_bytes = plan.conversation.bytes();
    const uint64_t before = resident_memory_bytes();
    const auto engine = Engine::open(path, options).take();
    const auto session = Session::create(engine).take();
    std::mt19937 random(1);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % 1000);
    ASSERT_TRUE(session->set_ids(ids).ok());
    const uint64_t grown = resident_memory_bytes() - std::min(before, resident_memory_bytes());
    EXPECT_LE(engine->tree().store().used_bytes(), plan.conversation.bytes());
    EXPECT_LE(grown, plan.total_bytes() + 16'000'000) << "plan: " << plan.total_bytes();
    // The next turn,.
    for (int turn = 0; turn < 3; ++turn) {
        for (int i = 0; i < 40; ++i) ids.push_back(static_cast<int32_t>(random() % 1000));
        const int32_t known = session->set_ids(ids).take();
        EXPECT_GE(known, static_cast<int32_t>(ids.size()) - 40 - kWindow);
    }
    std::printf("%d tokens: %.0f MB of KV, resident %.0f MB of %.0f planned\n", count,
                static_cast<double>(engine->tree().store().used_bytes()) * 1e-6,
                static_cast<double>(grown) * 1e-6, static_cast<double>(plan.total_bytes()) * 1e-6);
}

}  // namespace
}  // namespace facet
