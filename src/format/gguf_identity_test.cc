#include "format/gguf_identity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/scratch_directory.h"
#include "format/gguf_image.h"
#include "format/gguf_writer.h"

namespace facet {
namespace {

constexpr uint64_t kLarge = 1 << 20;  // bytes of the tensor that is not hashed whole

class GgufIdentity : public ::testing::Test {
  protected:
    // A file with one key, a small tensor and a large one.
    std::string write(const std::string& name, int64_t key, TensorType type,
                      const std::vector<uint8_t>& small, const std::vector<uint8_t>& large) {
        GgufWriter writer;
        EXPECT_TRUE(writer.set("a.key", {GgufType::kInt64, key}).ok());
        EXPECT_TRUE(writer.add_tensor("small", type, {small.size() / 2}, small).ok());
        EXPECT_TRUE(writer.add_tensor("large", TensorType::kF32, {large.size() / 4}, large).ok());
        EXPECT_TRUE(writer.write(scratch_.file(name)).ok());
        return scratch_.file(name);
    }
    Hash128 identity(const std::string& path) {
        auto file = GgufFile::open(path);
        EXPECT_TRUE(file.ok());
        auto hash = gguf_identity(file.value());
        EXPECT_TRUE(hash.ok());
        return hash.value();
    }

    ScratchDirectory scratch_;
    const std::vector<uint8_t> small_ = std::vector<uint8_t>(kIdentitySampleBytes, 1);
    const std::vector<uint8_t> large_ = std::vector<uint8_t>(kLarge, 2);
};

TEST_F(GgufIdentity, IsThatOfTheContentNotOfThePath) {
    const std::string first = write("a.gguf", 1, TensorType::kF16, small_, large_);
    const std::string second = write("b.gguf", 1, TensorType::kF16, small_, large_);
    EXPECT_EQ(identity(first), identity(second));
}

TEST_F(GgufIdentity, EveryKindOfDifferenceMakesAnother) {
    std::set<Hash128> hashes;
    const auto add = [&](int64_t key, TensorType type, const std::vector<uint8_t>& small,
                         const std::vector<uint8_t>& large) {
        hashes.insert(identity(write("m.gguf", key, type, small, large)));
    };
    add(1, TensorType::kF16, small_, large_);
    add(2, TensorType::kF16, small_, large_);
    add(1, TensorType::kBF16, small_, large_);
    for (const size_t at : {size_t{0}, small_.size() - 1}) {
        std::vector<uint8_t> other = small_;
        other[at] ^= 1;
        add(1, TensorType::kF16, other, large_);
    }
    add(1, TensorType::kF16, small_, std::vector<uint8_t>(kLarge, 3));
    add(1, TensorType::kF16, small_, std::vector<uint8_t>(kLarge + 4, 2));
    EXPECT_EQ(hashes.size(), 7u);
}

// Every byte of the header counts: each one that can be changed and still be opened.
TEST_F(GgufIdentity, EveryByteOfTheHeaderCounts) {
    const GgufImage image = small_gguf_image();
    const auto path_of = [&](const std::vector<uint8_t>& bytes) {
        return scratch_.write("m.gguf",
                              {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    const Hash128 original = identity(path_of(image.bytes));
    size_t opened = 0;
    for (size_t at = 0; at < image.bytes.size(); ++at) {
        std::vector<uint8_t> bytes = image.bytes;
        bytes[at] ^= 1;
        auto file = GgufFile::open(path_of(bytes));
        if (!file.ok()) continue;
        ++opened;
        // Small tensors count whole too; what is left is the padding between them.
        const bool padding = std::none_of(
            file.value().tensors().begin(), file.value().tensors().end(), [&](const auto& tensor) {
                const auto* base = file.value().mappings().front()->bytes().data();
                const auto begin = static_cast<size_t>(tensor.bytes.data() - base);
                return at >= begin && at < begin + tensor.bytes.size();
            });
        const bool behind = at + 480 >= bytes.size();
        if (!behind || !padding) {
            EXPECT_NE(gguf_identity(file.value()).value(), original) << at;
        }
    }
    EXPECT_GT(opened, 400u);
}

TEST_F(GgufIdentity, AllPartsOfASplitModelCount) {
    std::set<Hash128> hashes;
    for (int changed = 0; changed < 3; ++changed) {
        for (int part = 0; part < 2; ++part) {
            GgufWriter writer;
            EXPECT_TRUE(writer.set("split.no", {GgufType::kUint16, int64_t{part}}).ok());
            EXPECT_TRUE(writer.set("split.count", {GgufType::kUint16, int64_t{2}}).ok());
            const std::vector<uint8_t> bytes(64, changed == part + 1 ? 1 : 0);
            const std::string name = "t" + std::to_string(part);
            EXPECT_TRUE(writer.add_tensor(name, TensorType::kF32, {16}, bytes).ok());
            const std::string path = part == 0 ? "m-00001-of-00002.gguf" : "m-00002-of-00002.gguf";
            EXPECT_TRUE(writer.write(scratch_.file(path)).ok());
        }
        hashes.insert(identity(scratch_.file("m-00001-of-00002.gguf")));
    }
    EXPECT_EQ(hashes.size(), 3u);
}

TEST_F(GgufIdentity, AFileThatBecomesShorterIsAnError) {
    const std::string path = write("m.gguf", 1, TensorType::kF16, small_, large_);
    auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok());
    std::filesystem::resize_file(path, kIdentitySampleBytes + 4096);
    EXPECT_FALSE(gguf_identity(file.value()).ok());
}

TEST_F(GgufIdentity, BytesWithoutAFileHaveNone) {
    const GgufImage image = small_gguf_image();
    auto file = GgufFile::parse(image.bytes, "m.gguf");
    ASSERT_TRUE(file.ok());
    EXPECT_FALSE(gguf_identity(file.value()).ok());
}

}  // namespace
}  // namespace facet
