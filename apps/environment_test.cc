// What the variables of the environment mean.
#include "environment.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace facet::app {
namespace {

// Sets a variable (or unsets it, with null) for one test.
class Variable {
  public:
    Variable(const char* name, const char* value)
        : name_(name), old_(getenv(name) == nullptr ? "" : getenv(name)) {
        value == nullptr ? unsetenv(name) : setenv(name, value, 1);
    }
    ~Variable() { old_.empty() ? unsetenv(name_) : setenv(name_, old_.c_str(), 1); }

  private:
    const char* name_;
    std::string old_;
};

TEST(Environment, FindsTheStateFolder) {
    const Variable home("HOME", "/home/ada");
    {
        const Variable state("XDG_STATE_HOME", "/state");
        EXPECT_EQ(read_environment().state_folder, "/state/facet");
    }
    {
        const Variable state("XDG_STATE_HOME", "relative");
        EXPECT_EQ(read_environment().state_folder, "/home/ada/.local/state/facet");
    }
    const Variable state("XDG_STATE_HOME", nullptr);
    const Variable no_home("HOME", nullptr);
    EXPECT_EQ(read_environment().state_folder, "");
}

TEST(Environment, RespectsNoColorAndDumbTerminals) {
    const Variable no_color("NO_COLOR", "");
    const Variable term("TERM", "xterm");
    EXPECT_TRUE(read_environment().colors);
    EXPECT_FALSE(read_environment().dumb_terminal);
    const Variable set("NO_COLOR", "1");
    const Variable dumb("TERM", "dumb");
    EXPECT_FALSE(read_environment().colors);
    EXPECT_TRUE(read_environment().dumb_terminal);
}

}  // namespace
}  // namespace facet::app
