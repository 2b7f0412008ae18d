#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace facet {
namespace {

TEST(ZeroedMemory, IsZeroWritableAndAligned) {
    for (const size_t bytes : {size_t{1}, size_t{4096}, size_t{5} << 20}) {
        ZeroedMemory memory = ZeroedMemory::allocate_huge(bytes).take();
        auto* data = static_cast<uint8_t*>(memory.data());
        EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % (size_t{2} << 20), 0u);
        EXPECT_EQ(memory.bytes(), bytes);
        EXPECT_EQ(data[bytes - 1], 0);
        std::memset(data, 1, bytes);
        ZeroedMemory moved = std::move(memory);
        EXPECT_EQ(moved.data(), data);
        EXPECT_EQ(memory.data(), nullptr);
    }
}

TEST(ZeroedMemory, ARefusalIsAnError) {
    const auto refused = ZeroedMemory::allocate(SIZE_MAX / 2);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, ErrorKind::kOutOfMemory);
    EXPECT_FALSE(ZeroedMemory::allocate_huge(SIZE_MAX - 1).ok());
}

TEST(ZeroedMemory, NothingNeedsNoMemory) {
    EXPECT_EQ(ZeroedMemory::allocate(0).take().data(), nullptr);
}

TEST(AvailableMemory, IsBetweenALittleAndALot) {
    EXPECT_GT(available_memory_bytes(), uint64_t{1} << 20);
    EXPECT_LT(available_memory_bytes(), uint64_t{1} << 50);
}

}  // namespace
}  // namespace facet
