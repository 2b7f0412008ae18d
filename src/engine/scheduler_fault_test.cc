// Allocations that fail, in the thread that asks and in the one that computes: an error, and the
// engine goes on.
#include <gtest/gtest.h>

#include <atomic>

#include "engine/counted_allocations.h"
#include "engine/engine.h"
#include "facet/facet.h"
#include "tests/edited_model.h"

namespace facet {
namespace {

constexpr char kSum[] = R"({"messages": [{"role": "user", "content": "What is 7 plus 5?"}]})";

std::string answer(facet_session* session) {
    std::string text;
    EXPECT_EQ(facet_session_chat(
                  session, kSum, nullptr,
                  [](const facet_event* event, void* user) {
                      if (event->kind == FACET_EVENT_TEXT)
                          static_cast<std::string*>(user)->append(event->text, event->text_bytes);
                      return 0;
                  },
                  &text),
              FACET_OK)
        << facet_last_error();
    return text;
}

TEST(AllocationFaults, OfACallerAreErrorsAndTheNextCallWorks) {
    facet_model* model = nullptr;
    ASSERT_EQ(facet_model_open(kDemoModel, nullptr, &model), FACET_OK);
    int failed = 0;
    for (int64_t granted = 0; granted < 400; ++granted) {
        facet_session* session = nullptr;
        facet_status status = FACET_OK;
        {
            const FailingAllocations failing(granted);
            status = facet_session_create(model, nullptr, &session);
            if (status == FACET_OK)
                status = facet_session_chat(session, kSum, nullptr, nullptr, nullptr);
        }
        EXPECT_TRUE(status == FACET_OK || status == FACET_ERROR_MEMORY) << status;
        failed += status != FACET_OK;
        facet_session_destroy(session);
    }
    EXPECT_GT(failed, 20);
    facet_session* session = nullptr;
    ASSERT_EQ(facet_session_create(model, nullptr, &session), FACET_OK);
    EXPECT_EQ(answer(session), "7 + 5 = 12.");
    facet_session_destroy(session);
    facet_model_close(model);
}

// The callback runs in the scheduler's thread and sets how many allocations that thread still gets.
TEST(AllocationFaults, OfTheSchedulerEndOneReplyAndTheNextIsRight) {
    facet_model* model = nullptr;
    ASSERT_EQ(facet_model_open(kDemoModel, nullptr, &model), FACET_OK);
    facet_session* session = nullptr;
    ASSERT_EQ(facet_session_create(model, nullptr, &session), FACET_OK);
    struct Seen {
        int64_t granted = 0;
        std::atomic<bool> ended{false};
        facet_status status = FACET_OK;
    };
    int failed = 0;
    for (int64_t granted = 0; granted < 120; ++granted) {
        Seen seen;
        seen.granted = granted;
        facet_request* request = nullptr;
        const facet_status started = facet_request_start(
            model, kSum, nullptr, nullptr,
            [](const facet_event* event, void* user) {
                auto& to = *static_cast<Seen*>(user);
                if (event->kind == FACET_EVENT_PROGRESS) allocations_granted = to.granted;
                if (event->kind == FACET_EVENT_END || event->kind == FACET_EVENT_ERROR) {
                    allocations_granted = -1;
                    to.status = event->kind == FACET_EVENT_END ? FACET_OK : event->status;
                    to.ended = true;
                }
                return 0;
            },
            &seen, &request);
        ASSERT_EQ(started, FACET_OK) << facet_last_error();
        while (!seen.ended) std::this_thread::yield();
        facet_request_free(request);
        EXPECT_TRUE(seen.status == FACET_OK || seen.status == FACET_ERROR_MEMORY);
        failed += seen.status != FACET_OK;
        ASSERT_EQ(answer(session), "7 + 5 = 12.") << granted;
    }
    EXPECT_GT(failed, 5);
    facet_session_destroy(session);
    facet_model_close(model);
}

}  // namespace
}  // namespace facet
