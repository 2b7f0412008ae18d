#include "serve/hostile_bytes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace facet::serve {
namespace {

TEST(HostileBytes, OfAllSeedsAreTaken) {
    size_t seeds = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(FACET_SOURCE_DIR "/fuzz/seeds/http_request")) {
        std::ifstream stream(entry.path(), std::ios::binary);
        const std::string bytes(std::istreambuf_iterator<char>(stream), {});
        SCOPED_TRACE(entry.path().filename());
        take_hostile_bytes(bytes);
        // Every truncation is a shape of its own.
        for (size_t size = 0; size < std::min<size_t>(bytes.size(), 400); size += 3) {
            take_hostile_bytes(std::string_view(bytes).substr(0, size));
        }
        ++seeds;
    }
    EXPECT_GT(seeds, 10u);
}

TEST(HostileBytes, GetTheAnswersTheyAskFor) {
    const std::string hello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const std::string answers = answers_to(hello + "bad\r\n\r\n" + hello);
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_NE(answers.find("HTTP/1.1 400 Bad Request\r\n"), std::string::npos);
    EXPECT_EQ(answers.rfind("HTTP/1.1 200"), 0u);
}

}  // namespace
}  // namespace facet::serve
