// For fuzzing and tests: any bytes as a header of saved keys and values.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "engine/kv_file_header.h"

namespace facet {

inline constexpr size_t kKvHeaderHashBytes = sizeof(Hash128);  // the last of the header

// The header with the checksum that it should have, so that what stands in it is looked at.
inline std::vector<uint8_t> with_right_checksum(std::span<const uint8_t> bytes) {
    std::vector<uint8_t> fixed(bytes.begin(), bytes.end());
    if (fixed.size() < kKvHeaderBytes) return fixed;
    const size_t hashed = kKvHeaderBytes - kKvHeaderHashBytes;
    const Hash128 hash = hash128(std::span(fixed).first(hashed));
    std::memcpy(fixed.data() + hashed, &hash, sizeof hash);
    return fixed;
}

// True if the bytes are accepted; then what they say is within the limits, and they are the one
// encoding of it.
inline bool accepts_kv_header(std::span<const uint8_t> bytes) {
    KvFileHeader header;
    if (decode_kv_header(bytes, header)) return false;
    FACET_CHECK(!header.chunk.tokens.empty());
    FACET_CHECK(header.chunk.tokens.size() <= kKvChunkTokensMax);
    FACET_CHECK(header.chunk.extras.size() <= kKvChunkExtrasMax);
    FACET_CHECK(header.payload_bytes > 0);
    FACET_CHECK(header.payload_bytes <= header.binding.block_bytes(header.block));
    const auto again = encode_kv_header(header);
    FACET_CHECK(std::equal(again.begin(), again.end(), bytes.begin()));
    return true;
}

}  // namespace facet
