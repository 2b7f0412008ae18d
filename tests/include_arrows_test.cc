// The arrows between the rooms, as docs/architecture.md draws them: a room includes only what is
// below it. A linker does not catch a header, so this reads the #include lines.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace facet {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"base", {"base"}},
    {"format", {"base", "format"}},
    {"text", {"base", "format", "text"}},
    {"grammar", {"base", "grammar"}},
    {"model", {"base", "format", "model"}},
    {"cpu", {"base", "format", "model", "cpu"}},
    {"engine", {"base", "format", "text", "grammar", "model", "cpu", "engine", "facet"}},
    {"serve", {"base", "serve", "facet"}},
    {"endpoints", {"base", "serve", "endpoints", "facet"}},
    {"apps", {"base", "serve", "endpoints", "apps", "facet"}},
};

// Files of a room with the rooms they include. Tests may also use tests/.
std::map<std::string, std::set<std::string>> includes_of(const fs::path& folder,
                                                         const std::string& own_room) {
    std::map<std::string, std::set<std::string>> found;
    const std::regex include("^\\s*#\\s*include\\s*\"([^\"]+)\"");
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string extension = entry.path().extension();
        if (extension != ".cc" && extension != ".h" && extension != ".inl") continue;
        std::ifstream stream(entry.path());
        std::string line;
        std::set<std::string>& rooms = found[entry.path().filename()];
        while (std::getline(stream, line)) {
            std::smatch match;
            if (!std::regex_search(line, match, include)) continue;
            const std::string target = match[1];
            const size_t slash = target.find('/');
            const std::string room =
                slash == std::string::npos ? own_room : target.substr(0, slash);
            if (room == "tests" && entry.path().filename().string().ends_with("_test.cc")) continue;
            rooms.insert(room);
        }
    }
    return found;
}

// What breaks the rules in a tree, one line each.
std::vector<std::string> broken_arrows(const fs::path& root) {
    std::vector<std::string> broken;
    std::map<std::string, std::string> seen;  // file name to room: names are unique across the tree
    std::vector<fs::path> folders = {root / "apps"};
    for (const auto& entry : fs::directory_iterator(root / "src")) folders.push_back(entry.path());
    for (const fs::path& folder : folders) {
        const std::string room = folder.filename();
        const auto rule = kMayInclude.find(room);
        if (rule == kMayInclude.end()) {
            broken.push_back("room " + room + " has no rule here");
            continue;
        }
        for (const auto& [file, rooms] : includes_of(folder, room)) {
            if (!seen.emplace(file, room).second)
                broken.push_back(file + " is in " + seen[file] + " and in " + room);
            for (const std::string& target : rooms) {
                if (!rule->second.contains(target))
                    broken.push_back(room + "/" + file + " includes " + target);
            }
        }
    }
    return broken;
}

TEST(IncludeArrows, PointDownOnly) {
    for (const std::string& line : broken_arrows(FACET_SOURCE_DIR)) ADD_FAILURE() << line;
}

TEST(IncludeArrows, AWrongIncludeIsFound) {
    const fs::path root = fs::path(::testing::TempDir()) / "facet-arrows";
    fs::create_directories(root / "src" / "format");
    fs::create_directories(root / "apps");
    std::ofstream(root / "src" / "format" / "bad.cc") << "  # include \"model/config.h\"\n";
    EXPECT_EQ(broken_arrows(root), std::vector<std::string>{"format/bad.cc includes model"});
    fs::remove_all(root);
}

// src/engine/devices.cc is the only file above model/ that names a concrete device.
TEST(IncludeArrows, OnlyDevicesNamesConcreteDevices) {
    for (const auto& entry : fs::directory_iterator(FACET_SOURCE_DIR "/src/engine")) {
        const std::string name = entry.path().filename();
        if (name == "devices.cc" || name.ends_with("_test.cc")) continue;
        std::ifstream stream(entry.path());
        const std::string text((std::istreambuf_iterator<char>(stream)), {});
        EXPECT_EQ(text.find("reference_device.h"), std::string::npos) << name;
    }
}

}  // namespace
}  // namespace facet
