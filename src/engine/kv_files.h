// Prefixes of conversations, saved on disk as chunks of keys and values and found again.
//
// Owns one folder: what is in it, its size, and what goes when there is no room. Whatever ends the
// program or the machine, what was saved before is there afterwards, complete. Everything read is
// checked before the caller may use it; nothing that lies in the folder does more harm than not to
// be found. Must not know: what a block holds, how identities are made, how the caller keeps its
// tree. Calls one at a time.
//
// Memory: some hundred bytes a file. An operation for which there is no memory is an error, and so
// is every later one: what is on disk is not touched any more, and the next start finds it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/file_calls.h"
#include "engine/kv_file_header.h"
#include "engine/kv_file_index.h"

namespace facet {

struct KvFilesOptions {
    std::string folder;
    KvBinding binding;
    uint64_t limit_bytes = 0;  // of all files together, headers and unfinished ones included
    // To go on from the end of a chunk takes the sliding blocks of so many chunks up to it.
    int32_t window_chunks = 5;
};

// A saved chunk: its global block and perhaps its sliding block.
struct KvEntry {
    KvChunk chunk;
    uint64_t global_bytes = 0;
    uint64_t sliding_bytes = 0;  // 0: not there
    int64_t last_use = 0;        // nanoseconds since 1970, of what of it was used last
};

struct KvFilesStatistics {
    uint64_t bytes = 0;  // of all files of our names, also of other bindings
    uint64_t limit_bytes = 0;
    uint64_t files = 0;
    uint64_t evictions = 0;  // files removed because there was no room
    uint64_t damaged = 0;    // found so when they were read
};

class KvFiles {
  public:
    // Makes the folder if there is none, locks it, reads the headers (not the payloads) and removes
    // what is too much. Errors: the system's; the folder is another process's.
    static Result<KvFiles> open(KvFilesOptions options, FileCalls& calls = system_file_calls());

    // One sentence about all files that were ignored; empty if none were. Files of other bindings
    // and unfinished ones need no words.
    const std::string& warning() const { return warning_; }
    // What open() found of use, parents before children. Once: the memory is handed over.
    std::vector<KvEntry> take_entries() { return std::move(entries_); }

    // Whether the block can be read and all chunks before it too.
    bool contains(const Hash128& identity, KvBlock block) const;

    // Saves a block; replaces one of the same chunk. The global blocks come first, parents before
    // children. Least recently used files go to make room, but none that the newest prefix needs:
    // the one that was saved last, to which this chunk belongs or which it begins or grows. The
    // payload must not change meanwhile. Errors, after which all that was saved is still there: a
    // chunk out of bounds; kNotFound, the parent is not saved; kOutOfMemory, the limit leaves no
    // room; the system's.
    Status write(const KvChunk& chunk, KvBlock block, std::span<const uint8_t> payload);

    // Reads a block of exactly out.size() bytes. After an error `out` holds anything. Errors:
    // kNotFound; kInvalidInput, the file was damaged and has been removed; the system's.
    Status read(const Hash128& identity, KvBlock block, std::span<uint8_t> out);

    // The prefix that ends with this chunk was used: its files go later. Errors: no memory.
    Status touch(const Hash128& identity);
    // Both blocks of the chunk, or its sliding block alone. What hangs below goes when there is
    // need. Errors: the system's. What is not there needs no removing.
    Status remove(const Hash128& identity);
    Status remove_sliding(const Hash128& identity);

    KvFilesStatistics statistics() const;

  private:
    KvFiles(KvFilesOptions options, FileCalls& calls, OpenFile lock);
    template <typename Operation>
    auto guarded(Operation operation) -> decltype(operation());

    Status load();
    Status save(const KvChunk& chunk, KvBlock block, std::span<const uint8_t> payload);
    Status load_block(const KvFileKey& key, std::span<uint8_t> out);
    KvFileKey key_of(const Hash128& identity, KvBlock block) const;
    std::string path_of(const KvFileKey& key) const;
    std::vector<KvFileKey> prefix_of(const KvFileKey& last) const;
    bool is_on_newest(const KvFileKey& chunk) const;
    Status make_room(const KvFileKey& key, const std::optional<KvFileKey>& parent, uint64_t bytes);
    Status evict(uint64_t bytes, size_t files, const std::set<KvFileKey>& spared);
    Status remove_file(const KvFileKey& key);
    void collect_entries(std::map<Hash128, KvChunk> chunks);
    int64_t next_time();

    KvFilesOptions options_;
    uint64_t binding_ = 0;  // hash_of(options_.binding)
    FileCalls* calls_;
    OpenFile lock_;
    KvFileIndex index_;
    std::optional<KvFileKey> newest_;  // the global block that ends the newest prefix
    std::vector<KvEntry> entries_;
    std::string warning_;
    int64_t last_time_ = 0;
    uint64_t evictions_ = 0;
    uint64_t damaged_ = 0;
    bool out_of_memory_ = false;
};

}  // namespace facet
