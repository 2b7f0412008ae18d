// The public C API: ownership, errors, and misuse that must not crash.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "facet/facet.h"
#include "tests/edited_model.h"

extern "C" int facet_c_usage(const char* path, char* out, size_t out_bytes);

namespace facet {
namespace {

constexpr char kSum[] = R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}]})";

struct Handles {
    facet_model* model = nullptr;
    facet_session* session = nullptr;

    explicit Handles(const char* path = kDemoModel) {
        EXPECT_EQ(facet_model_open(path, nullptr, &model), FACET_OK) << facet_last_error();
        EXPECT_EQ(facet_session_create(model, nullptr, &session), FACET_OK) << facet_last_error();
    }
    ~Handles() {
        facet_session_destroy(session);
        facet_model_close(model);
    }
};

int collect_text(const facet_event* event, void* user) {
    if (event->kind == FACET_EVENT_TEXT)
        static_cast<std::string*>(user)->append(event->text, event->text_bytes);
    return 0;
}

TEST(CApi, WorksFromC) {
    char answer[256];
    ASSERT_EQ(facet_c_usage(kDemoModel, answer, sizeof answer), 0) << facet_last_error();
    EXPECT_STREQ(answer, "7 + 5 = 12.");
}

TEST(CApi, OpeningWhatIsNoModelSaysWhy) {
    facet_model* model = nullptr;
    EXPECT_EQ(facet_model_open("/nonexistent.gguf", nullptr, &model), FACET_ERROR_NOT_FOUND);
    EXPECT_NE(std::string(facet_last_error()).find("/nonexistent.gguf"), std::string::npos);
    EXPECT_EQ(model, nullptr);
    EXPECT_NE(facet_model_open(FACET_SOURCE_DIR, nullptr, &model), FACET_OK);
    EXPECT_NE(facet_model_open(FACET_SOURCE_DIR "/README.md", nullptr, &model), FACET_OK);
    facet_model_options options = facet_model_options_default();
    options.device = "abacus";
    EXPECT_EQ(facet_model_open(kDemoModel, &options, &model), FACET_ERROR_UNSUPPORTED);
    EXPECT_NE(std::string(facet_last_error()).find("abacus"), std::string::npos);
}

TEST(CApi, OpeningReportsItsProgressAndCanBeGivenUp) {
    struct Seen {
        uint64_t done = 1, total = 0;
        int calls = 0, allowed = 0;
    };
    Seen seen;
    facet_model_options options = facet_model_options_default();
    options.load_user = &seen;
    options.on_load = [](uint64_t done, uint64_t total, void* user) {
        Seen& to = *static_cast<Seen*>(user);
        to.done = done;
        to.total = total;
        return to.calls++ < to.allowed ? 0 : 1;
    };
    facet_model* model = nullptr;
    EXPECT_EQ(facet_model_open(kDemoModel, &options, &model), FACET_ERROR_CANCELLED);
    EXPECT_EQ(model, nullptr);
    EXPECT_EQ(seen.done, 0u);
    EXPECT_NE(std::string(facet_last_error()).find("cancelled"), std::string::npos);
    seen.allowed = 1 << 20;
    ASSERT_EQ(facet_model_open(kDemoModel, &options, &model), FACET_OK) << facet_last_error();
    EXPECT_GT(seen.total, 1000000u);
    EXPECT_EQ(seen.done, seen.total);
    facet_model_close(model);
}

TEST(CApi, MappedWeightsGiveTheSameLogits) {
    std::vector<float> logits[2];
    for (const int32_t mapped : {0, 1}) {
        facet_model_options options = facet_model_options_default();
        options.mmap = mapped;
        facet_model* model = nullptr;
        ASSERT_EQ(facet_model_open(kDemoModel, &options, &model), FACET_OK) << facet_last_error();
        facet_session* session = nullptr;
        ASSERT_EQ(facet_session_create(model, nullptr, &session), FACET_OK);
        const int32_t ids[] = {2, 100, 200, 300};
        const int32_t position = 3;
        logits[mapped].resize(1 << 19);
        ASSERT_EQ(facet_session_logits(session, ids, 4, &position, 1, logits[mapped].data()),
                  FACET_OK)
            << facet_last_error();
        facet_session_destroy(session);
        facet_model_close(model);
    }
    EXPECT_EQ(logits[0], logits[1]);
}

TEST(CApi, NullArgumentsAreErrors) {
    Handles handles;
    char* json = nullptr;
    int32_t* ids = nullptr;
    size_t count = 0;
    EXPECT_EQ(facet_model_open(nullptr, nullptr, nullptr), FACET_ERROR_INVALID);
    EXPECT_EQ(facet_tokenize(nullptr, "a", 1, 0, &ids, &count), FACET_ERROR_INVALID);
    EXPECT_EQ(facet_tokenize(handles.model, nullptr, 1, 0, &ids, &count), FACET_ERROR_INVALID);
    EXPECT_EQ(facet_render(handles.model, nullptr, &json), FACET_ERROR_INVALID);
    EXPECT_EQ(facet_session_chat(handles.session, nullptr, nullptr, nullptr, nullptr),
              FACET_ERROR_INVALID);
    EXPECT_EQ(facet_session_chat(nullptr, kSum, nullptr, nullptr, nullptr), FACET_ERROR_INVALID);
    EXPECT_EQ(facet_session_logits(handles.session, nullptr, 1, nullptr, 0, nullptr),
              FACET_ERROR_INVALID);
    facet_model_close(nullptr);
    facet_session_destroy(nullptr);
    facet_session_cancel(nullptr);
    facet_free(nullptr);
}

TEST(CApi, TextGoesThereAndBack) {
    Handles handles;
    const std::string text = "Hello <turn|> w\xc3\xb6rld\n";
    int32_t* ids = nullptr;
    size_t count = 0;
    ASSERT_EQ(facet_tokenize(handles.model, text.data(), text.size(), 0, &ids, &count), FACET_OK);
    char* back = nullptr;
    size_t back_bytes = 0;
    ASSERT_EQ(facet_detokenize(handles.model, ids, count, 1, &back, &back_bytes), FACET_OK);
    EXPECT_EQ(std::string(back, back_bytes), text);
    facet_free(back);
    ids[0] = 1 << 30;
    EXPECT_EQ(facet_detokenize(handles.model, ids, count, 1, &back, &back_bytes),
              FACET_ERROR_INVALID);
    facet_free(ids);
}

TEST(CApi, MalformedRequestsNameTheField) {
    Handles handles;
    const struct {
        const char* request;
        const char* named;
    } wrong[] = {{"{", "JSON"},
                 {"[]", "object"},
                 {"{}", "messages"},
                 {R"({"messages": 5})", "messages"},
                 {R"({"messages": [{"role": "wizard", "content": "x"}]})", "role"},
                 {R"({"messages": [], "tools": 3})", "tools"},
                 {R"({"messages": [], "options": {"template": "huge"}})", "template"}};
    for (const auto& [request, named] : wrong) {
        EXPECT_EQ(facet_session_chat(handles.session, request, nullptr, nullptr, nullptr),
                  FACET_ERROR_INVALID)
            << request;
        EXPECT_NE(std::string(facet_last_error()).find(named), std::string::npos)
            << facet_last_error();
    }
}

TEST(CApi, PicturesAreRefusedInWords) {
    Handles handles;
    const char* request =
        R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]})";
    EXPECT_EQ(facet_session_chat(handles.session, request, nullptr, nullptr, nullptr),
              FACET_ERROR_UNSUPPORTED);
    EXPECT_NE(std::string(facet_last_error()).find("pictures"), std::string::npos);
}

TEST(CApi, WrongOptionsAreNamed) {
    Handles handles;
    facet_generation_options options = facet_generation_options_default();
    options.temperature = -1;
    EXPECT_EQ(facet_session_chat(handles.session, kSum, &options, nullptr, nullptr),
              FACET_ERROR_INVALID);
    EXPECT_NE(std::string(facet_last_error()).find("temperature"), std::string::npos);
}

TEST(CApi, DefaultsAreTheModelCardsAndTheFileMayDiffer) {
    Handles handles;
    const facet_generation_options card = facet_generation_options_default();
    EXPECT_EQ(card.temperature, 1.0f);
    EXPECT_EQ(card.top_k, 64);
    EXPECT_EQ(card.top_p, 0.95f);
    EXPECT_EQ(card.repetition_penalty, 1.0f);
    EXPECT_EQ(facet_model_generation_options(handles.model).temperature, 0.0f)
        << "the demo's file says so";
}

TEST(CApi, AnotherThreadCanCancel) {
    Handles handles;
    facet_generation_options options = facet_generation_options_default();
    const facet_logit_bias never_end[] = {{1, -100}, {49, -100}, {57, -100}, {58, -100}};
    options.logit_bias = never_end;
    options.logit_bias_count = 4;
    struct State {
        std::atomic<int> events{0};
        facet_finish finish = FACET_FINISH_STOP;
    } state;
    std::thread canceller([&] {
        while (state.events < 5) std::this_thread::yield();
        facet_session_cancel(handles.session);
    });
    const facet_status status = facet_session_chat(
        handles.session, kSum, &options,
        [](const facet_event* event, void* user) {
            auto* seen = static_cast<State*>(user);
            ++seen->events;
            if (event->kind == FACET_EVENT_END) seen->finish = event->finish;
            return 0;
        },
        &state);
    canceller.join();
    EXPECT_EQ(status, FACET_OK) << facet_last_error();
    EXPECT_EQ(state.finish, FACET_FINISH_CANCELLED);
}

TEST(CApi, SessionsOfOneModelRunInSeveralThreads) {
    Handles handles;
    std::vector<std::thread> threads;
    std::vector<std::string> answers(4);
    for (std::string& answer : answers) {
        threads.emplace_back([&] {
            facet_session* session = nullptr;
            facet_session_create(handles.model, nullptr, &session);
            facet_session_chat(session, kSum, nullptr, collect_text, &answer);
            facet_session_destroy(session);
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& answer : answers) EXPECT_EQ(answer, "7 + 5 = 12.");
}

// Programs that were built against an older header of the same library name hand in structs of this
// size: a new member takes reserved words (COMPATIBILITY in facet.h).
TEST(CApi, StructsOfOptionsKeepTheirSize) {
    EXPECT_EQ(sizeof(facet_model_options), 168u);
    EXPECT_EQ(sizeof(facet_session_options), 48u);
    EXPECT_EQ(sizeof(facet_generation_options), 152u);
    EXPECT_EQ(sizeof(facet_logit_bias), 8u);
}

TEST(CApi, ReservedWordsMustBeZero) {
    facet_model_options model_options = facet_model_options_default();
    model_options.reserved[7] = 1;
    facet_model* model = nullptr;
    EXPECT_EQ(facet_model_open(kDemoModel, &model_options, &model), FACET_ERROR_INVALID);
    EXPECT_NE(std::string(facet_last_error()).find("reserved"), std::string::npos);
    Handles handles;
    facet_session_options session_options = facet_session_options_default();
    session_options.reserved[0] = 1;
    facet_session* session = nullptr;
    EXPECT_EQ(facet_session_create(handles.model, &session_options, &session), FACET_ERROR_INVALID);
    facet_request* request = nullptr;
    EXPECT_EQ(facet_request_start(handles.model, kSum, nullptr, &session_options, nullptr, nullptr,
                                  &request),
              FACET_ERROR_INVALID);
    facet_generation_options options = facet_generation_options_default();
    options.reserved[3] = 1;
    EXPECT_EQ(facet_session_chat(handles.session, kSum, &options, nullptr, nullptr),
              FACET_ERROR_INVALID);
}

TEST(CApi, WaitingForARequestDoesNotCancelIt) {
    Handles handles;
    std::string text;
    facet_request* request = nullptr;
    ASSERT_EQ(
        facet_request_start(handles.model, kSum, nullptr, nullptr, collect_text, &text, &request),
        FACET_OK);
    facet_request_wait(request);
    EXPECT_EQ(text, "7 + 5 = 12.");
    facet_request_wait(request);
    facet_request_free(request);
    facet_request_wait(nullptr);
}

TEST(CApi, TheVocabularySizeIsTheInfos) {
    Handles handles;
    EXPECT_EQ(facet_model_vocabulary_size(handles.model), 5120);
    EXPECT_EQ(facet_model_vocabulary_size(nullptr), 0);
}

TEST(CApi, ALoadedFileWithoutTokenizerStillComputes) {
    EditedModel edited(kMoeModel);
    edited.erase("tokenizer.ggml.tokens");
    const std::string path = edited.write();
    Handles handles(path.c_str());
    const int32_t ids[] = {2, 5, 6};
    const int32_t position = 2;
    std::vector<float> logits(1024);
    EXPECT_EQ(facet_session_logits(handles.session, ids, 3, &position, 1, logits.data()), FACET_OK);
    EXPECT_NE(facet_session_chat(handles.session, kSum, nullptr, nullptr, nullptr), FACET_OK);
    EXPECT_NE(std::string(facet_last_error()).find("tokenizer"), std::string::npos);
}

TEST(CApi, InspectCountsTheBytesOfAToken) {
    char* text = nullptr;
    ASSERT_EQ(facet_inspect(kDemoModel, 0, 0, &text), FACET_OK) << facet_last_error();
    const Json report = Json::parse(text).take();
    facet_free(text);
    const Json& bytes = *report.find("bytes_per_token");
    // Q8_0: 34 bytes for 32 values. Sliding: q, k, v, o; global: q, k, o.
    const long long attention =
        (4 * (256 * 256 * 2 + 256 * 128 * 2) + 2 * (256 * 512 * 2 + 256 * 128)) / 32 * 34;
    EXPECT_EQ(bytes.find("attention")->to_integer().take(), attention);
    EXPECT_EQ(bytes.find("dense_ffn")->to_integer().take(), 6 * 3 * 256 * 192 / 32 * 34);
    EXPECT_EQ(bytes.find("experts")->to_integer().take(), 6 * 4 * 3 * 256 * 64 / 32 * 34);
    EXPECT_EQ(bytes.find("router")->to_integer().take(), 6 * 256 * 16 * 4);
    EXPECT_EQ(bytes.find("head")->to_integer().take(), 256 * 5120 / 32 * 34);
}

}  // namespace
}  // namespace facet
