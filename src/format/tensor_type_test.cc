#include "format/tensor_type.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace facet {
namespace {

TEST(TensorType, TableHasTheIdsAndSizesOfTheFormat) {
    struct Row {
        uint32_t id;
        const char* name;
        uint32_t block_elements, block_bytes;
    };
    constexpr Row kExpected[] = {
        {0, "F32", 1, 4},       {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
        {3, "Q4_1", 32, 20},    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
        {8, "Q8_0", 32, 34},    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},
        {12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176},   {14, "Q6_K", 256, 210},
        {20, "IQ4_NL", 32, 18}, {23, "IQ4_XS", 256, 136}, {30, "BF16", 1, 2},
        {39, "MXFP4", 32, 17},
    };
    EXPECT_EQ(all_tensor_types().size(), std::size(kExpected));
    for (const Row& row : kExpected) {
        const auto type = tensor_type_of_gguf_id(row.id);
        ASSERT_TRUE(type) << row.name;
        const TensorTypeTraits& traits = traits_of(*type);
        EXPECT_EQ(traits.type, *type) << row.name;
        EXPECT_EQ(traits.name, row.name);
        EXPECT_EQ(traits.block_elements, row.block_elements) << row.name;
        EXPECT_EQ(traits.block_bytes, row.block_bytes) << row.name;
    }
}

TEST(TensorType, OtherIdsAreNothing) {
    std::set<uint32_t> known;
    for (const TensorTypeTraits& traits : all_tensor_types())
        known.insert(static_cast<uint32_t>(traits.type));
    for (uint32_t id = 0; id < 1000; ++id)
        EXPECT_EQ(tensor_type_of_gguf_id(id).has_value(), known.count(id) == 1) << id;
    EXPECT_FALSE(tensor_type_of_gguf_id(0xffffffffu));
}

TEST(TensorType, RowBytesCountsWholeBlocks) {
    EXPECT_EQ(row_bytes(TensorType::kF32, 3), 12u);
    EXPECT_EQ(row_bytes(TensorType::kQ8_0, 704), 748u);
    EXPECT_EQ(row_bytes(TensorType::kQ4_K, 2816), 1584u);
}

}  // namespace
}  // namespace facet
