// A decoded token allocates nothing: what it needs is there before the first.
//
// Counts every operator new of this program, and fails those that a test wants to fail; other tests
// do not notice.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "engine/counted_allocations.h"
#include "engine/session.h"
#include "tests/edited_model.h"

namespace {

auto& allocations = facet::counted_allocations;

void* allocate(size_t bytes, size_t alignment) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (facet::allocations_granted == 0) throw std::bad_alloc();
    if (facet::allocations_granted > 0) --facet::allocations_granted;
    // aligned_alloc wants whole multiples.
    bytes = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(size_t bytes) { return allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace facet {
namespace {

int64_t allocations_of_tokens(const std::string& path, int32_t threads) {
    EngineOptions options;
    options.model.device.name = "cpu";
    options.model.device.threads = threads;
    auto session = Session::create(Engine::open(path, options).take()).take();
    // Past two spans of attention, so that also what shares them between threads is there.
    const std::vector<int32_t> ids(600, 7);
    EXPECT_TRUE(session->set_ids(ids).ok());
    EXPECT_TRUE(session->append(8).ok());
    const int64_t before = allocations.load();
    for (int32_t id = 0; id < 20; ++id) EXPECT_TRUE(session->append(id).ok());
    return allocations.load() - before;
}

TEST(Allocations, AreCounted) {
    const int64_t before = allocations.load();
    ::operator delete(::operator new(1));
    EXPECT_EQ(allocations.load() - before, 1);
}

TEST(Allocations, ADecodedTokenMakesNone) {
    for (const char* path : {kDemoModel, kMoeModel, kDenseModel}) {
        for (const int32_t threads : {1, 2}) EXPECT_EQ(allocations_of_tokens(path, threads), 0);
    }
}

}  // namespace
}  // namespace facet
