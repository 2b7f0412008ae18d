#include "endpoints/reply_call.h"

#include <algorithm>

#include "endpoints/api_errors.h"

namespace facet::endpoints {

// ---- EventOutput

void EventOutput::send(std::string data, std::string name) {
    const std::lock_guard lock(mutex_);
    if (!stream_) {
        waiting_.push_back({std::move(data), std::move(name)});
    } else {
        stream_->send_event(data, name);
    }
}

void EventOutput::comment() {
    const std::lock_guard lock(mutex_);
    if (stream_) stream_->send_comment("reading the prompt");
}

void EventOutput::open(serve::EventStream stream) {
    const std::lock_guard lock(mutex_);
    stream_.emplace(std::move(stream));
    for (const Waiting& event : waiting_) stream_->send_event(event.data, event.name);
    waiting_.clear();
    if (is_finished_) stream_->finish();
}

bool EventOutput::is_open() {
    const std::lock_guard lock(mutex_);
    return stream_.has_value();
}

void EventOutput::finish() {
    const std::lock_guard lock(mutex_);
    is_finished_ = true;
    if (stream_) stream_->finish();
}

// ---- ReplyCall

// Alive until all its replies have ended and the engine has left its callbacks.
class ReplyCall {
  public:
    ReplyCall(ReplyCalls& calls, ReplyCallRequest request, serve::Responder responder)
        : calls_(calls),
          request_(std::move(request)),
          responder_(std::move(responder)),
          choices_(request_.replies.size()),
          metrics_(calls.metrics_, request_.replies.size()) {}

    // Starts all replies. If one can not be started the others end, and the answer says why.
    void start(const serve::Request& request);
    void cancel() {
        const std::lock_guard lock(mutex_);
        is_cancelled_ = true;
        for (const api::Request& reply : replies_) reply.cancel();
    }

  private:
    bool start_one(size_t index);
    void open_stream();
    bool take(size_t index, const api::Event& event);
    void one_ended();
    // Only the first counts.
    void note_error(Error error) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::move(error);
    }

    ReplyCalls& calls_;
    const ReplyCallRequest request_;
    serve::Responder responder_;
    EventOutput output_;
    std::vector<Choice> choices_;
    CallTimes metrics_;
    // Replies that have not ended, and the call of start() itself.
    std::atomic<size_t> open_ = 1;
    std::mutex mutex_;            // of what follows
    std::optional<Error> error_;  // the first of those that broke a reply off
    std::vector<api::Request> replies_;
    bool is_cancelled_ = false;
    std::optional<std::stop_callback<std::function<void()>>> gone_;
};

void ReplyCall::start(const serve::Request& request) {
    bool all = true;
    for (size_t i = 0; all && i < request_.replies.size(); ++i) all = start_one(i);
    if (!all) {
        cancel();
    } else if (request_.stream) {
        open_stream();
    }
    gone_.emplace(request.cancelled, [this] { cancel(); });
    one_ended();
}

bool ReplyCall::start_one(size_t index) {
    const auto& [json, options] = request_.replies[index];
    ++open_;
    try {
        api::Request reply = calls_.model_.start(
            json, options, [this, index](const api::Event& event) { return take(index, event); });
        const std::lock_guard lock(mutex_);
        if (is_cancelled_) reply.cancel();
        replies_.push_back(std::move(reply));
        return true;
    } catch (const api::Error& error) {
        note_error(error_of(error.status(), error.what()));
        --open_;
        return false;
    }
}

void ReplyCall::open_stream() {
    std::optional<serve::EventStream> stream = responder_.start_stream();
    if (stream) return output_.open(std::move(*stream));
    note_error({ErrorKind::kBusy, "too many streams are open"});
    cancel();
}

// An event, in the engine's thread.
bool ReplyCall::take(size_t index, const api::Event& event) {
    Choice& choice = choices_[index];
    switch (event.kind) {
        case FACET_EVENT_THOUGHT: choice.thought += event.text; break;
        case FACET_EVENT_TEXT: choice.text += event.text; break;
        case FACET_EVENT_THOUGHT_RETRACTED: choice.thought.clear(); break;
        case FACET_EVENT_TOOL_CALL: choice.calls.push_back(Json::parse(event.text).take()); break;
        case FACET_EVENT_LOGPROBS: choice.logprobs.push_back(Json::parse(event.text).take()); break;
        case FACET_EVENT_END:
            choice.finish = event.finish;
            choice.stop = event.text;
            choice.usage = *event.usage;
            break;
        case FACET_EVENT_ERROR: note_error(error_of(event.status, std::string(event.text))); break;
        default: break;
    }
    metrics_.note(index, event);
    if (request_.stream && event.kind != FACET_EVENT_ERROR)
        request_.writer->event(output_, index, choice, event);
    if (event.kind == FACET_EVENT_END || event.kind == FACET_EVENT_ERROR) one_ended();
    return true;
}

// The last one answers. Nothing of this object may be used afterwards.
void ReplyCall::one_ended() {
    if (--open_ != 0) return;
    // A reply that was cut short is no answer; who cancelled it is gone or the server ends.
    if (std::any_of(choices_.begin(), choices_.end(),
                    [](const Choice& choice) { return choice.finish == FACET_FINISH_CANCELLED; }))
        note_error({ErrorKind::kCancelled, "the request was cancelled"});
    metrics_.end();
    const bool has_stream = request_.stream && output_.is_open();
    if (has_stream) {
        error_ ? request_.writer->fail(output_, *error_) : request_.writer->end(output_, choices_);
        output_.finish();
    } else if (error_) {
        responder_.send(error_answer(*error_));
    } else {
        responder_.send(serve::json_response(200, request_.writer->whole(choices_).dump()));
    }
    calls_.ended(this);
}

// ---- ReplyCalls

ReplyCalls::ReplyCalls(api::Model& model, CallMetrics& metrics)
    : model_(model), metrics_(metrics), thread_([this] { free_ended(); }) {}

ReplyCalls::~ReplyCalls() {
    std::unique_lock lock(mutex_);
    for (const auto& call : running_) call->cancel();
    changed_.wait(lock, [&] { return running_.empty(); });
    stopping_ = true;
    changed_.notify_all();
    lock.unlock();
    thread_.join();
}

void ReplyCalls::start(ReplyCallRequest call, const serve::Request& request,
                       serve::Responder responder) {
    const auto made = std::make_shared<ReplyCall>(*this, std::move(call), std::move(responder));
    {
        const std::lock_guard lock(mutex_);
        running_.push_back(made);
    }
    made->start(request);
}

void ReplyCalls::ended(ReplyCall* call) {
    const std::lock_guard lock(mutex_);
    const auto place = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& other) { return other.get() == call; });
    ended_.push_back(std::move(*place));
    running_.erase(place);
    changed_.notify_all();
}

void ReplyCalls::free_ended() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return stopping_ || !ended_.empty(); });
        if (ended_.empty()) return;
        std::vector<std::shared_ptr<ReplyCall>> freed = std::move(ended_);
        ended_.clear();
        lock.unlock();
        freed.clear();  // waits until the engine has left the last callback
        lock.lock();
    }
}

}  // namespace facet::endpoints
