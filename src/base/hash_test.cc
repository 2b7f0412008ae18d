#include "base/hash.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace facet {
namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The value of no bytes is the one that xxhash's own documentation and tests give.
TEST(Hash, IsXxh3OfThatLength) {
    EXPECT_EQ(to_hex(hash128({})), "99aa06d3014798d86001c324468d497f");
    EXPECT_EQ(to_hex(Hash128{1, 0xab}), "000000000000000100000000000000ab");
}

TEST(Hash, OneBitMakesAnother) {
    std::vector<uint8_t> bytes(300, 7);
    const Hash128 before = hash128(bytes);
    bytes[299] ^= 1;
    EXPECT_NE(hash128(bytes), before);
}

TEST(Hash, OfPiecesIsThatOfTheWhole) {
    std::vector<uint8_t> bytes(5000);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i);
    const std::span<const uint8_t> all(bytes);
    for (const size_t cut : {0u, 1u, 239u, 241u, 1024u, 4999u, 5000u}) {
        StreamHash hash;
        hash.update(all.first(cut));
        hash.update(all.subspan(cut));
        EXPECT_EQ(hash.digest(), hash128(all)) << cut;
    }
    StreamHash text;
    text.update(bytes_of("abc"));
    EXPECT_EQ(text.digest(), hash128(bytes_of("abc")));
}

}  // namespace
}  // namespace facet
