// For tests: small chunks with known content, and system calls that fail when told to.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/scratch_directory.h"
#include "engine/kv_files.h"

namespace facet {

inline constexpr uint64_t kTestGlobalBytes = 1000;
inline constexpr uint64_t kTestSlidingBytes = 3000;
inline constexpr uint64_t kTestGlobalFile = kKvHeaderBytes + kTestGlobalBytes;
inline constexpr uint64_t kTestSlidingFile = kKvHeaderBytes + kTestSlidingBytes;

inline KvBinding test_binding() { return {{11, 12}, 1, kTestGlobalBytes, kTestSlidingBytes}; }

// Chunk `number` (from 1) of conversation `conversation`; the one before is its parent.
inline KvChunk test_chunk(uint64_t conversation, uint64_t number) {
    KvChunk chunk;
    chunk.identity = {conversation, number};
    if (number > 1) chunk.parent = Hash128{conversation, number - 1};
    chunk.tokens = {static_cast<int32_t>(conversation), static_cast<int32_t>(number), -1};
    if (number % 2 == 0) chunk.extras = {{number, 7}};
    return chunk;
}

// Differs for each block and in each byte.
inline std::vector<uint8_t> test_payload(const Hash128& identity, KvBlock block) {
    std::vector<uint8_t> bytes(block == KvBlock::kGlobal ? kTestGlobalBytes : kTestSlidingBytes);
    uint64_t state = identity.high * 1000003 + identity.low * 31 + static_cast<uint64_t>(block);
    for (uint8_t& byte : bytes) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        byte = static_cast<uint8_t>(state >> 56);
    }
    return bytes;
}

inline KvFilesOptions test_options(const std::string& folder, uint64_t limit_bytes = 1 << 20) {
    return {folder, test_binding(), limit_bytes, 2};
}

inline KvFiles open_files(const KvFilesOptions& options, FileCalls& calls = system_file_calls()) {
    auto files = KvFiles::open(options, calls);
    FACET_CHECK(files.ok());
    return files.take();
}

inline Status write_block(KvFiles& files, const KvChunk& chunk, KvBlock block) {
    return files.write(chunk, block, test_payload(chunk.identity, block));
}

// Chunks 1 to `count` of a conversation, the sliding blocks of the last two.
inline Status write_prefix(KvFiles& files, uint64_t conversation, uint64_t count) {
    for (uint64_t number = 1; number <= count; ++number) {
        FACET_TRY(write_block(files, test_chunk(conversation, number), KvBlock::kGlobal));
    }
    for (uint64_t number = count > 1 ? count - 1 : 1; number <= count; ++number) {
        FACET_TRY(write_block(files, test_chunk(conversation, number), KvBlock::kSliding));
    }
    return {};
}

// Whether the block is there and holds what write_block() wrote. One that is there with another
// content is a wrong answer, which fails the test.
inline bool reads_right(KvFiles& files, const Hash128& identity, KvBlock block) {
    const std::vector<uint8_t> expected = test_payload(identity, block);
    std::vector<uint8_t> found(expected.size());
    if (!files.read(identity, block, found).ok()) return false;
    EXPECT_EQ(found, expected);
    return true;
}

inline std::set<std::string> names_in(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().filename() != "lock") names.insert(entry.path().filename());
    }
    return names;
}

inline std::string path_in(const std::string& folder, const Hash128& identity, KvBlock block) {
    return folder + "/" + kv_file_name({hash_of(test_binding()), identity, block});
}

inline uint64_t bytes_in(const std::string& folder) {
    uint64_t bytes = 0;
    for (const std::string& name : names_in(folder)) {
        bytes += std::filesystem::file_size(folder + "/" + name);
    }
    return bytes;
}

// Counts the calls and lets one of them, or all from one on, fail.
class FailingCalls : public FileCalls {
  public:
    enum class Call { kOpen, kRead, kWrite, kSync, kClose, kRename, kUnlink };
    static constexpr Call kAll[] = {Call::kOpen,  Call::kRead,   Call::kWrite, Call::kSync,
                                    Call::kClose, Call::kRename, Call::kUnlink};

    // The call of that kind after `skipped` others fails with `error`.
    void fail(Call call, int error, int skipped = 0) {
        call_ = call;
        error_ = error;
        skipped_ = skipped;
        failed_ = 0;
    }
    void fail_none() { error_ = 0; }
    int failed() const { return failed_; }
    // Writes and reads take so many bytes at most.
    void set_piece(size_t bytes) { piece_ = bytes; }
    // For tests of thousands of files.
    void without_sync() { sync_ = false; }

    int open(const char* path, int flags, mode_t mode) override {
        return fails(Call::kOpen) ? -1 : FileCalls::open(path, flags, mode);
    }
    ssize_t pread(int file, void* bytes, size_t count, off_t offset) override {
        if (fails(Call::kRead)) return -1;
        return FileCalls::pread(file, bytes, std::min(count, piece_), offset);
    }
    ssize_t pwrite(int file, const void* bytes, size_t count, off_t offset) override {
        if (fails(Call::kWrite)) return -1;
        return FileCalls::pwrite(file, bytes, std::min(count, piece_), offset);
    }
    int fsync(int file) override {
        if (fails(Call::kSync)) return -1;
        return sync_ ? FileCalls::fsync(file) : 0;
    }
    int close(int file) override {
        // Linux closes also where it reports an error.
        const int result = FileCalls::close(file);
        return fails(Call::kClose) ? -1 : result;
    }
    int rename(const char* from, const char* to) override {
        return fails(Call::kRename) ? -1 : FileCalls::rename(from, to);
    }
    int unlink(const char* path) override {
        return fails(Call::kUnlink) ? -1 : FileCalls::unlink(path);
    }

  private:
    bool fails(Call call) {
        if (error_ == 0 || call != call_ || skipped_-- > 0) return false;
        ++failed_;
        errno = error_;
        if (error_ == EINTR) error_ = 0;
        return true;
    }

    Call call_ = Call::kOpen;
    int error_ = 0;
    int skipped_ = 0;
    int failed_ = 0;
    size_t piece_ = SIZE_MAX;
    bool sync_ = true;
};

}  // namespace facet
