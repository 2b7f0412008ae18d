// Broken and hostile GGUF files: whatever the bytes, parse() gives a file that is safe to use or
// one sentence. Run with AddressSanitizer these tests see a read of a single byte too many, because
// every input has its own allocation of exactly its size.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "format/gguf.h"
#include "format/gguf_image.h"

namespace facet {
namespace {

// Uses everything a parsed file promises. The sum keeps the reads from being optimised away.
uint64_t use(const GgufFile& file) {
    uint64_t sum = 0;
    for (const auto& [key, value] : file.metadata()) {
        EXPECT_EQ(file.find(key), &value);
        if (const auto* text = std::get_if<std::string_view>(&value.value)) {
            for (const char c : *text) sum += static_cast<uint8_t>(c);
        }
        if (const auto* array = std::get_if<GgufArray>(&value.value)) {
            for (const std::string_view text : array->strings) {
                for (const char c : text) sum += static_cast<uint8_t>(c);
            }
        }
    }
    for (const TensorView& tensor : file.tensors()) {
        EXPECT_EQ(file.find_tensor(tensor.name), &tensor);
        EXPECT_EQ(tensor.bytes.size(),
                  row_bytes(tensor.type, tensor.row_elements()) * tensor.row_count());
        for (const uint8_t byte : tensor.bytes) sum += byte;
    }
    return sum;
}

// True if the bytes were accepted. They are copied into an allocation of exactly their size.
bool survives(std::span<const uint8_t> bytes) {
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    auto file = GgufFile::parse(exact, "hostile.gguf");
    if (file.ok()) {
        use(file.value());
        return true;
    }
    EXPECT_GT(file.error().message.size(), std::string("hostile.gguf: ").size());
    EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
    return false;
}

TEST(GgufHostile, TheUntouchedFileIsAccepted) { EXPECT_TRUE(survives(small_gguf_image().bytes)); }

TEST(GgufHostile, EveryTruncationIsRefused) {
    const GgufImage image = small_gguf_image();
    for (size_t size = 0; size < image.bytes.size(); ++size) {
        EXPECT_FALSE(survives(std::span(image.bytes).first(size))) << size << " bytes";
    }
}

TEST(GgufHostile, EveryNumberSurvivesEveryExtreme) {
    const GgufImage image = small_gguf_image();
    const uint64_t near_end = image.bytes.size();
    const uint64_t extremes[] = {
        0,          1,          2,          31,         near_end - 1,     near_end,   near_end + 1,
        1ull << 31, 1ull << 32, 1ull << 40, 1ull << 63, (1ull << 63) - 1, ~0ull - 31, ~0ull};
    size_t refused = 0;
    for (const GgufImage::Field& field : image.fields) {
        for (const uint64_t value : extremes) {
            std::vector<uint8_t> bytes = image.bytes;
            std::memcpy(bytes.data() + field.position, &value, field.bytes);
            if (!survives(bytes)) ++refused;
        }
    }
    EXPECT_GT(refused, image.fields.size() * 8);
}

TEST(GgufHostile, PairsOfExtremeNumbersSurvive) {
    const GgufImage image = small_gguf_image();
    std::mt19937_64 random(1);
    for (int round = 0; round < 4000; ++round) {
        std::vector<uint8_t> bytes = image.bytes;
        for (int i = 0; i < 2; ++i) {
            const GgufImage::Field& field = image.fields[random() % image.fields.size()];
            const uint64_t value = uint64_t{1} << (random() % 64);
            std::memcpy(bytes.data() + field.position, &value, field.bytes);
        }
        survives(bytes);
    }
}

TEST(GgufHostile, RandomCorruptionSurvives) {
    const GgufImage image = small_gguf_image();
    const size_t header_bytes = image.bytes.size() - 480;
    std::mt19937_64 random(2);
    size_t accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<uint8_t> bytes = image.bytes;
        const size_t count = 1 + random() % 8;
        for (size_t i = 0; i < count; ++i)
            bytes[random() % header_bytes] = static_cast<uint8_t>(random());
        if (survives(bytes)) ++accepted;
    }
    EXPECT_GT(accepted, 0u);  // changed names and values still make a file
    EXPECT_LT(accepted, 20000u);
}

TEST(GgufHostile, CutAndPastedHeadersSurvive) {
    const GgufImage image = small_gguf_image();
    std::mt19937_64 random(3);
    for (int round = 0; round < 4000; ++round) {
        std::vector<uint8_t> bytes = image.bytes;
        const size_t count = 1 + random() % 64;
        const size_t from = random() % (bytes.size() - count);
        const size_t to = 4 + random() % (bytes.size() - count - 4);
        std::memmove(bytes.data() + to, image.bytes.data() + from, count);
        survives(bytes);
    }
}

// A count may only make the parser allocate in proportion to the bytes that are there.
TEST(GgufHostile, LargeCountsInASmallFileAreRefusedBeforeAllocating) {
    for (const GgufType type : {GgufType::kUint8, GgufType::kString, GgufType::kFloat64}) {
        GgufImage image;
        image.header(0, 1).array_key("k", type, kGgufArrayCountMax).raw<uint64_t>(0);
        EXPECT_FALSE(survives(image.bytes));
    }
    EXPECT_FALSE(survives(GgufImage().header(kGgufTensorCountMax, kGgufKeyCountMax).bytes));
}

}  // namespace
}  // namespace facet
