// Fast 128-bit hashes (XXH3 of the xxhash library): identities and checksums.
//
// Good against accident, not against intent: who chooses the bytes can make two contents agree.
// Bytes of numbers are hashed as they lie in memory; all processors we build for are little-endian.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace facet {

struct Hash128 {
    uint64_t high = 0;
    uint64_t low = 0;
    auto operator<=>(const Hash128&) const = default;
};

// 32 hexadecimal digits, as xxhsum -H2 prints them.
std::string to_hex(const Hash128& hash);

Hash128 hash128(std::span<const uint8_t> bytes);

// The same of bytes that come in pieces; how they are cut does not matter.
class StreamHash {
  public:
    StreamHash();  // throws std::bad_alloc, as every container does
    void update(std::span<const uint8_t> bytes);
    Hash128 digest() const;  // of all so far

  private:
    struct Free {
        void operator()(void* state) const;
    };
    std::unique_ptr<void, Free> state_;  // an XXH3_state_t
};

}  // namespace facet
