// `facet chat` on a pseudo-terminal, as a person uses it.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "base/json.h"
#include "base/mapped_file.h"
#include "tests/program_harness.h"

namespace facet {
namespace {

constexpr std::string_view kPrompt = "\x1b[1m> \x1b[0m";
constexpr std::string_view kQuestion = "What is 7 plus 5?\r";

// A chat at its first prompt.
class ChatTerminal : public testing::Test {
  protected:
    void start(std::vector<std::string> more = {}, bool endless = false) {
        folder_ = fresh_folder("chat");
        std::vector<std::string> arguments = {"chat", "--temp", "0"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        for (const char* end : {"<turn|>", "<eos>", "<|tool_response>"}) {
            if (!endless) break;
            const std::string id = run_facet({"tokenize", "--special", end}).out;
            arguments.insert(arguments.end(),
                             {"--logit-bias", id.substr(0, id.size() - 1) + "=-100"});
        }
        chat_ = std::make_unique<TerminalProgram>(arguments, folder_);
        ASSERT_TRUE(chat_->wait_for(kPrompt));
    }

    // Asks and waits for the answer and the next prompt.
    void ask(std::string_view keys, std::string_view answer) {
        chat_->type(keys);
        ASSERT_TRUE(chat_->wait_for(answer));
        ASSERT_TRUE(chat_->wait_for(kPrompt));
    }

    // The messages of the conversation, through /save.
    Json messages() {
        const std::string path = folder_ + "/saved.json";
        ask("/save " + path + "\r", "Saved to");
        const auto text = read_text_file(path, 1 << 20);
        EXPECT_TRUE(text.ok());
        return *Json::parse(text.value()).value().find("messages");
    }

    void quit() {
        chat_->type("/quit\r");
        EXPECT_EQ(chat_->wait_for_exit(), 0);
        EXPECT_TRUE(chat_->is_in_original_mode());
    }

    std::string folder_;
    std::unique_ptr<TerminalProgram> chat_;
};

TEST_F(ChatTerminal, AnswersAndQuits) {
    start();
    ask(kQuestion, "7 + 5 = 12.");
    ask("/stats\r", "tokens (");
    quit();
}

TEST_F(ChatTerminal, ArrowKeysWalkTheHistoryAlsoOfAnEarlierChat) {
    start();
    ask(kQuestion, "7 + 5 = 12.");
    ask("/clear\r", "anew");
    ask("\x1b[A\x1b[A\r", "7 + 5 = 12.");
    quit();
    chat_ =
        std::make_unique<TerminalProgram>(std::vector<std::string>{"chat", "--temp", "0"}, folder_);
    ASSERT_TRUE(chat_->wait_for(kPrompt));
    ask("\x1b[A\x1b[A\x1b[A\x1b[B\r", "7 + 5 = 12.");
    quit();
}

TEST_F(ChatTerminal, EditsTheLine) {
    start();
    ask("XWhat is 7 plus 99?\x7f\x7f\x7f\x1b[D\x1b[C5?\x01\x1b[3~\r", "7 + 5 = 12.");
    EXPECT_EQ(messages().items[0].find("content")->text, "What is 7 plus 5?");
    quit();
}

TEST_F(ChatTerminal, APasteOfSeveralLinesIsOneMessage) {
    start();
    chat_->type("\x1b[200~one\rtwo 世界\nthree\x1b[201~");
    ASSERT_TRUE(chat_->wait_for("three"));
    ask("\r", "\x1b[?2004h");
    const Json saved = messages();
    ASSERT_EQ(saved.items.size(), 2u);
    EXPECT_EQ(saved.items[0].find("content")->text, "one\ntwo 世界\nthree");
    quit();
}

TEST_F(ChatTerminal, ABackslashOrAltEnterStartsANewLine) {
    start();
    ask("one\\\rtwo\x1b\rthree\r", "\x1b[?2004h");
    EXPECT_EQ(messages().items[0].find("content")->text, "one\ntwo\nthree");
    quit();
}

TEST_F(ChatTerminal, ThoughtsAreDimmedAndSwitchable) {
    start({"--think"});
    ask(kQuestion, "\x1b[2m");
    EXPECT_NE(chat_->seen().find("7 + 5 = 12."), std::string::npos);
    ask("/think off\r", "Thinking is off");
    ask("/clear\r", "anew");
    const size_t before = chat_->seen().size();
    ask(kQuestion, "7 + 5 = 12.");
    EXPECT_EQ(chat_->seen().find("\x1b[2m", before), std::string::npos);
    ask("/think on\r", "Thinking is on");
    ask("/clear\r", "anew");
    ask(kQuestion, "\x1b[2m");
    const Json saved = messages();
    EXPECT_NE(saved.items[1].find("reasoning_content"), nullptr);
    quit();
}

TEST_F(ChatTerminal, CtrlCStopsTheAnswerAndKeepsItsBeginning) {
    start({}, true);
    chat_->type("Tell me a story.\r");
    ASSERT_TRUE(chat_->wait_for("was"));
    chat_->type("\x03");
    ASSERT_TRUE(chat_->wait_for("stopped"));
    ASSERT_TRUE(chat_->wait_for(kPrompt));
    const Json saved = messages();
    ASSERT_EQ(saved.items.size(), 2u);
    EXPECT_NE(saved.items[1].find("content")->text, "");
    quit();
}

TEST_F(ChatTerminal, CtrlCAfterAStoppedAnswerLeaves) {
    start({}, true);
    chat_->type("Tell me a story.\r");
    ASSERT_TRUE(chat_->wait_for("was"));
    chat_->type("\x03");
    ASSERT_TRUE(chat_->wait_for("stopped"));
    chat_->type("\x03");
    EXPECT_EQ(chat_->wait_for_exit(), 0);
    EXPECT_TRUE(chat_->is_in_original_mode());
}

TEST_F(ChatTerminal, CtrlCClearsTheLineAndTwiceLeaves) {
    start();
    ask("nonsense\x03", "Ctrl-C again to leave");
    ask(kQuestion, "7 + 5 = 12.");
    ask("\x03", "Ctrl-C again to leave");
    chat_->type("\x03");
    EXPECT_EQ(chat_->wait_for_exit(), 0);
    EXPECT_TRUE(chat_->is_in_original_mode());
}

TEST_F(ChatTerminal, CtrlDLeavesAndWhatIsTypedAheadIsRead) {
    start();
    chat_->type("What is 7 plus 5?\rWhat is the capital of France?\r\x04");
    EXPECT_EQ(chat_->wait_for_exit(), 0);
    EXPECT_NE(chat_->seen().find("7 + 5 = 12."), std::string::npos);
    EXPECT_NE(chat_->seen().find("Paris."), std::string::npos);
}

TEST_F(ChatTerminal, SavesAndLoads) {
    start();
    ask(kQuestion, "7 + 5 = 12.");
    const Json saved = messages();
    ask("/clear\r", "anew");
    ask("/load " + folder_ + "/saved.json\r", "Loaded 2 messages.");
    EXPECT_EQ(messages().dump(), saved.dump());
    ask("/load /no/such/file\r", "/no/such/file");
    EXPECT_EQ(messages().dump(), saved.dump());
    quit();
}

TEST_F(ChatTerminal, ASignalRestoresTheTerminal) {
    for (const int number : {SIGTERM, SIGHUP}) {
        start();
        EXPECT_FALSE(chat_->is_in_original_mode());
        chat_->signal(number);
        EXPECT_EQ(chat_->wait_for_exit(), 128 + number);
        EXPECT_TRUE(chat_->is_in_original_mode());
    }
}

}  // namespace
}  // namespace facet
