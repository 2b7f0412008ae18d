#include "serve/serve_options.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/scratch_directory.h"

namespace facet::serve {
namespace {

using Strings = std::vector<std::string>;

Result<ServeOptions> options(const std::vector<Setting>& flags,
                             std::vector<const char*> environment = {}) {
    environment.push_back(nullptr);
    return make_serve_options(flags, environment.data());
}

std::string message(const Result<ServeOptions>& result) {
    return result.ok() ? "" : result.error().message;
}

Setting flag(const std::string& name, const std::string& value) {
    return {name, value, "--" + name};
}

TEST(ServeOptions, HaveSafeDefaults) {
    const ServeOptions defaults = options({}, {"PATH=/bin", "FACET_MODEL=x"}).take();
    EXPECT_EQ(defaults.http.host, "127.0.0.1");
    EXPECT_EQ(defaults.http.port, 8080);
    EXPECT_FALSE(defaults.http.insecure);
    EXPECT_TRUE(defaults.http.guard.cors_origins.empty());
    EXPECT_TRUE(defaults.request_log.empty());
}

TEST(ServeOptions, TakeFlagsBeforeEnvironmentBeforeFile) {
    const ScratchDirectory folder;
    const std::string file = folder.write("serve.conf",
                                          "# a comment\r\n"
                                          "\n"
                                          "port = 1\n"
                                          "  host=::1  \n"
                                          "max-body = 3\n"
                                          "allowed-host = a.example\n"
                                          "allowed-host = b.example\n"
                                          "cors-origin = *\n"
                                          "insecure = true");
    const std::string config = "FACET_SERVE_CONFIG=" + file;
    const ServeOptions read =
        options({flag("port", "3"), flag("cors-origin", "https://c.example")},
                {config.c_str(), "FACET_SERVE_PORT=2", "FACET_SERVE_MAX_BODY=2",
                 "FACET_SERVE_CORS_ORIGIN=https://a.example, https://b.example"})
            .take();
    EXPECT_EQ(read.http.port, 3);
    EXPECT_EQ(read.http.host, "::1");
    EXPECT_EQ(read.http.limits.body_bytes, size_t{2} << 20);
    EXPECT_EQ(read.http.guard.allowed_hosts, (Strings{"a.example", "b.example"}));
    EXPECT_EQ(read.http.guard.cors_origins, Strings{"https://c.example"});
    EXPECT_TRUE(read.http.insecure);
    const ServeOptions without = options({flag("config", file)}).take();
    EXPECT_EQ(without.http.port, 1);
    EXPECT_EQ(without.http.guard.cors_origins, Strings{"*"});
}

TEST(ServeOptions, SplitListsOfTheEnvironment) {
    const ServeOptions read =
        options({}, {"FACET_SERVE_API_KEY=0123456789abcdef,fedcba9876543210"}).take();
    EXPECT_EQ(read.http.guard.api_keys, (Strings{"0123456789abcdef", "fedcba9876543210"}));
}

TEST(ServeOptions, ReadKeysFromAFile) {
    const ScratchDirectory folder;
    const std::string file = folder.write("keys", "# ours\n0123456789abcdef\n\nfedcba9876543210\n");
    EXPECT_EQ(options({flag("api-key-file", file)}).take().http.guard.api_keys,
              (Strings{"0123456789abcdef", "fedcba9876543210"}));
    const std::string bad = folder.write("bad", "0123456789abcdef\nsecret\n");
    const std::string told = message(options({flag("api-key-file", bad)}));
    EXPECT_NE(told.find("--api-key-file: " + bad + ":2: expected a key"), std::string::npos)
        << told;
    EXPECT_EQ(told.find("secret"), std::string::npos);
    EXPECT_NE(message(options({flag("api-key-file", folder.file("none"))})).find("can not read"),
              std::string::npos);
}

TEST(ServeOptions, NameWhatIsWrong) {
    EXPECT_EQ(message(options({flag("port", "65536")})),
              "--port: expected a whole number from 0 to 65535, found '65536'");
    EXPECT_EQ(message(options({}, {"FACET_SERVE_MAX_BODY=x"})),
              "FACET_SERVE_MAX_BODY: expected a whole number from 1 to 65536, found 'x'");
    EXPECT_EQ(message(options({}, {"FACET_SERVE_PROT=1"})),
              "FACET_SERVE_PROT: there is no option 'prot'; did you mean 'port'?");
    EXPECT_EQ(message(options({flag("insecure", "yes")})),
              "--insecure: expected true or false, found 'yes'");
    EXPECT_EQ(message(options({flag("tls-key", "k.pem")})),
              "--tls-certificate and --tls-key go together");
    EXPECT_EQ(message(options({flag("cors-origin", "https://a.example/")})),
              "--cors-origin: expected an origin as https://example.org, or *, found "
              "'https://a.example/'");
    EXPECT_NE(message(options({flag("allowed-host", "http://a")})), "");
    EXPECT_NE(message(options({flag("api-key", "short")})), "");
    EXPECT_NE(message(options({flag("api-key", "0123456789 abcdef")})), "");
    EXPECT_NE(message(options({flag("host", "")})), "");
    EXPECT_NE(message(options({flag("max-body", "600")})), "");
}

TEST(ServeOptions, NameFileAndLine) {
    const ScratchDirectory folder;
    const auto told = [&](const std::string& text) {
        const std::string file = folder.write("serve.conf", text);
        std::string all = message(options({flag("config", file)}));
        return all.starts_with(file) ? all.substr(file.size()) : all;
    };
    EXPECT_EQ(told("port = 1\nport\n"), ":2: expected NAME = VALUE");
    EXPECT_EQ(told("\n\nprt = 1\n"), ":3: there is no option 'prt'; did you mean 'port'?");
    EXPECT_EQ(told("port = \n"), ":1: expected a whole number from 0 to 65535, found ''");
    EXPECT_EQ(told("config = other\n"), ":1: a file can not name another");
    EXPECT_NE(message(options({flag("config", folder.file("none"))})), "");
    EXPECT_NE(message(options({flag("config", folder.path())})), "");
}

TEST(ServeOptions, HaveOneRowANameAHelpAndALineInTheManual) {
    std::ifstream stream(FACET_SOURCE_DIR "/docs/serve.md");
    const std::string manual(std::istreambuf_iterator<char>(stream), {});
    std::vector<std::string_view> names;
    for (const ServeOption& option : serve_option_table()) {
        EXPECT_EQ(std::count(names.begin(), names.end(), option.name), 0) << option.name;
        EXPECT_FALSE(option.help.empty());
        EXPECT_LE(option.help.size(), 50u) << "wider than a terminal: " << option.name;
        const std::string row = fmt::format("\n| `{}` | {}", option.name, option.placeholder);
        EXPECT_NE(manual.find(row), std::string::npos) << row;
        names.push_back(option.name);
    }
}

}  // namespace
}  // namespace facet::serve
