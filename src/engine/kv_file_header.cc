#include "engine/kv_file_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <type_traits>

#include "base/check.h"

namespace facet {

namespace {

constexpr uint64_t kMagic = 0x0a76'6b74'6563'6166;  // "facetkv" and a line break
constexpr uint32_t kVersion = 1;

struct Layout {
    uint64_t magic;
    uint32_t version;
    uint32_t block;
    Hash128 model;
    uint64_t global_block_bytes;
    uint64_t sliding_block_bytes;
    uint32_t kv_type;
    uint32_t has_parent;
    uint32_t token_count;
    uint32_t extra_count;
    Hash128 identity;
    Hash128 parent;  // zero without one
    uint64_t payload_bytes;
    Hash128 payload_hash;
    int32_t tokens[kKvChunkTokensMax];  // zero behind the last
    Hash128 extras[kKvChunkExtrasMax];  // zero behind the last
    uint8_t padding[1912];              // zero
    Hash128 header_hash;                // of all bytes before
};
static_assert(sizeof(Layout) == kKvHeaderBytes);
static_assert(std::is_trivially_copyable_v<Layout>);
static_assert(std::has_unique_object_representations_v<Layout>, "no byte is left to chance");

std::span<const uint8_t> bytes_of(const void* object, size_t bytes) {
    return {static_cast<const uint8_t*>(object), bytes};
}

Hash128 header_hash(const Layout& layout) {
    return hash128(bytes_of(&layout, offsetof(Layout, header_hash)));
}

// Whether the numbers are such that the header can be read out.
bool within_limits(const Layout& layout) {
    if (layout.block > static_cast<uint32_t>(KvBlock::kSliding)) return false;
    if (layout.has_parent > 1) return false;
    if (layout.token_count == 0 || layout.token_count > kKvChunkTokensMax) return false;
    if (layout.extra_count > kKvChunkExtrasMax) return false;
    const uint64_t most = layout.block == static_cast<uint32_t>(KvBlock::kGlobal)
                              ? layout.global_block_bytes
                              : layout.sliding_block_bytes;
    return layout.payload_bytes >= 1 && layout.payload_bytes <= most;
}

// The hexadecimal number that fills all of `digits`, in the form in which it is printed.
std::optional<uint64_t> parse_hex(std::string_view digits) {
    uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
}

}  // namespace

uint64_t hash_of(const KvBinding& binding) {
    const uint64_t words[] = {binding.model.high, binding.model.low, binding.kv_type,
                              binding.global_block_bytes, binding.sliding_block_bytes};
    return hash128(bytes_of(words, sizeof words)).low;
}

std::array<uint8_t, kKvHeaderBytes> encode_kv_header(const KvFileHeader& header) {
    FACET_CHECK(header.chunk.tokens.size() <= kKvChunkTokensMax);
    FACET_CHECK(header.chunk.extras.size() <= kKvChunkExtrasMax);
    Layout layout = {};
    layout.magic = kMagic;
    layout.version = kVersion;
    layout.block = static_cast<uint32_t>(header.block);
    layout.model = header.binding.model;
    layout.global_block_bytes = header.binding.global_block_bytes;
    layout.sliding_block_bytes = header.binding.sliding_block_bytes;
    layout.kv_type = header.binding.kv_type;
    layout.has_parent = header.chunk.parent ? 1 : 0;
    layout.token_count = static_cast<uint32_t>(header.chunk.tokens.size());
    layout.extra_count = static_cast<uint32_t>(header.chunk.extras.size());
    layout.identity = header.chunk.identity;
    layout.parent = header.chunk.parent.value_or(Hash128{});
    layout.payload_bytes = header.payload_bytes;
    layout.payload_hash = header.payload_hash;
    std::copy(header.chunk.tokens.begin(), header.chunk.tokens.end(), layout.tokens);
    std::copy(header.chunk.extras.begin(), header.chunk.extras.end(), layout.extras);
    FACET_CHECK(within_limits(layout));
    layout.header_hash = header_hash(layout);
    std::array<uint8_t, kKvHeaderBytes> bytes;
    std::memcpy(bytes.data(), &layout, sizeof layout);
    return bytes;
}

std::optional<KvHeaderFault> decode_kv_header(std::span<const uint8_t> bytes,
                                              KvFileHeader& header) {
    if (bytes.empty()) return KvHeaderFault::kForeign;
    Layout layout = {};
    std::memcpy(&layout, bytes.data(), std::min(bytes.size(), sizeof layout));
    if (layout.magic != kMagic) return KvHeaderFault::kForeign;
    if (bytes.size() < sizeof layout) return KvHeaderFault::kDamaged;
    // Before the checksum: another version may keep it elsewhere.
    if (layout.version != kVersion) return KvHeaderFault::kOtherVersion;
    if (layout.header_hash != header_hash(layout) || !within_limits(layout)) {
        return KvHeaderFault::kDamaged;
    }
    header.binding = {layout.model, layout.kv_type, layout.global_block_bytes,
                      layout.sliding_block_bytes};
    header.chunk.identity = layout.identity;
    header.chunk.parent.reset();
    if (layout.has_parent == 1) header.chunk.parent = layout.parent;
    header.chunk.tokens.assign(layout.tokens, layout.tokens + layout.token_count);
    header.chunk.extras.assign(layout.extras, layout.extras + layout.extra_count);
    header.block = static_cast<KvBlock>(layout.block);
    header.payload_bytes = layout.payload_bytes;
    header.payload_hash = layout.payload_hash;
    // Zeros where there must be zeros.
    const auto again = encode_kv_header(header);
    if (std::memcmp(again.data(), bytes.data(), again.size()) != 0) return KvHeaderFault::kDamaged;
    return std::nullopt;
}

std::string kv_file_name(const KvFileKey& key) {
    return fmt::format("{:016x}-{}.{}", key.binding, to_hex(key.identity),
                       key.block == KvBlock::kGlobal ? "global" : "sliding");
}

std::optional<KvFileKey> parse_kv_file_name(std::string_view name) {
    constexpr size_t kDigits = 16;
    if (name.size() < 3 * kDigits + 1) return std::nullopt;
    const auto binding = parse_hex(name.substr(0, kDigits));
    const auto high = parse_hex(name.substr(kDigits + 1, kDigits));
    const auto low = parse_hex(name.substr(2 * kDigits + 1, kDigits));
    if (!binding || !high || !low) return std::nullopt;
    KvFileKey key{*binding, {*high, *low}, KvBlock::kGlobal};
    if (name.ends_with("sliding")) key.block = KvBlock::kSliding;
    // One name a file: no capital digits, nothing between or behind.
    if (kv_file_name(key) != name) return std::nullopt;
    return key;
}

}  // namespace facet
