// The conversation's JSON and its file.
#include "conversation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "atomic_file.h"
#include "base/mapped_file.h"
#include "slash_commands.h"

namespace facet::app {
namespace {

std::string path_in(const std::string& name) {
    const auto folder = std::filesystem::path(testing::TempDir()) / "facet_conversation_test";
    std::filesystem::create_directories(folder);
    return (folder / name).string();
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST(Conversation, MakesARequest) {
    Conversation conversation;
    conversation.system = "Be brief.";
    conversation.thinking = Thinking::kOn;
    conversation.add_user("Hi");
    conversation.add_assistant("Hello", "greet");
    EXPECT_EQ(
        conversation.request().dump(),
        R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},)"
        R"({"role":"assistant","content":"Hello","reasoning_content":"greet"}],)"
        R"("tools":null,"options":{"enable_thinking":true}})");
}

TEST(Conversation, SaysNothingAboutThinkingUnlessAsked) {
    EXPECT_EQ(Conversation().request().dump(), R"({"messages":[],"tools":null,"options":{}})");
}

TEST(Conversation, ComesBackFromItsFile) {
    Conversation conversation;
    conversation.system = "Be brief.";
    conversation.add_user("Hi\n\"you\"");
    conversation.add_assistant("Hello", "");
    ASSERT_TRUE(conversation.save(path_in("round.json")).ok());
    Conversation loaded;
    ASSERT_TRUE(loaded.load(path_in("round.json")).ok());
    EXPECT_EQ(loaded.system, "Be brief.");
    EXPECT_EQ(loaded.request().dump(), conversation.request().dump());
}

TEST(Conversation, ABadFileChangesNothing) {
    Conversation conversation;
    conversation.add_user("kept");
    for (const char* text : {"nonsense", "[]", R"({"messages": 1})", R"({"messages": [1]})",
                             R"({"messages": [{"role": "system", "content": []}]})"}) {
        write(path_in("bad.json"), text);
        const Status loaded = conversation.load(path_in("bad.json"));
        EXPECT_FALSE(loaded.ok()) << text;
        EXPECT_NE(loaded.error().message.find("bad.json"), std::string::npos);
        EXPECT_EQ(conversation.messages.items.size(), 1u);
    }
    EXPECT_FALSE(conversation.load(path_in("missing.json")).ok());
}

TEST(AtomicFile, LeavesTheOldFileUntilItIsCommitted) {
    const std::string path = path_in("atomic");
    write(path, "old");
    {
        auto file = AtomicFile::create(path);
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(file.value().write("new").ok());
        EXPECT_EQ(read_text_file(path, 100).value(), "old");
    }
    EXPECT_EQ(read_text_file(path, 100).value(), "old");
    ASSERT_TRUE(write_file(path, "new").ok());
    EXPECT_EQ(read_text_file(path, 100).value(), "new");
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(path).parent_path())) {
        EXPECT_EQ(entry.path().filename().string().find("atomic."), std::string::npos);
    }
}

TEST(AtomicFile, DoesNotReplaceADeviceOrALink) {
    ASSERT_TRUE(write_file("/dev/null", "x").ok());
    EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
    const std::string link = path_in("link");
    std::filesystem::remove(link);
    write(path_in("target"), "old");
    std::filesystem::create_symlink(path_in("target"), link);
    ASSERT_TRUE(write_file(link, "new").ok());
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    EXPECT_EQ(read_text_file(path_in("target"), 100).value(), "new");
    EXPECT_FALSE(write_file(path_in("no/such/folder"), "x").ok());
}

// Runs a chat command and returns what it says.
std::string say(ChatState& state, const std::string& line,
                CommandOutcome expected = CommandOutcome::kDone) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_chat_command(state, line), expected) << line;
    return testing::internal::GetCapturedStderr();
}

TEST(ChatCommands, TellCommandsFromMessages) {
    ChatState state;
    for (const char* message : {"hello", " /help", "/etc/hosts", "/", "/* code */", "//"}) {
        EXPECT_EQ(say(state, message, CommandOutcome::kNoCommand), "");
    }
    EXPECT_EQ(say(state, "/quit", CommandOutcome::kQuit), "");
    EXPECT_NE(say(state, "/nonsense").find("There is no command /nonsense"), std::string::npos);
    for (const char* name :
         {"/help", "/clear", "/system", "/think", "/save", "/load", "/stats", "/quit"}) {
        EXPECT_NE(say(state, "/help").find(name), std::string::npos) << name;
    }
}

TEST(ChatCommands, ChangeTheState) {
    ChatState state;
    say(state, "/system Be brief.");
    EXPECT_EQ(state.conversation.system, "Be brief.");
    EXPECT_EQ(say(state, "/system"), "System message: Be brief.\n");
    say(state, "/system -");
    EXPECT_EQ(state.conversation.system, "");
    say(state, "/think on");
    EXPECT_EQ(state.conversation.thinking, Thinking::kOn);
    say(state, "/think hide");
    EXPECT_FALSE(state.show_thoughts);
    say(state, "/think off");
    EXPECT_EQ(state.conversation.thinking, Thinking::kOff);
    EXPECT_EQ(say(state, "/think maybe"), "Expected /think on, /think off or /think hide.\n");
    state.conversation.add_user("Hi");
    say(state, "/save " + path_in("command.json"));
    say(state, "/clear");
    EXPECT_TRUE(state.conversation.messages.items.empty());
    EXPECT_EQ(say(state, "/load " + path_in("command.json")), "Loaded 1 messages.\n");
    EXPECT_EQ(say(state, "/stats"), "There is no answer yet.\n");
}

}  // namespace
}  // namespace facet::app
