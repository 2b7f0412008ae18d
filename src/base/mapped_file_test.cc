#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/scratch_directory.h"

namespace facet {
namespace {

std::string_view text_of(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheWholeFile) {
    const ScratchDirectory scratch;
    const std::string content = std::string(10000, 'a') + "end";
    const std::string path = scratch.write("f", content);
    auto file = MappedFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_EQ(text_of(file.value()), content);
    EXPECT_EQ(file.value().path(), path);
}

TEST(MappedFile, ReadingPastTheMappingGivesTheSameBytes) {
    const ScratchDirectory scratch;
    const std::string content = std::string(10000, 'a') + "end";
    auto file = MappedFile::open(scratch.write("f", content));
    ASSERT_TRUE(file.ok());
    uint8_t bytes[5];
    ASSERT_TRUE(file.value().read(9998, bytes).ok());
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(bytes), 5), "aaend");
    file.value().drop_from_cache(0, 10003);
    ASSERT_TRUE(file.value().read(9998, bytes).ok());
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(bytes), 5), "aaend");
    EXPECT_TRUE(file.value().check_unchanged().ok());
}

TEST(MappedFile, AFileThatIsCutShortIsAnErrorWhereItIsRead) {
    const ScratchDirectory scratch;
    const std::string path = scratch.write("f", std::string(10000, 'a'));
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file.ok());
    std::filesystem::resize_file(path, 100);
    uint8_t bytes[200];
    const Status read = file.value().read(0, bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind, ErrorKind::kIo);
    EXPECT_NE(read.error().message.find("expected 10000 bytes, found 100"), std::string::npos)
        << read.error().message;
    EXPECT_FALSE(file.value().check_unchanged().ok());
}

TEST(MappedFile, MovingKeepsTheAddress) {
    const ScratchDirectory scratch;
    auto opened = MappedFile::open(scratch.write("f", "one"));
    ASSERT_TRUE(opened.ok());
    const uint8_t* address = opened.value().bytes().data();
    MappedFile file = opened.take();
    EXPECT_EQ(file.bytes().data(), address);
    auto other = MappedFile::open(scratch.write("g", "two"));
    ASSERT_TRUE(other.ok());
    file = other.take();
    EXPECT_EQ(text_of(file), "two");
}

TEST(MappedFile, OutlivesTheName) {
    const ScratchDirectory scratch;
    const std::string path = scratch.write("f", "still here");
    auto file = MappedFile::open(path);
    ASSERT_TRUE(file.ok());
    std::filesystem::remove(path);
    EXPECT_EQ(text_of(file.value()), "still here");
}

TEST(MappedFile, SaysWhatItCannotOpen) {
    const ScratchDirectory scratch;
    const auto expect_refused = [](const std::string& path, ErrorKind kind,
                                   const std::string& reason) {
        const auto file = MappedFile::open(path);
        ASSERT_FALSE(file.ok());
        EXPECT_EQ(file.error().message, path + ": " + reason);
        EXPECT_EQ(file.error().kind, kind);
    };
    expect_refused(scratch.file("none"), ErrorKind::kNotFound,
                   "cannot open: No such file or directory");
    expect_refused(scratch.path(), ErrorKind::kInvalidInput, "is a directory, expected a file");
    expect_refused(scratch.write("empty", ""), ErrorKind::kInvalidInput, "the file is empty");
    expect_refused("/dev/null", ErrorKind::kInvalidInput, "is not a regular file");
    const std::string pipe = scratch.file("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    expect_refused(pipe, ErrorKind::kInvalidInput,
                   "is not a regular file");  // and does not wait for a writer
}

TEST(ReadTextFile, ReadsUpToItsLimit) {
    const ScratchDirectory scratch;
    const std::string content(100000, 'x');
    const std::string path = scratch.write("f", content);
    EXPECT_EQ(read_text_file(path, 100000).value(), content);
    EXPECT_EQ(read_text_file(path, 99999).error().message,
              path + ": larger than the limit of 99999 bytes");
    EXPECT_EQ(read_text_file(scratch.write("empty", ""), 10).value(), "");
}

TEST(ReadTextFile, SaysWhatItCannotRead) {
    const ScratchDirectory scratch;
    const auto missing = read_text_file(scratch.file("none"), 10);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
    EXPECT_EQ(read_text_file(scratch.path(), 10).error().message,
              scratch.path() + ": cannot read: Is a directory");
    // A file without end stops at the limit.
    EXPECT_FALSE(read_text_file("/dev/zero", 1 << 20).ok());
}

}  // namespace
}  // namespace facet
