// What goes wrong below saved keys and values: failing calls, full disks, flipped bits, kill -9, no
// memory. Never a wrong answer, never a crash, and what was saved before is still there.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

#include "engine/counted_allocations.h"
#include "engine/kv_files_testing.h"

namespace facet {
namespace {

using Call = FailingCalls::Call;

// A folder with one prefix of two chunks; what happens to a third.
class KvFilesFault : public ::testing::Test {
  protected:
    void SetUp() override {
        KvFiles files = open_files(test_options(scratch_.path()));
        ASSERT_TRUE(write_prefix(files, 1, 2).ok());
    }
    // Chunks 1 and 2 are there and right, and nothing is unfinished.
    void expect_older_files_stand() {
        KvFiles files = open_files(test_options(scratch_.path()));
        EXPECT_EQ(files.warning(), "");
        for (const KvBlock block : {KvBlock::kGlobal, KvBlock::kSliding}) {
            for (const uint64_t number : {1, 2})
                EXPECT_TRUE(reads_right(files, {1, number}, block));
        }
    }
    void expect_no_unfinished_file() {
        for (const std::string& name : names_in(scratch_.path())) {
            EXPECT_FALSE(name.ends_with(kKvUnfinishedSuffix)) << name;
        }
    }

    ScratchDirectory scratch_;
    FailingCalls calls_;
};

TEST_F(KvFilesFault, AWriteThatFailsLeavesNothingAndSaysWhy) {
    struct Case {
        Call call;
        int error;
        int skipped;
    };
    for (const Case& c :
         {Case{Call::kOpen, ENOSPC, 0}, Case{Call::kWrite, ENOSPC, 0}, Case{Call::kWrite, EIO, 1},
          Case{Call::kWrite, EDQUOT, 1}, Case{Call::kSync, EIO, 0}, Case{Call::kClose, EIO, 0},
          Case{Call::kRename, EACCES, 0}}) {
        {
            KvFiles files = open_files(test_options(scratch_.path()), calls_);
            const std::set<std::string> before = names_in(scratch_.path());
            calls_.fail(c.call, c.error, c.skipped);
            const Status status = write_block(files, test_chunk(1, 3), KvBlock::kGlobal);
            EXPECT_EQ(calls_.failed(), 1);
            calls_.fail_none();
            ASSERT_FALSE(status.ok());
            EXPECT_EQ(status.error().kind, ErrorKind::kIo);
            EXPECT_NE(status.error().message.find(scratch_.path()), std::string::npos);
            EXPECT_NE(status.error().message.find(std::strerror(c.error)), std::string::npos);
            EXPECT_EQ(names_in(scratch_.path()), before);
            EXPECT_EQ(files.statistics().bytes, bytes_in(scratch_.path()));
            EXPECT_FALSE(files.contains({1, 3}, KvBlock::kGlobal));
            // The old version of a file that was to be replaced.
            calls_.fail(c.call, c.error, c.skipped);
            EXPECT_FALSE(write_block(files, test_chunk(1, 2), KvBlock::kSliding).ok());
            calls_.fail_none();
            EXPECT_TRUE(reads_right(files, {1, 2}, KvBlock::kSliding));
        }
        expect_older_files_stand();
    }
}

TEST_F(KvFilesFault, AFolderThatCannotBeSyncedIsAnErrorButLosesNothing) {
    KvFiles files = open_files(test_options(scratch_.path()), calls_);
    calls_.fail(Call::kSync, EIO, 1);
    EXPECT_FALSE(write_block(files, test_chunk(1, 3), KvBlock::kGlobal).ok());
    calls_.fail_none();
    EXPECT_TRUE(reads_right(files, {1, 3}, KvBlock::kGlobal));
    EXPECT_EQ(files.statistics().bytes, bytes_in(scratch_.path()));
    // What file systems answer that do not sync folders.
    calls_.fail(Call::kSync, EINVAL, 1);
    EXPECT_TRUE(write_block(files, test_chunk(1, 3), KvBlock::kGlobal).ok());
    EXPECT_EQ(calls_.failed(), 1);
}

TEST_F(KvFilesFault, ShortAndInterruptedCallsAreGoneOnWith) {
    KvFiles files = open_files(test_options(scratch_.path()), calls_);
    calls_.set_piece(37);
    calls_.fail(Call::kWrite, EINTR, 5);
    ASSERT_TRUE(write_block(files, test_chunk(1, 3), KvBlock::kGlobal).ok());
    EXPECT_EQ(calls_.failed(), 1);
    calls_.fail(Call::kRead, EINTR, 5);
    EXPECT_TRUE(reads_right(files, {1, 3}, KvBlock::kGlobal));
    EXPECT_EQ(calls_.failed(), 1);
}

TEST_F(KvFilesFault, AFailedReadKeepsTheFile) {
    KvFiles files = open_files(test_options(scratch_.path()), calls_);
    for (const Call call : {Call::kOpen, Call::kRead}) {
        calls_.fail(call, EIO);
        EXPECT_FALSE(reads_right(files, {1, 2}, KvBlock::kGlobal));
        EXPECT_EQ(calls_.failed(), 1);
        calls_.fail_none();
        EXPECT_TRUE(reads_right(files, {1, 2}, KvBlock::kGlobal));
    }
}

TEST_F(KvFilesFault, AFileThatCannotBeRemovedIsAnErrorOfTheWriteThatNeedsRoom) {
    KvFiles files = open_files(test_options(scratch_.path(), bytes_in(scratch_.path())), calls_);
    calls_.fail(Call::kUnlink, EACCES);
    const Status status = write_block(files, test_chunk(2, 1), KvBlock::kGlobal);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("cannot remove"), std::string::npos);
    calls_.fail_none();
    EXPECT_EQ(files.statistics().bytes, bytes_in(scratch_.path()));
    EXPECT_TRUE(write_block(files, test_chunk(2, 1), KvBlock::kGlobal).ok());
}

TEST_F(KvFilesFault, ADamagedFileThatCannotBeRemovedIsNotTriedAgain) {
    KvFiles files = open_files(test_options(scratch_.path()), calls_);
    std::fstream(path_in(scratch_.path(), {1, 2}, KvBlock::kGlobal)).seekp(kKvHeaderBytes).put(0);
    calls_.fail(Call::kUnlink, EROFS);
    std::vector<uint8_t> found(kTestGlobalBytes);
    const Status status = files.read({1, 2}, KvBlock::kGlobal, found);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalidInput);
    EXPECT_FALSE(files.contains({1, 2}, KvBlock::kGlobal));
    EXPECT_EQ(files.statistics().damaged, 1u);
}

// Each call of the whole life of a folder fails once.
TEST_F(KvFilesFault, AnyCallMayFailAtAnyTime) {
    size_t survived = 0;
    for (const Call call : FailingCalls::kAll) {
        for (int skipped = 0;; ++skipped) {
            calls_.fail(call, EIO, skipped);
            if (auto files = KvFiles::open(test_options(scratch_.path(), 40000), calls_);
                files.ok()) {
                for (const uint64_t conversation : {1, 2}) {
                    if (!write_prefix(files.value(), conversation, 3).ok()) ++survived;
                    for (const uint64_t number : {1, 2, 3}) {
                        reads_right(files.value(), {conversation, number}, KvBlock::kGlobal);
                    }
                }
                EXPECT_EQ(files.value().statistics().bytes, bytes_in(scratch_.path()));
            }
            if (calls_.failed() == 0) break;
        }
    }
    EXPECT_GT(survived, 20u);
    expect_no_unfinished_file();
}

TEST_F(KvFilesFault, EveryFlippedByteIsFound) {
    calls_.without_sync();
    for (const KvBlock block : {KvBlock::kGlobal, KvBlock::kSliding}) {
        const std::string path = path_in(scratch_.path(), {1, 2}, block);
        const uint64_t size = std::filesystem::file_size(path);
        KvFiles files = open_files(test_options(scratch_.path()), calls_);
        for (uint64_t at = 0; at < size; ++at) {
            {
                std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
                file.seekg(static_cast<std::streamoff>(at));
                const char byte = static_cast<char>(file.get());
                file.seekp(static_cast<std::streamoff>(at));
                file.put(static_cast<char>(byte ^ (1 << at % 8)));
            }
            ASSERT_FALSE(reads_right(files, {1, 2}, block)) << at;
            ASSERT_FALSE(std::filesystem::exists(path));
            ASSERT_TRUE(write_block(files, test_chunk(1, 2), block).ok());
        }
        EXPECT_EQ(files.statistics().damaged, size);
    }
}

TEST_F(KvFilesFault, FilesOfOtherLengthsAndChangedPlacesAreFound) {
    KvFiles files = open_files(test_options(scratch_.path()));
    const std::string path = path_in(scratch_.path(), {1, 2}, KvBlock::kGlobal);
    for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{kKvHeaderBytes},
                                kTestGlobalFile - 1, kTestGlobalFile + 1}) {
        std::filesystem::resize_file(path, size);
        EXPECT_FALSE(reads_right(files, {1, 2}, KvBlock::kGlobal));
        ASSERT_TRUE(write_block(files, test_chunk(1, 2), KvBlock::kGlobal).ok());
    }
    std::filesystem::copy_file(path_in(scratch_.path(), {1, 1}, KvBlock::kGlobal), path,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_FALSE(reads_right(files, {1, 2}, KvBlock::kGlobal));
}

// Runs `body` in a child, which exits with what it returns; the status of waitpid().
template <typename Body>
int in_child(Body body) {
    const pid_t child = ::fork();
    FACET_CHECK(child >= 0);
    if (child == 0) ::_exit(body());
    int status = 0;
    FACET_CHECK(::waitpid(child, &status, 0) == child);
    return status;
}

// A disk that is full is the system's own: a limit on the size of files gives a short write, then
// EFBIG.
TEST_F(KvFilesFault, ALimitOfTheSystemIsAnError) {
    const int status = in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        KvFiles files = open_files(test_options(scratch_.path()));
        const rlimit limit = {kTestSlidingFile - 100, kTestSlidingFile - 100};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        if (!write_block(files, test_chunk(1, 3), KvBlock::kGlobal).ok()) return 2;
        const Status written = write_block(files, test_chunk(1, 3), KvBlock::kSliding);
        if (written.ok()) return 3;
        if (written.error().message.find(std::strerror(EFBIG)) == std::string::npos) return 4;
        if (files.contains({1, 3}, KvBlock::kSliding)) return 5;
        return reads_right(files, {1, 2}, KvBlock::kSliding) ? 0 : 6;
    });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    expect_no_unfinished_file();
    expect_older_files_stand();
}

// Saves conversation after conversation, and again, and writes to `out` what has been saved.
int save_forever(const std::string& folder, int out, uint64_t first) {
    KvFiles files = open_files(test_options(folder, 60 * kTestSlidingFile));
    for (uint64_t conversation = first;; ++conversation) {
        for (const uint64_t count : {1, 2, 3}) {
            if (!write_prefix(files, conversation, count).ok()) return 1;
            const uint64_t saved[] = {conversation, count};
            if (::write(out, saved, sizeof saved) != sizeof saved) return 1;
        }
    }
}

// Kills a child that saves; the last prefix that it said it had saved.
Hash128 kill_while_saving(const std::string& folder, uint64_t first, int microseconds) {
    int pipe[2];
    FACET_CHECK(::pipe(pipe) == 0);
    const pid_t child = ::fork();
    FACET_CHECK(child >= 0);
    if (child == 0) {
        ::close(pipe[0]);
        ::_exit(save_forever(folder, pipe[1], first));
    }
    ::close(pipe[1]);
    Hash128 last;
    uint64_t saved[2];
    // Not before it has begun.
    FACET_CHECK(::read(pipe[0], saved, sizeof saved) == sizeof saved);
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    ::kill(child, SIGKILL);
    int status = 0;
    FACET_CHECK(::waitpid(child, &status, 0) == child);
    EXPECT_TRUE(WIFSIGNALED(status));
    do {
        last = {saved[0], saved[1]};
    } while (::read(pipe[0], saved, sizeof saved) == sizeof saved);
    ::close(pipe[0]);
    return last;
}

TEST_F(KvFilesFault, FiftyKillsLoseNothingThatWasSaved) {
    std::mt19937 random(1);
    size_t cut_short = 0;
    for (uint64_t round = 0; round < 50; ++round) {
        const Hash128 last = kill_while_saving(scratch_.path(), 1000 * (round + 1),
                                               static_cast<int>(random() % 40000));
        for (const std::string& name : names_in(scratch_.path())) {
            cut_short += name.ends_with(kKvUnfinishedSuffix) ? 1 : 0;
        }
        KvFiles files = open_files(test_options(scratch_.path()));
        EXPECT_EQ(files.warning(), "");
        expect_no_unfinished_file();
        const std::vector<KvEntry> entries = files.take_entries();
        for (const KvEntry& entry : entries) {
            EXPECT_TRUE(reads_right(files, entry.chunk.identity, KvBlock::kGlobal));
            if (entry.sliding_bytes == 0) continue;
            EXPECT_TRUE(reads_right(files, entry.chunk.identity, KvBlock::kSliding));
        }
        for (uint64_t number = 1; number <= last.low; ++number) {
            EXPECT_TRUE(files.contains({last.high, number}, KvBlock::kGlobal));
        }
        EXPECT_TRUE(files.contains(last, KvBlock::kSliding));
        EXPECT_EQ(files.statistics().damaged, 0u);
    }
    // Some hit a file that was being written; else this has tested nothing.
    EXPECT_GT(cut_short, 0u);
}

// Each allocation in turn fails, and all after it.
TEST_F(KvFilesFault, WithoutMemoryThereIsAnErrorAndTheFolderStaysInOrder) {
    const KvChunk chunk = test_chunk(1, 3);
    const std::vector<uint8_t> payload = test_payload(chunk.identity, KvBlock::kGlobal);
    std::vector<uint8_t> found(kTestGlobalBytes);
    size_t failed = 0;
    for (int64_t count = 0;; ++count) {
        KvFilesOptions options = test_options(scratch_.path());
        bool all_well = false;
        {
            const FailingAllocations failing(count);
            auto files = KvFiles::open(std::move(options));
            if (files.ok()) {
                const Status written = files.value().write(chunk, KvBlock::kGlobal, payload);
                const Status read = files.value().read({1, 2}, KvBlock::kGlobal, found);
                const Status touched = files.value().touch({1, 2});
                all_well = written.ok() && read.ok() && touched.ok();
                // After the first error all is one.
                EXPECT_FALSE(!written.ok() && (read.ok() || touched.ok()));
            }
        }
        if (all_well) break;
        ++failed;
        expect_no_unfinished_file();
        expect_older_files_stand();
        std::filesystem::remove(path_in(scratch_.path(), {1, 3}, KvBlock::kGlobal));
    }
    EXPECT_GT(failed, 30u);
    EXPECT_EQ(found, test_payload({1, 2}, KvBlock::kGlobal));
}

// The bookkeeping may have stopped halfway: better no answer than a wrong one.
TEST_F(KvFilesFault, OnceOutOfMemoryAllLaterCallsSaySo) {
    KvFiles files = open_files(test_options(scratch_.path()));
    const KvChunk chunk = test_chunk(1, 3);
    const std::vector<uint8_t> payload = test_payload(chunk.identity, KvBlock::kGlobal);
    {
        const FailingAllocations failing(5);
        ASSERT_FALSE(files.write(chunk, KvBlock::kGlobal, payload).ok());
    }
    std::vector<uint8_t> found(kTestGlobalBytes);
    for (const Status& status :
         {files.read({1, 2}, KvBlock::kGlobal, found), files.remove({1, 2}), files.touch({1, 2}),
          files.write(chunk, KvBlock::kGlobal, payload)}) {
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().kind, ErrorKind::kOutOfMemory);
        EXPECT_EQ(status.error().message, "out of memory");
    }
}

}  // namespace
}  // namespace facet
