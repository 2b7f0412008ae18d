// Replies for one HTTP request: started together, written while they come or when all have ended,
// cancelled when the client leaves.
//
// Owns: the life of a call between the server's threads and the engine's. What is written is the
// writer's (one for each protocol). Must not know: protocols.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "endpoints/call_metrics.h"
#include "facet/facet.hpp"
#include "serve/http_message.h"
#include "serve/responder.h"

namespace facet::endpoints {

// One reply, as far as it has come.
struct Choice {
    std::string text, thought;
    std::string stop;            // the stop text that ended it, if one did
    std::vector<Json> calls;     // {"id", "name", "arguments"}
    std::vector<Json> logprobs;  // facet.h, FACET_EVENT_LOGPROBS
    facet_finish finish = FACET_FINISH_STOP;
    facet_usage usage = {};
    // By a limit of length or time.
    bool was_cut() const {
        return finish == FACET_FINISH_LENGTH || finish == FACET_FINISH_DEADLINE;
    }
};

// Where a stream's events go. What is sent before the stream is open waits; any thread.
class EventOutput {
  public:
    void send(std::string data, std::string name = {});
    void comment();  // keeps a silent connection open
    // The stream from here on.
    void open(serve::EventStream stream);
    bool is_open();
    void finish();

  private:
    struct Waiting {
        std::string data, name;
    };
    std::mutex mutex_;
    std::optional<serve::EventStream> stream_;
    std::vector<Waiting> waiting_;
    bool is_finished_ = false;
};

// Makes one protocol's answer. Called by one thread at a time, the engine's; must be quick.
class ReplyWriter {
  public:
    virtual ~ReplyWriter() = default;
    // A stream only: an event of one of the replies, which `choice` has taken in already.
    virtual void event(EventOutput& output, size_t index, const Choice& choice,
                       const api::Event& event) = 0;
    // A stream only: the last words, once all replies have ended; or why one broke off.
    virtual void end(EventOutput& output, std::span<const Choice> choices) = 0;
    virtual void fail(EventOutput& output, const Error& error) = 0;
    // No stream: the body.
    virtual Json whole(std::span<const Choice> choices) = 0;
};

struct ReplyCallRequest {
    // One for each reply: what facet_request_start() takes.
    struct Reply {
        std::string request;
        api::GenerationOptions options;
    };
    std::vector<Reply> replies;
    bool stream = false;
    std::shared_ptr<ReplyWriter> writer;
};

class ReplyCall;

// Runs calls and frees what they leave behind.
class ReplyCalls {
  public:
    // Both must outlive it.
    ReplyCalls(api::Model& model, CallMetrics& metrics);
    // Cancels what runs and waits for it.
    ~ReplyCalls();

    // Starts the replies and returns; the answer comes by itself, an error's too.
    void start(ReplyCallRequest call, const serve::Request& request, serve::Responder responder);

  private:
    friend class ReplyCall;
    void ended(ReplyCall* call);
    void free_ended();

    api::Model& model_;
    CallMetrics& metrics_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::shared_ptr<ReplyCall>> running_, ended_;
    bool stopping_ = false;
    std::thread thread_;  // frees calls: the engine's thread must not wait for itself
};

}  // namespace facet::endpoints
