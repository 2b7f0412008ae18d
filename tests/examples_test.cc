// The programs of examples/ on the demo, with all of their output.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace {

// What a program without arguments writes to stdout; its end must be a success.
std::string output_of(const std::string& program) {
    FILE* pipe = popen(("'" + program + "' 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) return "could not be started";
    std::string output;
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) output += static_cast<char>(c);
    EXPECT_EQ(pclose(pipe), 0) << program;
    return output;
}

TEST(Examples, TheCProgramAnswers) { EXPECT_EQ(output_of(FACET_EXAMPLE_C), "7 + 5 = 12.\n"); }

TEST(Examples, TheCppProgramHasTwoConversationsAtOnce) {
    const std::string output = output_of(FACET_EXAMPLE_CPP);
    const size_t last_line = output.find("\n(") + 1;
    EXPECT_EQ(output.substr(0, last_line),
              "> What is 7 plus 5?\n7 + 5 = 12.\n"
              "> Tell me a story.\nNear the sea lived a little rabbit named ... (cancelled)\n"
              "> What is the capital of France?\nThe capital of France is Paris.\n");
    int known = 0, all = 0;
    sscanf(output.c_str() + last_line, "(%d of %d tokens were known)", &known, &all);
    EXPECT_EQ(all, 47);
    EXPECT_GT(known, 10) << "the first turn's question";
}

}  // namespace
