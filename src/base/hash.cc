#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <new>

namespace facet {

static_assert(std::endian::native == std::endian::little);

namespace {

Hash128 of(XXH128_hash_t hash) { return {hash.high64, hash.low64}; }
XXH3_state_t* typed(void* state) { return static_cast<XXH3_state_t*>(state); }

}  // namespace

std::string to_hex(const Hash128& hash) {
    return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

Hash128 hash128(std::span<const uint8_t> bytes) {
    return of(XXH3_128bits(bytes.data(), bytes.size()));
}

StreamHash::StreamHash() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(typed(state_.get()));
}

void StreamHash::update(std::span<const uint8_t> bytes) {
    XXH3_128bits_update(typed(state_.get()), bytes.data(), bytes.size());
}

Hash128 StreamHash::digest() const { return of(XXH3_128bits_digest(typed(state_.get()))); }

void StreamHash::Free::operator()(void* state) const { XXH3_freeState(typed(state)); }

}  // namespace facet
