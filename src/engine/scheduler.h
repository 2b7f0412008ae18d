// Computes the replies of all conversations together: each step is one batch with a row for every
// reply that is being written and a chunk of the prompts that are being read.
//
// Owns: the thread that steps, the queue, who gets how many rows, which reply waits when memory is
// short. The ids of a reply depend on its request only, not on what runs beside it: every row's
// logits are the same in any batch, and the sampler knows nothing of other replies. Must not know:
// HTTP, text beyond what Generation does.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/fair_mutex.h"
#include "base/result.h"
#include "engine/generation.h"
#include "engine/prefix_tree.h"
#include "engine/reply_memory.h"
#include "engine/saved_prefixes.h"
#include "engine/sequence.h"

namespace facet {

struct SchedulerOptions {
    int32_t parallel = 16;          // replies that are computed at once
    int32_t queue = 256;            // requests that may wait
    int32_t longest_gap_ms = 1000;  // between two tokens of a reply while others' prompts are read
};

// A request for one reply.
struct ReplyRequest {
    std::vector<int32_t> prompt;
    GenerationOptions options;
    ReplyFormat format;
    int32_t opener = 0;       // ids at the end of the prompt that belong to the reply
    int32_t context = 0;      // positions that prompt and reply may take; 0 = all there are
    int32_t priority = 0;     // higher ones go first
    int64_t deadline_ms = 0;  // after submit(); 0 = none
    EventSink sink;           // called in the scheduler's thread: must be quick
    // Called once, after the last event: the ids of the reply, or why there is none.
    std::function<void(const Status&, std::span<const int32_t>)> done;
    // Set by anybody to end the reply at the next step; may be null.
    std::shared_ptr<std::atomic<bool>> cancelled;
};

struct SchedulerMetrics {
    uint64_t requests = 0, finished = 0, cancelled = 0, failed = 0, refused = 0;
    uint64_t prompt_tokens = 0, cached_tokens = 0, computed_tokens = 0, reply_tokens = 0;
    uint64_t steps = 0, preempted = 0, dropped_pages = 0;
    int32_t running = 0, waiting = 0;
    uint64_t kv_used_bytes = 0, kv_budget_bytes = 0;
    uint64_t saved_files = 0, saved_bytes = 0;
};

class Scheduler {
  public:
    // All must outlive it; `saved` may be null. device_mutex: held while a step uses device and
    // tree.
    Scheduler(const LoadedModel& model, Device& device, PrefixTree& tree, FairMutex& device_mutex,
              ReplyMemory& memory, SavedPrefixes* saved, int32_t context,
              const SchedulerOptions& options);
    // Ends all replies as cancelled.
    ~Scheduler();

    // Queues a request. Errors, with done() never called: no ids, an id outside the vocabulary, a
    // prompt that leaves no room in the context, an option out of range, a full queue.
    Status submit(ReplyRequest request);
    // The same, and waits: events arrive in the calling thread.
    Status reply(ReplyRequest request, const EventSink& sink, std::vector<int32_t>* output);

    SchedulerMetrics metrics() const;

  private:
    using Clock = std::chrono::steady_clock;

    struct Reply {
        ReplyRequest request;
        uint64_t number = 0;  // order of arrival
        Clock::time_point submitted, started, answered;
        std::unique_ptr<Generation> generation;
        std::vector<int32_t> ids;            // the prompt and what was generated
        std::unique_ptr<Sequence> sequence;  // null while it waits
        bool was_started = false;
        bool is_answered = false;   // the prompt has been read
        int32_t rows = 0;           // in this step
        std::vector<float> logits;  // after its last id: all, if they are wished for, or a list
        std::vector<Logit> best;

        int32_t pending() const { return static_cast<int32_t>(ids.size()) - sequence->length(); }
        bool goes_before(const Reply& other) const {
            return request.priority != other.request.priority
                       ? request.priority > other.request.priority
                       : number < other.number;
        }
    };
    using Replies = std::vector<std::unique_ptr<Reply>>;

    void work();
    void step();
    bool save_while_idle();
    void take_inbox();
    void end_unwanted(Replies& replies);
    void admit();
    bool start(Reply& reply);
    bool shares_unread_prompt(const Reply& reply) const;
    void plan_rows();
    int32_t chunk_rows(int32_t writing) const;
    void reserve_rows();
    void preempt_last();
    void compute();
    void want_logits(Reply& reply, int32_t row);
    void deliver(Reply& reply);
    void finish(Reply& reply, Finish finish);
    void remember(const Reply& reply);
    void fail(Reply& reply, Error error);
    void note_time(double milliseconds, int32_t writing, int32_t reading);
    void publish_metrics();

    const LoadedModel& model_;
    Device& device_;
    PrefixTree& tree_;
    FairMutex& device_mutex_;
    ReplyMemory& memory_;
    SavedPrefixes* const saved_;  // null if nothing is saved
    const int32_t context_;
    const SchedulerOptions options_;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable wake_;
    Replies inbox_;
    uint64_t next_number_ = 0;
    bool stopping_ = false;
    SchedulerMetrics metrics_;

    // The thread's own.
    Replies waiting_, running_;  // by priority and arrival
    SchedulerMetrics counts_;
    std::vector<int32_t> tokens_;
    std::vector<WantedRow> wanted_;
    std::vector<BatchSequence> sequences_;
    double write_ms_ = 0;     // of a step that only writes replies
    double read_row_ms_ = 0;  // more for each row of a prompt; 0 = not known yet
    std::thread thread_;
};

}  // namespace facet
