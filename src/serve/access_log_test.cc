#include "serve/access_log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/scratch_directory.h"

namespace facet::serve {
namespace {

TEST(AccessLog, WritesOneJsonLineARequest) {
    const ScratchDirectory folder;
    const std::string file = folder.file("requests.jsonl");
    AccessRecord record;
    record.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(784111777042));
    record.id = "abc";
    record.peer = "127.0.0.1";
    record.method = "POST";
    record.path = "/a\"\n{}";
    record.status = 200;
    record.request_body_bytes = 12;
    record.bytes_sent = 34;
    record.first_byte_ms = 1.23456;
    record.total_ms = 7;
    record.outcome = Outcome::kSlowClient;
    {
        auto log = JsonLinesLog::open(file);
        ASSERT_TRUE(log.ok());
        log.value()->write(record);
        record.status = 0;
        log.value()->write(record);
    }
    std::ifstream stream(file);
    std::string line;
    ASSERT_TRUE(std::getline(stream, line));
    EXPECT_EQ(line, R"({"time":"1994-11-06T08:49:37.042Z","event":"request","id":"abc",)"
                    R"("peer":"127.0.0.1","method":"POST","path":"/a\"\n{}","status":200,)"
                    R"("outcome":"slow_client","streamed":false,"request_body_bytes":12,)"
                    R"("bytes_sent":34,"first_byte_ms":1.235,"total_ms":7})");
    ASSERT_TRUE(std::getline(stream, line));
    EXPECT_TRUE(Json::parse(line).value().find("status")->is_null());
    EXPECT_FALSE(std::getline(stream, line));
}

TEST(AccessLog, SaysWhenItCanNotWrite) {
    const ScratchDirectory folder;
    const auto log = JsonLinesLog::open(folder.path());
    ASSERT_FALSE(log.ok());
    EXPECT_NE(log.error().message.find(folder.path()), std::string::npos);
}

}  // namespace
}  // namespace facet::serve
