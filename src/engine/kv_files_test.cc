#include "engine/kv_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "engine/kv_files_testing.h"

namespace facet {
namespace {

constexpr KvBlock kBoth[] = {KvBlock::kGlobal, KvBlock::kSliding};

TEST(KvFiles, WhatWasSavedIsFoundAgain) {
    const ScratchDirectory scratch;
    const std::string folder = scratch.file("a/b/kv");
    {
        KvFiles files = open_files(test_options(folder));
        ASSERT_TRUE(write_prefix(files, 1, 3).ok());
        for (const KvBlock block : kBoth) EXPECT_TRUE(reads_right(files, {1, 3}, block));
    }
    struct stat info = {};
    ASSERT_EQ(::stat(folder.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);

    KvFiles files = open_files(test_options(folder));
    EXPECT_EQ(files.warning(), "");
    const std::vector<KvEntry> entries = files.take_entries();
    ASSERT_EQ(entries.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(entries[i].chunk, test_chunk(1, i + 1));
        EXPECT_EQ(entries[i].global_bytes, kTestGlobalBytes);
        EXPECT_EQ(entries[i].sliding_bytes, i == 0 ? 0 : kTestSlidingBytes);
        EXPECT_TRUE(reads_right(files, {1, i + 1}, KvBlock::kGlobal));
        EXPECT_EQ(reads_right(files, {1, i + 1}, KvBlock::kSliding), i > 0);
    }
    EXPECT_LT(entries[0].last_use, entries[2].last_use);
    EXPECT_EQ(files.statistics().files, 5u);
    EXPECT_EQ(files.statistics().bytes, bytes_in(folder));
    EXPECT_EQ(files.statistics().damaged, 0u);
}

TEST(KvFiles, ABlockIsReplaced) {
    const ScratchDirectory scratch;
    KvFiles files = open_files(test_options(scratch.path()));
    const KvChunk chunk = test_chunk(1, 1);
    const std::vector<uint8_t> first(10, 1), second(20, 2);
    ASSERT_TRUE(files.write(chunk, KvBlock::kGlobal, first).ok());
    ASSERT_TRUE(files.write(chunk, KvBlock::kGlobal, second).ok());
    std::vector<uint8_t> found(20);
    ASSERT_TRUE(files.read(chunk.identity, KvBlock::kGlobal, found).ok());
    EXPECT_EQ(found, second);
    EXPECT_EQ(files.statistics().files, 1u);
    EXPECT_EQ(files.statistics().bytes, bytes_in(scratch.path()));
    // A caller that expects another size gets none of it.
    EXPECT_FALSE(files.read(chunk.identity, KvBlock::kGlobal, std::span(found).first(10)).ok());
    EXPECT_TRUE(files.read(chunk.identity, KvBlock::kGlobal, found).ok());
}

TEST(KvFiles, ASecondOpenerIsToldSo) {
    const ScratchDirectory scratch;
    auto first = std::make_unique<KvFiles>(open_files(test_options(scratch.path())));
    const auto second = KvFiles::open(test_options(scratch.path()));
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message.find("another process"), std::string::npos);
    first.reset();
    EXPECT_TRUE(KvFiles::open(test_options(scratch.path())).ok());
}

TEST(KvFiles, TheFolderMayBeALink) {
    const ScratchDirectory scratch;
    std::filesystem::create_directory(scratch.file("real"));
    std::filesystem::create_directory_symlink(scratch.file("real"), scratch.file("link"));
    KvFiles files = open_files(test_options(scratch.file("link")));
    ASSERT_TRUE(write_prefix(files, 1, 2).ok());
    EXPECT_TRUE(reads_right(files, {1, 2}, KvBlock::kSliding));
    EXPECT_EQ(names_in(scratch.file("real")).size(), 4u);
}

TEST(KvFiles, AFileInsteadOfAFolderIsAnError) {
    const ScratchDirectory scratch;
    EXPECT_FALSE(KvFiles::open(test_options(scratch.write("file", "x"))).ok());
    EXPECT_FALSE(KvFiles::open(test_options(scratch.file("file/below"))).ok());
    EXPECT_FALSE(KvFiles::open(test_options("")).ok());
}

TEST(KvFiles, ForeignAndDamagedFilesAreIgnoredWithOneWarning) {
    const ScratchDirectory scratch;
    const auto path = [&](uint64_t number, KvBlock block = KvBlock::kGlobal) {
        return path_in(scratch.path(), {1, number}, block);
    };
    {
        KvFiles files = open_files(test_options(scratch.path()));
        ASSERT_TRUE(write_prefix(files, 1, 5).ok());
    }
    scratch.write("notes.txt", "mine");
    std::filesystem::create_directory(path(9));
    std::filesystem::create_symlink(path(1), path(8));
    std::ofstream(path(7)) << "text under our name";
    std::filesystem::resize_file(path(4, KvBlock::kSliding), kTestSlidingFile - 1);
    std::filesystem::resize_file(path(5), kTestGlobalFile + 1);
    std::fstream(path(3)).seekp(8).put(2);
    std::filesystem::rename(path(5, KvBlock::kSliding), path(6, KvBlock::kSliding));

    KvFiles files = open_files(test_options(scratch.path()));
    EXPECT_EQ(files.warning(),
              scratch.path() +
                  ": ignored 8 files among the saved conversations: 4 not of Facet, 1 of another "
                  "version of Facet, 3 damaged");
    // Chunk 4 has lost its parent.
    EXPECT_EQ(files.take_entries().size(), 2u);
    EXPECT_FALSE(files.contains({1, 4}, KvBlock::kGlobal));
    EXPECT_TRUE(std::filesystem::exists(scratch.file("notes.txt")));
    // A parent that is saved again makes it useful again.
    ASSERT_TRUE(write_block(files, test_chunk(1, 3), KvBlock::kGlobal).ok());
    EXPECT_TRUE(reads_right(files, {1, 4}, KvBlock::kGlobal));
}

TEST(KvFiles, UnfinishedFilesAreRemovedInSilence) {
    const ScratchDirectory scratch;
    const std::string left = path_in(scratch.path(), {1, 1}, KvBlock::kGlobal) + ".tmp";
    std::ofstream(left) << "half";
    scratch.write("other.tmp", "not ours");
    KvFiles files = open_files(test_options(scratch.path()));
    EXPECT_EQ(names_in(scratch.path()), std::set<std::string>{"other.tmp"});
    EXPECT_NE(files.warning().find("ignored 1 file among"), std::string::npos);
}

TEST(KvFiles, FilesOfAnotherModelAreLeftAloneButGoFirst) {
    const ScratchDirectory scratch;
    KvFilesOptions options = test_options(scratch.path(), 2 * kTestGlobalFile);
    {
        KvFilesOptions other = options;
        other.binding.model.low ^= 1;
        KvFiles files = open_files(other);
        ASSERT_TRUE(write_block(files, test_chunk(1, 1), KvBlock::kGlobal).ok());
    }
    KvFiles files = open_files(options);
    EXPECT_EQ(files.warning(), "");
    EXPECT_TRUE(files.take_entries().empty());
    EXPECT_FALSE(files.contains({1, 1}, KvBlock::kGlobal));
    EXPECT_EQ(files.statistics().bytes, kTestGlobalFile);
    ASSERT_TRUE(write_block(files, test_chunk(2, 1), KvBlock::kGlobal).ok());
    EXPECT_EQ(names_in(scratch.path()).size(), 2u);
    ASSERT_TRUE(write_block(files, test_chunk(3, 1), KvBlock::kGlobal).ok());
    EXPECT_EQ(files.statistics().evictions, 1u);
    EXPECT_TRUE(reads_right(files, {2, 1}, KvBlock::kGlobal));
    EXPECT_TRUE(reads_right(files, {3, 1}, KvBlock::kGlobal));
}

TEST(KvFiles, TheLimitHoldsAndTheNewestPrefixStays) {
    const ScratchDirectory scratch;
    const uint64_t prefix = 4 * kTestGlobalFile + 2 * kTestSlidingFile;
    const uint64_t limit = 2 * prefix + kTestSlidingFile;
    KvFiles files = open_files(test_options(scratch.path(), limit));
    for (uint64_t conversation = 1; conversation <= 6; ++conversation) {
        for (uint64_t count = 1; count <= 4; ++count) {
            ASSERT_TRUE(write_prefix(files, conversation, count).ok());
            EXPECT_LE(bytes_in(scratch.path()), limit);
            EXPECT_EQ(files.statistics().bytes, bytes_in(scratch.path()));
            // All that is needed to go on from its end.
            for (uint64_t number = 1; number <= count; ++number) {
                EXPECT_TRUE(reads_right(files, {conversation, number}, KvBlock::kGlobal));
                if (number + 2 <= count) continue;
                EXPECT_TRUE(reads_right(files, {conversation, number}, KvBlock::kSliding));
            }
        }
    }
    EXPECT_GT(files.statistics().evictions, 10u);
}

TEST(KvFiles, SlidingBlocksOfEarlierTurnsGoBeforeThoseOfTheEnd) {
    const ScratchDirectory scratch;
    const uint64_t limit = 5 * kTestGlobalFile + 3 * kTestSlidingFile;
    KvFiles files = open_files(test_options(scratch.path(), limit));
    for (uint64_t number = 1; number <= 5; ++number) {
        ASSERT_TRUE(write_block(files, test_chunk(1, number), KvBlock::kGlobal).ok());
        ASSERT_TRUE(write_block(files, test_chunk(1, number), KvBlock::kSliding).ok());
    }
    for (uint64_t number = 1; number <= 5; ++number) {
        EXPECT_TRUE(files.contains({1, number}, KvBlock::kGlobal));
        EXPECT_EQ(files.contains({1, number}, KvBlock::kSliding), number > 2) << number;
    }
}

TEST(KvFiles, UseDecidesWhatGoes) {
    const ScratchDirectory scratch;
    const KvFilesOptions options = test_options(scratch.path(), 4 * kTestGlobalFile);
    {
        KvFiles files = open_files(options);
        for (const uint64_t conversation : {1, 2, 3}) {
            ASSERT_TRUE(write_block(files, test_chunk(conversation, 1), KvBlock::kGlobal).ok());
        }
        ASSERT_TRUE(files.touch({1, 1}).ok());
        ASSERT_TRUE(files.touch({9, 9}).ok());
    }
    // Also after a new start.
    KvFiles files = open_files(options);
    ASSERT_TRUE(write_block(files, test_chunk(4, 1), KvBlock::kGlobal).ok());
    ASSERT_TRUE(write_block(files, test_chunk(5, 1), KvBlock::kGlobal).ok());
    EXPECT_TRUE(files.contains({1, 1}, KvBlock::kGlobal));
    EXPECT_FALSE(files.contains({2, 1}, KvBlock::kGlobal));
    EXPECT_TRUE(files.contains({3, 1}, KvBlock::kGlobal));
}

// Though they were used longest ago.
TEST(KvFiles, WhatAPrefixNeedsStaysWhenItGrows) {
    const ScratchDirectory scratch;
    const uint64_t limit = 4 * kTestGlobalFile + 2 * kTestSlidingFile;
    KvFiles files = open_files(test_options(scratch.path(), limit));
    ASSERT_TRUE(write_prefix(files, 1, 2).ok());
    for (const uint64_t conversation : {2, 3}) {
        ASSERT_TRUE(write_block(files, test_chunk(conversation, 1), KvBlock::kGlobal).ok());
    }
    ASSERT_TRUE(write_block(files, test_chunk(1, 3), KvBlock::kGlobal).ok());
    EXPECT_TRUE(files.contains({1, 3}, KvBlock::kGlobal));
    for (const uint64_t number : {1, 2}) {
        EXPECT_TRUE(files.contains({1, number}, KvBlock::kSliding));
    }
    EXPECT_FALSE(files.contains({2, 1}, KvBlock::kGlobal));
    EXPECT_TRUE(files.contains({3, 1}, KvBlock::kGlobal));
}

TEST(KvFiles, TheEndOfThePrefixStaysWhenItsSlidingBlocksFollow) {
    const ScratchDirectory scratch;
    const uint64_t limit = 4 * kTestGlobalFile + 2 * kTestSlidingFile - 1;
    KvFiles files = open_files(test_options(scratch.path(), limit));
    ASSERT_TRUE(write_block(files, test_chunk(2, 1), KvBlock::kGlobal).ok());
    for (const uint64_t number : {1, 2, 3}) {
        ASSERT_TRUE(write_block(files, test_chunk(1, number), KvBlock::kGlobal).ok());
    }
    ASSERT_TRUE(files.touch({2, 1}).ok());
    ASSERT_TRUE(write_block(files, test_chunk(1, 1), KvBlock::kSliding).ok());
    ASSERT_TRUE(write_block(files, test_chunk(1, 2), KvBlock::kSliding).ok());
    EXPECT_TRUE(files.contains({1, 3}, KvBlock::kGlobal));
    EXPECT_FALSE(files.contains({2, 1}, KvBlock::kGlobal));
}

TEST(KvFiles, WithoutRoomNothingIsGivenUp) {
    const ScratchDirectory scratch;
    KvFiles files = open_files(test_options(scratch.path(), 3 * kTestGlobalFile));
    ASSERT_TRUE(write_block(files, test_chunk(1, 1), KvBlock::kGlobal).ok());
    ASSERT_TRUE(write_block(files, test_chunk(2, 1), KvBlock::kGlobal).ok());
    ASSERT_TRUE(write_block(files, test_chunk(2, 2), KvBlock::kGlobal).ok());
    // Both chunks of conversation 2 and this would take more than there is.
    const Status status = write_block(files, test_chunk(2, 2), KvBlock::kSliding);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kOutOfMemory);
    EXPECT_NE(status.error().message.find("no room"), std::string::npos);
    EXPECT_TRUE(reads_right(files, {1, 1}, KvBlock::kGlobal));
    EXPECT_EQ(files.statistics().evictions, 0u);
}

TEST(KvFiles, ASmallerLimitHoldsFromTheStart) {
    const ScratchDirectory scratch;
    {
        KvFiles files = open_files(test_options(scratch.path()));
        ASSERT_TRUE(write_prefix(files, 1, 4).ok());
        ASSERT_TRUE(write_prefix(files, 2, 4).ok());
    }
    {
        const uint64_t one = 4 * kTestGlobalFile + 2 * kTestSlidingFile;
        KvFiles files = open_files(test_options(scratch.path(), one));
        EXPECT_EQ(files.take_entries().size(), 4u);
        EXPECT_TRUE(reads_right(files, {2, 4}, KvBlock::kSliding));
    }
    {
        KvFiles files = open_files(test_options(scratch.path(), 2 * kTestGlobalFile));
        const std::vector<KvEntry> entries = files.take_entries();
        ASSERT_EQ(entries.size(), 2u);
        EXPECT_EQ(entries[1].chunk.identity, (Hash128{2, 2}));
    }
    EXPECT_TRUE(open_files(test_options(scratch.path(), 0)).take_entries().empty());
    EXPECT_TRUE(names_in(scratch.path()).empty());
}

TEST(KvFiles, AChildWithoutItsParentIsRefused) {
    const ScratchDirectory scratch;
    KvFiles files = open_files(test_options(scratch.path()));
    EXPECT_EQ(write_block(files, test_chunk(1, 2), KvBlock::kGlobal).error().kind,
              ErrorKind::kNotFound);
    EXPECT_EQ(write_block(files, test_chunk(1, 1), KvBlock::kSliding).error().kind,
              ErrorKind::kNotFound);
    EXPECT_TRUE(names_in(scratch.path()).empty());
}

TEST(KvFiles, ChunksOutOfBoundsAreRefused) {
    const ScratchDirectory scratch;
    KvFiles files = open_files(test_options(scratch.path()));
    const std::vector<uint8_t> bytes(kTestGlobalBytes + 1, 1);
    const auto refused = [&](const KvChunk& chunk, size_t count) {
        return !files.write(chunk, KvBlock::kGlobal, std::span(bytes).first(count)).ok();
    };
    KvChunk chunk = test_chunk(1, 1);
    EXPECT_TRUE(refused(chunk, 0));
    EXPECT_TRUE(refused(chunk, kTestGlobalBytes + 1));
    chunk.tokens.assign(257, 1);
    EXPECT_TRUE(refused(chunk, 1));
    chunk.tokens.clear();
    EXPECT_TRUE(refused(chunk, 1));
    chunk.tokens.assign(256, 1);
    chunk.extras.assign(65, {});
    EXPECT_TRUE(refused(chunk, 1));
    chunk.extras.assign(64, {});
    EXPECT_FALSE(refused(chunk, kTestGlobalBytes));
}

TEST(KvFiles, RemovedChunksAreGoneAndSoIsWhatFollows) {
    const ScratchDirectory scratch;
    KvFiles files = open_files(test_options(scratch.path()));
    ASSERT_TRUE(write_prefix(files, 1, 3).ok());
    ASSERT_TRUE(files.remove_sliding({1, 3}).ok());
    EXPECT_TRUE(files.contains({1, 3}, KvBlock::kGlobal));
    EXPECT_FALSE(files.contains({1, 3}, KvBlock::kSliding));
    ASSERT_TRUE(files.remove({1, 2}).ok());
    EXPECT_FALSE(files.contains({1, 3}, KvBlock::kGlobal));
    EXPECT_TRUE(files.contains({1, 1}, KvBlock::kGlobal));
    ASSERT_TRUE(files.remove({7, 7}).ok());
    EXPECT_EQ(files.statistics().bytes, bytes_in(scratch.path()));
}

TEST(KvFiles, AFileThatSomebodyRemovedIsNotFound) {
    const ScratchDirectory scratch;
    KvFiles files = open_files(test_options(scratch.path()));
    ASSERT_TRUE(write_prefix(files, 1, 2).ok());
    std::filesystem::remove(path_in(scratch.path(), {1, 1}, KvBlock::kGlobal));
    std::vector<uint8_t> found(kTestGlobalBytes);
    const Status status = files.read({1, 1}, KvBlock::kGlobal, found);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kNotFound);
    EXPECT_FALSE(files.contains({1, 2}, KvBlock::kGlobal));
}

}  // namespace
}  // namespace facet
