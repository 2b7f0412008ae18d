// The batch loop: one answer a line, bad lines answered, bounded lines.
#include "jsonl.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "console.h"

namespace facet::app {
namespace {

// A pipe that a thread fills with `text`.
class PipeWith {
  public:
    explicit PipeWith(std::string text) {
        if (pipe(fds_) != 0) ADD_FAILURE() << "no pipe";
        writer_ = std::thread([this, bytes = std::move(text)] {
            write_raw(fds_[1], bytes);
            close(fds_[1]);
        });
    }
    ~PipeWith() {
        writer_.join();
        close(fds_[0]);
    }
    int fd() const { return fds_[0]; }

  private:
    int fds_[2] = {};
    std::thread writer_;
};

Result<std::string> double_it(const Json& request) {
    const Json* number = request.find("n");
    if (number == nullptr) return invalid_input("no \"n\"");
    return std::to_string(2 * number->to_integer().value());
}

std::pair<int, std::string> run(const std::string& input) {
    const PipeWith in(input);
    testing::internal::CaptureStdout();
    const int code = run_jsonl(in.fd(), double_it);
    return {code, testing::internal::GetCapturedStdout()};
}

TEST(RunJsonl, AnswersEachLineInOrder) {
    EXPECT_EQ(run("{\"n\": 1}\n{\"n\": 2}\n"), std::pair(kExitOk, std::string("2\n4\n")));
    EXPECT_EQ(run("{\"n\": 1}\r\n{\"n\": 2}"), std::pair(kExitOk, std::string("2\n4\n")));
    EXPECT_EQ(run(""), std::pair(kExitOk, std::string()));
}

TEST(RunJsonl, ABadLineIsAnsweredAndTheRestGoesOn) {
    const auto [code, out] = run("{\"n\": 1}\nnonsense\n\n[1]\n{}\n{\"n\": 3}\n");
    EXPECT_EQ(code, kExitFailed);
    EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 6);
    EXPECT_TRUE(out.starts_with("2\n{\"error\":")) << out;
    EXPECT_TRUE(out.ends_with("{\"error\":\"no \\\"n\\\"\"}\n6\n")) << out;
}

TEST(RunSingleJsonl, RefusesASecondLine) {
    for (const char* input : {"{\"n\": 1}\n{\"n\": 2}\n", ""}) {
        const PipeWith in(input);
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        EXPECT_EQ(run_single_jsonl(in.fd(), double_it, "only one"), kExitFailed);
        EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
        EXPECT_EQ(testing::internal::GetCapturedStderr(), "facet: only one\n");
    }
}

TEST(LineReader, ReturnsLinesOfAnyCut) {
    const PipeWith in("one\n\ntwo");
    LineReader reader(in.fd(), 100);
    std::string line;
    EXPECT_EQ(reader.next(line), LineReader::Outcome::kLine);
    EXPECT_EQ(line, "one");
    EXPECT_EQ(reader.next(line), LineReader::Outcome::kLine);
    EXPECT_EQ(line, "");
    EXPECT_EQ(reader.next(line), LineReader::Outcome::kLine);
    EXPECT_EQ(line, "two");
    EXPECT_EQ(reader.next(line), LineReader::Outcome::kEnd);
}

TEST(LineReader, SkipsALineOverTheLimitAndGoesOn) {
    for (const size_t length : {size_t{101}, size_t{1000}, size_t{1} << 20}) {
        const PipeWith in(std::string(length, 'x') + "\nshort\n" + std::string(length, 'y'));
        LineReader reader(in.fd(), 100);
        std::string line;
        EXPECT_EQ(reader.next(line), LineReader::Outcome::kTooLong);
        EXPECT_EQ(reader.next(line), LineReader::Outcome::kLine);
        EXPECT_EQ(line, "short");
        EXPECT_EQ(reader.next(line), LineReader::Outcome::kTooLong);
        EXPECT_EQ(reader.next(line), LineReader::Outcome::kEnd);
    }
}

TEST(LineReader, ManyAndLongLinesTakeLinearTime) {
    std::string text(size_t{32} << 20, 'x');
    text += '\n';
    for (int i = 0; i < 300'000; ++i) text += "{}\n";
    const PipeWith in(std::move(text));
    LineReader reader(in.fd(), kLineBytesMax);
    std::string line;
    size_t lines = 0;
    while (reader.next(line) == LineReader::Outcome::kLine) ++lines;
    EXPECT_EQ(lines, 300'001u);
}

}  // namespace
}  // namespace facet::app
