#include "base/repeated_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace facet {
namespace {

TEST(RepeatedMemory, TheContentComesAgainWithoutAGap) {
    std::vector<uint8_t> content(3 * RepeatedMemory::kGranularity);
    for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<uint8_t>(i * 7 + i / 251);
    const auto memory = RepeatedMemory::create(content, 10 * content.size() + 1);
    ASSERT_TRUE(memory.ok()) << memory.error().message;
    ASSERT_EQ(memory.value().bytes(), 11 * content.size());
    for (size_t copy = 0; copy < 11; ++copy) {
        EXPECT_TRUE(std::equal(content.begin(), content.end(),
                               memory.value().data() + copy * content.size()));
    }
}

}  // namespace
}  // namespace facet
