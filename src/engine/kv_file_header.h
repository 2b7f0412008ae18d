// What a file of saved keys and values says about itself: the first 4 KiB of it, and its name.
//
// A conversation's keys and values are kept in chunks of at most 256 positions. Each chunk has a
// block of the global layers' rows and may have one of the sliding layers'; each block is a file:
// this header, then the block's bytes to the end of the file. Owns: the layout and its checks. Must
// not know: folders, what a row holds.
//
// Layout, little-endian: kv_file_header.cc, struct Layout. A header has one encoding: whatever
// decode_kv_header() takes, encode_kv_header() gives back, byte by byte.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace facet {

inline constexpr size_t kKvHeaderBytes = 4096;
inline constexpr size_t kKvChunkTokensMax = 256;
inline constexpr size_t kKvChunkExtrasMax = 64;

enum class KvBlock : uint32_t { kGlobal, kSliding };

// What saved keys and values are good for. Files of another binding are not ours to read.
struct KvBinding {
    Hash128 model;         // identifies the weights (format/gguf_identity.h)
    uint32_t kv_type = 0;  // how a row is stored
    // The most bytes of a block; a short chunk's may have fewer.
    uint64_t global_block_bytes = 0;
    uint64_t sliding_block_bytes = 0;

    uint64_t block_bytes(KvBlock block) const {
        return block == KvBlock::kGlobal ? global_block_bytes : sliding_block_bytes;
    }
    bool operator==(const KvBinding&) const = default;
};

// 64 bits of a binding, for file names.
uint64_t hash_of(const KvBinding& binding);

// Up to 256 positions of a conversation. The identity is the caller's: a hash of the parent's
// identity and of all that stands here.
struct KvChunk {
    Hash128 identity;
    std::optional<Hash128> parent;  // none: the chunk begins at position 0
    std::vector<int32_t> tokens;    // 1 to kKvChunkTokensMax
    std::vector<Hash128> extras;    // of pictures in it; at most kKvChunkExtrasMax
    bool operator==(const KvChunk&) const = default;
};

struct KvFileHeader {
    KvBinding binding;
    KvChunk chunk;
    KvBlock block = KvBlock::kGlobal;
    uint64_t payload_bytes = 0;  // 1 to binding.block_bytes(block)
    Hash128 payload_hash;
    bool operator==(const KvFileHeader&) const = default;
};

// Why bytes are no header.
enum class KvHeaderFault {
    kForeign,       // something else
    kOtherVersion,  // an older or newer program's
    kDamaged,       // ours once
};

std::array<uint8_t, kKvHeaderBytes> encode_kv_header(const KvFileHeader& header);

// Nothing, and `header` is filled; or what is wrong, and `header` is of no use. Any number of bytes
// may be given; those behind the first kKvHeaderBytes are not looked at. Allocates no more than the
// limits above.
std::optional<KvHeaderFault> decode_kv_header(std::span<const uint8_t> bytes, KvFileHeader& header);

// Which block of which chunk a file holds; the order is by binding, then by chunk.
struct KvFileKey {
    uint64_t binding = 0;  // hash_of()
    Hash128 identity;
    KvBlock block = KvBlock::kGlobal;
    auto operator<=>(const KvFileKey&) const = default;
};

// <16 digits of the binding>-<32 of the identity>.global or .sliding; unfinished files end in .tmp.
std::string kv_file_name(const KvFileKey& key);
inline constexpr std::string_view kKvUnfinishedSuffix = ".tmp";
// Nothing if kv_file_name() gives no such name.
std::optional<KvFileKey> parse_kv_file_name(std::string_view name);

}  // namespace facet
