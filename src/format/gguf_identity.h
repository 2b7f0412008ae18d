// Tells one model's file from another's, cheaply: what is computed from one must not be used with
// the other.
//
// Not cryptographic, and not of all bytes: who wants two files to agree can make them.
#pragma once

#include "base/hash.h"
#include "base/result.h"
#include "format/gguf.h"

namespace facet {

// Of each tensor so many bytes at most are looked at; smaller ones (norms, scales) are hashed
// whole.
inline constexpr uint64_t kIdentitySampleBytes = 16u << 10;

// A hash of all that a file says before its tensors' bytes (metadata; names, shapes, types and
// places of the tensors), of its length, and of a sample of each tensor; of all parts of a split
// model, in their order. The path does not count. Two files with the same header whose weights
// differ agree only if they differ in none of the samples: a model that was trained further differs
// in nearly all, one that was edited in few places may not. Reads some 16 KiB a tensor. Errors: the
// file cannot be read, or has no path (GgufFile::parse()).
Result<Hash128> gguf_identity(const GgufFile& file);

}  // namespace facet
