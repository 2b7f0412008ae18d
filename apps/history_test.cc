// The walk through what was typed, and its file.
#include "history.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace facet::app {
namespace {

std::string fresh_path(const std::string& name) {
    const auto folder = std::filesystem::path(testing::TempDir()) / "facet_history_test" / name;
    std::filesystem::remove_all(folder);
    return (folder / "history").string();
}

TEST(History, WalksBackAndForthAndKeepsTheDraft) {
    History history;
    history.add("one");
    history.add("two");
    EXPECT_EQ(history.older("draft"), "two");
    EXPECT_EQ(history.older("two"), "one");
    EXPECT_EQ(history.older("one"), std::nullopt);
    EXPECT_EQ(history.newer(), "two");
    EXPECT_EQ(history.newer(), "draft");
    EXPECT_EQ(history.newer(), std::nullopt);
}

TEST(History, SkipsBlanksAndRepeats) {
    History history;
    for (const char* entry : {"one", "one", "  ", "", "two", "one"}) history.add(entry);
    EXPECT_EQ(history.entries(), (std::vector<std::string>{"one", "two", "one"}));
}

TEST(History, SurvivesInAPrivateFileLinesAndBackslashesIncluded) {
    const std::string path = fresh_path("kept");
    {
        History history(path);
        history.add("a\nb");
        history.add("back\\slash \\n");
    }
    EXPECT_EQ(History(path).entries(), (std::vector<std::string>{"a\nb", "back\\slash \\n"}));
    struct stat info = {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(History, ALongFileIsCutToTheNewest) {
    const std::string path = fresh_path("long");
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    {
        std::ofstream file(path);
        for (size_t i = 0; i < 2 * kHistoryEntriesMax + 1; ++i) file << "entry " << i << "\n";
    }
    EXPECT_EQ(History(path).entries().size(), kHistoryEntriesMax);
    const History again(path);
    EXPECT_EQ(again.entries().size(), kHistoryEntriesMax);
    EXPECT_EQ(again.entries().back(), "entry 2000");
}

TEST(History, WorksWithoutAPlaceToWrite) {
    History history("/proc/no/such/place");
    history.add("one");
    EXPECT_EQ(history.older(""), "one");
}

}  // namespace
}  // namespace facet::app
