// The server as a whole on the demo model, through sockets: whole answers and streams, a full
// queue, clients that leave.
#include "endpoints/model_server.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "serve/http_testing.h"
#include "tests/edited_model.h"

namespace facet::endpoints {
namespace {

using serve::testing::eventually;
using serve::testing::post;
using serve::testing::TestClient;
using serve::testing::TestResponse;

// Goes on until it is cancelled.
constexpr const char* kEndless =
    R"(, "grammar": "root ::= [a-z]{20000,30000}", "max_tokens": 7000, "stream": true})";
constexpr const char* kSum =
    R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}], "temperature": 0)";

class ModelServers : public ::testing::Test {
  protected:
    void SetUp() override {
        model_.emplace(kDemoModel, api::ModelOptions{.parallel = 2, .queue = 2});
        serve::HttpServerOptions options;
        options.port = 0;
        server_ = ModelServer::start(options, {*model_, "demo", 0, 8192, false, "test"}).take();
    }

    TestResponse ask(const std::string& path, const std::string& body) {
        return TestClient(server_->port()).ask(post(path, body));
    }
    int64_t metric(const char* member) {
        return Json::parse(model_->metrics()).take().find(member)->to_integer().take();
    }

    std::optional<api::Model> model_;
    std::unique_ptr<ModelServer> server_;
};

TEST_F(ModelServers, AStreamSaysWhatAWholeAnswerSays) {
    const TestResponse whole = ask("/v1/chat/completions", std::string(kSum) + "}");
    ASSERT_EQ(whole.status, 200) << whole.body;
    const Json answer = Json::parse(whole.body).take();
    const std::string text =
        answer.find("choices")->items[0].find("message")->find("content")->text;
    EXPECT_EQ(text, "7 + 5 = 12.");
    const TestResponse stream =
        ask("/v1/chat/completions", std::string(kSum) + R"(, "stream": true})");
    EXPECT_TRUE(stream.complete);
    EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n")) << stream.body;
    std::string streamed;
    for (size_t at = 0; (at = stream.body.find("data: {", at)) != std::string::npos; ++at) {
        const size_t end = stream.body.find('\n', at);
        const Json chunk = Json::parse(stream.body.substr(at + 6, end - at - 6)).take();
        const Json* content = chunk.find("choices")->items[0].find("delta")->find("content");
        if (content != nullptr) streamed += content->text;
    }
    EXPECT_EQ(streamed, text);
}

TEST_F(ModelServers, AnErrorOfTheEngineIsAStatusEvenWhereAStreamWasAskedFor) {
    const TestResponse answer =
        ask("/v1/chat/completions", std::string(kSum) + R"(, "regex": "(", "stream": true})");
    EXPECT_EQ(answer.status, 400);
    const Json error = Json::parse(answer.body).take();
    EXPECT_EQ(error.find("error")->find("param")->text, "regex");
}

TEST_F(ModelServers, AFullQueueIsSaidWithATimeToComeBack) {
    std::vector<TestClient> clients;
    for (int i = 1; i <= 4; ++i) {
        clients.emplace_back(server_->port())
            .send(post("/v1/chat/completions", std::string(kSum) + kEndless));
        ASSERT_TRUE(eventually([&] {
            return metric("running") == std::min(i, 2) && metric("waiting") == std::max(i - 2, 0);
        })) << i;
    }
    const TestResponse answer = ask("/v1/chat/completions", std::string(kSum) + "}");
    EXPECT_EQ(answer.status, 429) << answer.body;
    EXPECT_FALSE(answer.header("retry-after").empty());
    // Those that leave make room.
    for (TestClient& client : clients) client.abort();
    ASSERT_TRUE(eventually([&] { return metric("running") + metric("waiting") == 0; }));
    EXPECT_EQ(ask("/v1/chat/completions", std::string(kSum) + "}").status, 200);
}

TEST_F(ModelServers, AClientThatLeavesCancelsAllOfItsReplies) {
    TestClient client(server_->port());
    client.send(post("/v1/chat/completions", std::string(kSum) + R"(, "n": 2)" + kEndless));
    ASSERT_TRUE(client.receive_until("\"content\""));
    EXPECT_TRUE(eventually([&] { return metric("running") == 2; }));
    client.abort();
    EXPECT_TRUE(eventually([&] { return metric("cancelled") == 2; }));
}

TEST_F(ModelServers, TheEndOfTheServerEndsWhatRuns) {
    TestClient stream(server_->port());
    stream.send(post("/v1/chat/completions", std::string(kSum) + kEndless));
    ASSERT_TRUE(stream.receive_until("\"content\""));
    server_.reset();
    EXPECT_TRUE(stream.is_closed_by_server());
    // Counters are of the last step.
    EXPECT_TRUE(eventually([&] { return metric("running") == 0; }));
}

TEST_F(ModelServers, FactsAreServed) {
    const auto ask_for = [&](const char* path) {
        return TestClient(server_->port()).ask(serve::testing::get(path));
    };
    EXPECT_EQ(ask_for("/health").body, R"({"status":"ok"})");
    EXPECT_EQ(ask_for("/v1/models/demo").status, 200);
    EXPECT_EQ(ask_for("/v1/models/other").status, 404);
    EXPECT_EQ(ask_for("/v1/chat/completions").status, 405);
    EXPECT_NE(ask_for("/metrics").body.find("facet_kv_budget_bytes "), std::string::npos);
    EXPECT_EQ(ask("/detokenize", R"({"tokens": [-1]})").status, 400);
    const Json tokens = Json::parse(ask("/tokenize", R"({"content": "Hello"})").body).take();
    const std::string text =
        ask("/detokenize", R"({"tokens": )" + tokens.find("tokens")->dump() + "}").body;
    EXPECT_EQ(text, R"({"content":"Hello"})");
}

}  // namespace
}  // namespace facet::endpoints
