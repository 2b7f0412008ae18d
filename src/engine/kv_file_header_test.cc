#include "engine/kv_file_header.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "engine/kv_file_header_checks.h"

namespace facet {
namespace {

KvFileHeader full_header() {
    KvFileHeader header;
    header.binding = {{1, 2}, 3, 5000, 6000};
    header.chunk.identity = {4, 5};
    header.chunk.parent = Hash128{6, 7};
    for (int32_t i = 0; i < 256; ++i) header.chunk.tokens.push_back(i * 1000);
    for (uint64_t i = 0; i < kKvChunkExtrasMax; ++i) header.chunk.extras.push_back({i, ~i});
    header.block = KvBlock::kSliding;
    header.payload_bytes = 6000;
    header.payload_hash = {8, 9};
    return header;
}

KvFileHeader short_header() {
    KvFileHeader header;
    header.binding = {{1, 2}, 3, 5000, 6000};
    header.chunk.tokens = {-7};
    header.payload_bytes = 1;
    return header;
}

std::optional<KvHeaderFault> fault_of(std::span<const uint8_t> bytes) {
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    KvFileHeader header;
    return decode_kv_header(exact, header);
}

TEST(KvFileHeader, ComesBackAsItWas) {
    for (const KvFileHeader& header : {full_header(), short_header()}) {
        const auto bytes = encode_kv_header(header);
        KvFileHeader found = full_header();
        EXPECT_EQ(decode_kv_header(bytes, found), std::nullopt);
        EXPECT_EQ(found, header);
    }
}

TEST(KvFileHeader, EveryFlippedBitIsRefused) {
    for (const KvFileHeader& header : {full_header(), short_header()}) {
        auto bytes = encode_kv_header(header);
        for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            bytes[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
            ASSERT_NE(fault_of(bytes), std::nullopt) << bit;
            bytes[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
        }
        EXPECT_EQ(fault_of(bytes), std::nullopt);
    }
}

TEST(KvFileHeader, EveryTruncationIsRefused) {
    const auto bytes = encode_kv_header(full_header());
    EXPECT_EQ(fault_of({}), KvHeaderFault::kForeign);
    for (size_t size = 0; size < bytes.size(); ++size) {
        ASSERT_NE(fault_of(std::span(bytes).first(size)), std::nullopt) << size;
    }
    EXPECT_EQ(fault_of(std::span(bytes).first(bytes.size() - 1)), KvHeaderFault::kDamaged);
}

TEST(KvFileHeader, SaysWhyItIsRefused) {
    auto bytes = encode_kv_header(full_header());
    bytes[8] = 2;
    EXPECT_EQ(fault_of(bytes), KvHeaderFault::kOtherVersion);
    bytes[0] ^= 1;
    EXPECT_EQ(fault_of(bytes), KvHeaderFault::kForeign);
}

// With a checksum that holds, each 32-bit word in turn says something extreme.
TEST(KvFileHeader, HostileNumbersAreRefusedOrWithinTheLimits) {
    const auto bytes = encode_kv_header(full_header());
    size_t refused = 0;
    for (size_t at = 0; at + 4 <= 160; at += 4) {
        for (const uint32_t value : {0u, 1u, 2u, 257u, 0x7fffffffu, 0xffffffffu}) {
            std::vector<uint8_t> hostile(bytes.begin(), bytes.end());
            std::memcpy(hostile.data() + at, &value, sizeof value);
            if (!accepts_kv_header(with_right_checksum(hostile))) ++refused;
        }
    }
    EXPECT_GT(refused, 30u);
}

TEST(KvFileHeader, WhatIsNotUsedMustBeZero) {
    for (const size_t at : {size_t{160}, kKvHeaderBytes - 17}) {
        auto bytes = encode_kv_header(short_header());
        bytes[at] = 1;
        EXPECT_FALSE(accepts_kv_header(with_right_checksum(bytes))) << at;
    }
}

TEST(KvFileHeader, EveryPartOfABindingMakesAnother) {
    const KvBinding binding = {{1, 2}, 3, 4, 5};
    std::set<uint64_t> hashes = {hash_of(binding)};
    for (int part = 0; part < 5; ++part) {
        KvBinding other = binding;
        if (part == 0) other.model.high ^= 1;
        if (part == 1) other.model.low ^= 1;
        if (part == 2) other.kv_type ^= 1;
        if (part == 3) other.global_block_bytes ^= 1;
        if (part == 4) other.sliding_block_bytes ^= 1;
        hashes.insert(hash_of(other));
    }
    EXPECT_EQ(hashes.size(), 6u);
}

TEST(KvFileName, ComesBackAsItWas) {
    for (const KvBlock block : {KvBlock::kGlobal, KvBlock::kSliding}) {
        const KvFileKey key = {0x0123, {~uint64_t{0}, 7}, block};
        EXPECT_EQ(parse_kv_file_name(kv_file_name(key)), key);
    }
    EXPECT_EQ(kv_file_name({1, {2, 0xab}, KvBlock::kGlobal}),
              "0000000000000001-000000000000000200000000000000ab.global");
}

TEST(KvFileName, OthersAreNot) {
    const std::string name = kv_file_name({0xa, {2, 0xab}, KvBlock::kSliding});
    for (size_t i = 0; i < name.size(); ++i) {
        std::string other = name;
        other[i] = 'X';
        EXPECT_EQ(parse_kv_file_name(other), std::nullopt) << other;
        EXPECT_EQ(parse_kv_file_name(name.substr(0, i)), std::nullopt);
    }
    for (const std::string& other : {name + "x", " " + name, std::string("-0") + name.substr(2)}) {
        EXPECT_EQ(parse_kv_file_name(other), std::nullopt) << other;
    }
    std::string capital = name;
    capital[15] = 'A';
    EXPECT_EQ(parse_kv_file_name(capital), std::nullopt);
}

// What the fuzz target starts from; each seed is one kind of answer.
TEST(KvFileHeader, TheSeedsOfTheFuzzTargetAreAnswered) {
    std::map<std::string, bool> accepted;
    const std::filesystem::path seeds = FACET_SOURCE_DIR "/fuzz/seeds/kv_file_header";
    for (const auto& entry : std::filesystem::directory_iterator(seeds)) {
        std::ifstream stream(entry.path(), std::ios::binary);
        const std::vector<char> text((std::istreambuf_iterator<char>(stream)), {});
        const std::vector<uint8_t> bytes(text.begin(), text.end());
        accepted[entry.path().filename()] = accepts_kv_header(bytes);
        accepts_kv_header(with_right_checksum(bytes));
    }
    const std::map<std::string, bool> expected = {
        {"full", true}, {"short", true}, {"flipped", false}, {"cut", false}, {"newer", false}};
    EXPECT_EQ(accepted, expected);
}

}  // namespace
}  // namespace facet
