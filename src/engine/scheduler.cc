#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "model/forward.h"

namespace facet {

namespace {

// Rows of a prompt in a step beside others, at least; kernels take 8 at a time.
constexpr int32_t kChunkMin = 16, kChunkStep = 8;
// A chunk is planned to take this share of the longest gap; smaller chunks are slower by the row.
constexpr double kShareOfGap = 0.7;
// A prompt waits for another that begins with as many of the same unread ids, and then has them.
constexpr int32_t kSharedIdsMin = 64;
constexpr std::chrono::milliseconds kIdleBeforeSaving{2000};

// Short enough to need no memory itself.
Error out_of_memory() { return {ErrorKind::kOutOfMemory, "out of memory"}; }

double milliseconds_between(std::chrono::steady_clock::time_point from,
                            std::chrono::steady_clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

}  // namespace

Scheduler::Scheduler(const LoadedModel& model, Device& device, PrefixTree& tree,
                     FairMutex& device_mutex, ReplyMemory& memory, SavedPrefixes* saved,
                     int32_t context, const SchedulerOptions& options)
    : model_(model),
      device_(device),
      tree_(tree),
      device_mutex_(device_mutex),
      memory_(memory),
      saved_(saved),
      context_(context),
      options_(options),
      thread_([this] { work(); }) {}

Scheduler::~Scheduler() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

// ---- requests

Status Scheduler::submit(ReplyRequest request) {
    const int32_t context = request.context > 0 ? std::min(request.context, context_) : context_;
    if (request.prompt.empty()) return invalid_input("expected at least one token id, found none");
    FACET_TRY(check_token_ids(request.prompt, model_.config().vocabulary));
    if (request.prompt.size() >= static_cast<size_t>(context)) {
        return invalid_input(
            fmt::format("the prompt of {} tokens leaves no room for an answer in the context of {}",
                        request.prompt.size(), context));
    }
    auto reply = std::make_unique<Reply>();
    const int32_t room = context - static_cast<int32_t>(request.prompt.size());
    const int32_t most = request.options.max_tokens;
    reply->generation = FACET_TRY(
        Generation::create(model_, request.prompt, request.options, std::move(request.format),
                           most > 0 ? std::min(most, room) : room, std::move(request.sink)));
    reply->ids = std::move(request.prompt);
    reply->request = std::move(request);
    reply->submitted = Clock::now();
    {
        const std::lock_guard lock(mutex_);
        const size_t before = inbox_.size() + static_cast<size_t>(metrics_.waiting);
        if (stopping_ || before >= static_cast<size_t>(options_.queue)) {
            ++metrics_.refused;
            return Error{ErrorKind::kBusy,
                         fmt::format("{} requests are waiting already", options_.queue)};
        }
        reply->number = next_number_++;
        inbox_.push_back(std::move(reply));
        ++metrics_.requests;
    }
    wake_.notify_one();
    return {};
}

Status Scheduler::reply(ReplyRequest request, const EventSink& sink, std::vector<int32_t>* output) {
    struct Mailbox {
        std::mutex mutex;
        std::condition_variable wake;
        std::deque<GenerationEvent> events;
        std::optional<Status> status;
        std::vector<int32_t> ids;
    };
    const auto box = std::make_shared<Mailbox>();
    if (request.cancelled == nullptr)
        request.cancelled = std::make_shared<std::atomic<bool>>(false);
    const auto cancelled = request.cancelled;
    request.sink = [box](const GenerationEvent& event) {
        const std::lock_guard lock(box->mutex);
        box->events.push_back(event);
        box->wake.notify_one();
        return true;
    };
    request.done = [box](const Status& status, std::span<const int32_t> ids) {
        const std::lock_guard lock(box->mutex);
        box->status = status;
        box->ids.assign(ids.begin(), ids.end());
        box->wake.notify_one();
    };
    FACET_TRY(submit(std::move(request)));
    // If the caller leaves by an exception, nobody reads the rest.
    struct CancelOnExit {
        std::atomic<bool>& cancelled;
        ~CancelOnExit() { cancelled.store(true, std::memory_order_relaxed); }
    } const leaving{*cancelled};
    bool refused = false;
    for (std::unique_lock lock(box->mutex);;) {
        box->wake.wait(lock, [&] { return box->status || !box->events.empty(); });
        if (box->events.empty()) break;
        GenerationEvent event = std::move(box->events.front());
        box->events.pop_front();
        lock.unlock();
        // The scheduler may be ahead: what it made after the refusal is not wanted.
        if (refused) event.finish = Finish::kCancelled;
        if (!refused || event.kind == GenerationEvent::Kind::kEnd) refused |= !sink(event);
        if (refused) cancelled->store(true, std::memory_order_relaxed);
        lock.lock();
    }
    if (output != nullptr) *output = std::move(box->ids);
    return *box->status;
}

// ---- the thread

void Scheduler::work() {
    using namespace std::chrono_literals;
    bool may_save = saved_ != nullptr, saved_now = false;
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            const auto has_news = [&] { return stopping_ || !inbox_.empty(); };
            if (running_.empty() && waiting_.empty()) {
                // Saving can wait a moment: the next turn of a tool loop may be on its way.
                if (!may_save) {
                    wake_.wait(lock, has_news);
                } else if (!wake_.wait_for(lock, saved_now ? 0ms : kIdleBeforeSaving, has_news)) {
                    lock.unlock();
                    saved_now = may_save = save_while_idle();
                    continue;
                }
            } else if (running_.empty()) {
                // What it waits for is held by somebody outside.
                wake_.wait_for(lock, 10ms, has_news);
            }
            if (stopping_) break;
        }
        take_inbox();
        const std::lock_guard device(device_mutex_);
        step();
        publish_metrics();
        may_save = saved_ != nullptr;
        saved_now = false;
    }
    take_inbox();
    const std::lock_guard device(device_mutex_);
    for (Replies* replies : {&running_, &waiting_}) {
        for (auto& reply : *replies) finish(*reply, Finish::kCancelled);
        replies->clear();
    }
    while (saved_ != nullptr && saved_->save_one()) {
    }
    publish_metrics();
}

// Saves one page; false if there is none left to save.
bool Scheduler::save_while_idle() {
    const std::lock_guard device(device_mutex_);
    const bool saved = saved_->save_one();
    publish_metrics();
    return saved;
}

void Scheduler::take_inbox() {
    const std::lock_guard lock(mutex_);
    for (auto& reply : inbox_) waiting_.push_back(std::move(reply));
    inbox_.clear();
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const auto& a, const auto& b) { return a->goes_before(*b); });
    metrics_.waiting = static_cast<int32_t>(waiting_.size());
}

void Scheduler::step() {
    try {
        end_unwanted(running_);
        end_unwanted(waiting_);
        admit();
        plan_rows();
        reserve_rows();
        compute();
    } catch (const std::bad_alloc&) {
        // The newest goes, so that the others may go on.
        Replies& replies = running_.empty() ? waiting_ : running_;
        if (replies.empty()) return;
        fail(*replies.back(), out_of_memory());
        replies.pop_back();
    }
}

void Scheduler::end_unwanted(Replies& replies) {
    const Clock::time_point now = Clock::now();
    std::erase_if(replies, [&](const std::unique_ptr<Reply>& reply) {
        const ReplyRequest& request = reply->request;
        if (request.cancelled != nullptr && request.cancelled->load(std::memory_order_relaxed)) {
            finish(*reply, Finish::kCancelled);
            return true;
        }
        if (request.deadline_ms > 0 && milliseconds_between(reply->submitted, now) >
                                           static_cast<double>(request.deadline_ms)) {
            finish(*reply, Finish::kDeadline);
            return true;
        }
        return false;
    });
}

// ---- who computes

void Scheduler::admit() {
    for (size_t i = 0; i < waiting_.size();) {
        if (running_.size() >= static_cast<size_t>(options_.parallel)) return;
        Reply& reply = *waiting_[i];
        if (shares_unread_prompt(reply)) {
            ++i;
            continue;
        }
        if (!start(reply)) return;  // later ones do not overtake it
        const auto place = std::find_if(running_.begin(), running_.end(), [&](const auto& other) {
            return reply.goes_before(*other);
        });
        running_.insert(place, std::move(waiting_[i]));
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

// Finds what is known of its ids. False if there is no room for them beside what runs.
bool Scheduler::start(Reply& reply) {
    const auto all = static_cast<int32_t>(reply.ids.size());
    if (!running_.empty()) {
        // What is not known of its prompt, with every page that reading it takes at once.
        PerPart<int32_t> pages = kv_pages(model_.config(), all + 1, device_.batch_rows_max());
        pages[KvPart::kGlobal] -= tree_.match(reply.ids, all - 1).length / kPagePositions;
        uint64_t needed = 0;
        for (const KvPart part : kKvParts)
            needed += tree_.store().page_bytes(part) * static_cast<uint64_t>(pages[part]);
        if (needed > tree_.available_bytes()) return false;
    }
    // The last id is always computed, because its logits are wanted.
    reply.sequence = Sequence::create(tree_, model_.config(), context_, reply.ids, all - 1);
    if (reply.sequence == nullptr) return false;
    if (!reply.was_started) {
        reply.was_started = true;
        reply.started = Clock::now();
        reply.generation->usage().cached_tokens = reply.sequence->length();
        counts_.prompt_tokens += static_cast<uint64_t>(all);
        counts_.cached_tokens += static_cast<uint64_t>(reply.sequence->length());
    }
    return true;
}

// True if another reply is about to read a good part of what this one would have to read.
bool Scheduler::shares_unread_prompt(const Reply& reply) const {
    for (const auto& other : running_) {
        if (other->pending() < kSharedIdsMin) continue;
        const auto [ours, theirs] =
            std::mismatch(reply.ids.begin(), reply.ids.end(), other->ids.begin(), other->ids.end());
        const auto common = static_cast<int32_t>(ours - reply.ids.begin());
        if (common >= other->sequence->length() + kSharedIdsMin) return true;
    }
    return false;
}

// ---- how many rows each gets

void Scheduler::plan_rows() {
    int32_t room = device_.batch_rows_max(), writing = 0;
    std::vector<Reply*> readers;
    for (auto& reply : running_) {
        reply->rows = 0;
        if (reply->pending() > 1 || !reply->is_answered) {
            readers.push_back(reply.get());
        } else if (room > 0) {
            reply->rows = 1;
            ++writing;
            --room;
        }
    }
    room = std::min(room, chunk_rows(writing));
    // Equal parts; what the short ones leave is for the long ones.
    std::stable_sort(readers.begin(), readers.end(),
                     [](const Reply* a, const Reply* b) { return a->pending() < b->pending(); });
    for (size_t i = 0; i < readers.size() && room > 0; ++i) {
        const auto left = static_cast<int32_t>(readers.size() - i);
        readers[i]->rows = std::min({readers[i]->pending(), (room + left - 1) / left, room});
        room -= readers[i]->rows;
    }
}

// Rows of prompts in this step: as many as a batch has if nobody waits for its next token, else
// what keeps the step within the longest gap.
int32_t Scheduler::chunk_rows(int32_t writing) const {
    if (writing == 0 && running_.size() <= 1 && waiting_.empty()) return device_.batch_rows_max();
    if (read_row_ms_ == 0) return kChunkMin;
    const double time = options_.longest_gap_ms * kShareOfGap - write_ms_;
    const auto rows = static_cast<int32_t>(std::clamp(time / read_row_ms_, 0.0, double{1 << 20}));
    return std::max(kChunkMin, rows / kChunkStep * kChunkStep);
}

// Room for the rows of this step. Where there is none, the last in line gives its place up.
void Scheduler::reserve_rows() {
    for (size_t i = 0; i < running_.size();) {
        Reply& reply = *running_[i];
        if (reply.rows == 0 || reply.sequence->reserve(reply.rows)) {
            ++i;
        } else if (running_.size() > 1) {
            preempt_last();
        } else {
            // Alone, and still no room: somebody outside holds it.
            fail(reply, no_room_for_keys_and_values());
            running_.clear();
        }
    }
}

// Sends the last reply back to wait; what it knows stays in the tree as long as there is room.
void Scheduler::preempt_last() {
    std::unique_ptr<Reply> last = std::move(running_.back());
    running_.pop_back();
    last->sequence.reset();
    const auto place = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const auto& other) { return last->goes_before(*other); });
    waiting_.insert(place, std::move(last));
    ++counts_.preempted;
}

// ---- one step

void Scheduler::compute() {
    tokens_.clear();
    sequences_.clear();
    wanted_.clear();
    int32_t writing = 0;
    for (auto& reply : running_) {
        if (reply->rows == 0) continue;
        const int32_t known = reply->sequence->length();
        const auto first = static_cast<int32_t>(tokens_.size());
        tokens_.insert(tokens_.end(), reply->ids.begin() + known,
                       reply->ids.begin() + known + reply->rows);
        sequences_.push_back({&reply->sequence->cache(), first, reply->rows, known});
        if (reply->rows == reply->pending()) want_logits(*reply, first + reply->rows - 1);
        if (reply->rows == 1) ++writing;
    }
    if (tokens_.empty()) return;
    const Clock::time_point start = Clock::now();
    forward(model_.config(), device_, {tokens_, sequences_, wanted_});
    const auto rows = static_cast<int32_t>(tokens_.size());
    note_time(milliseconds_between(start, Clock::now()), writing, rows - writing);
    counts_.computed_tokens += static_cast<uint64_t>(rows);
    ++counts_.steps;
    // All of them first: whatever happens to one, the others know what was computed.
    for (auto& reply : running_) {
        const auto known = reply->ids.begin() + reply->sequence->length();
        reply->sequence->note({known - reply->rows, known});
    }
    for (auto& reply : running_) {
        if (reply->rows == 0) continue;
        try {
            deliver(*reply);
        } catch (const std::bad_alloc&) {
            fail(*reply, out_of_memory());
        }
    }
    std::erase_if(running_, [](const auto& reply) { return reply->generation == nullptr; });
}

void Scheduler::want_logits(Reply& reply, int32_t row) {
    const LogitWish wish = reply.generation->wish();
    if (wish.all) reply.logits.resize(static_cast<size_t>(model_.config().vocabulary));
    wanted_.push_back({row, wish, reply.logits.data(), &reply.best});
}

// What a step means for one reply.
void Scheduler::deliver(Reply& reply) {
    Generation& generation = *reply.generation;
    if (!reply.is_answered) {
        generation.progress(reply.sequence->length(), static_cast<int32_t>(reply.ids.size()));
        if (generation.refused()) return finish(reply, Finish::kCancelled);
    }
    if (reply.pending() > 0) return;
    if (!reply.is_answered) {
        reply.is_answered = true;
        reply.answered = Clock::now();
    }
    const Result<int32_t> id = generation.next(reply.logits, reply.best);
    if (!id.ok()) return fail(reply, id.error());
    reply.ids.push_back(id.value());
    ++counts_.reply_tokens;
    if (const std::optional<Finish> end = generation.take(id.value())) finish(reply, *end);
}

void Scheduler::finish(Reply& reply, Finish finish) {
    const Clock::time_point now = Clock::now();
    Usage& usage = reply.generation->usage();
    if (reply.was_started)
        usage.prefill_ms =
            milliseconds_between(reply.started, reply.is_answered ? reply.answered : now);
    if (reply.is_answered) usage.decode_ms = milliseconds_between(reply.answered, now);
    reply.sequence.reset();
    try {
        reply.generation->end(finish);
        remember(reply);
        if (reply.request.done) reply.request.done({}, reply.generation->output());
    } catch (const std::bad_alloc&) {
        return fail(reply, out_of_memory());
    }
    ++(finish == Finish::kCancelled ? counts_.cancelled : counts_.finished);
    reply.generation.reset();
}

// A chat's reply, as it may come back in the next request.
void Scheduler::remember(const Reply& reply) {
    const std::optional<AssistantMessage> said = reply.generation->said();
    if (!said) return;
    const std::vector<int32_t>& output = reply.generation->output();
    const size_t prompt = reply.ids.size() - output.size();
    const size_t known = prompt - static_cast<size_t>(reply.request.opener);
    std::vector<int32_t> ids(reply.ids.begin() + static_cast<std::ptrdiff_t>(known),
                             reply.ids.end());
    if (!output.empty() && model_.ends_reply(output.back())) ids.pop_back();
    memory_.remember(std::span(reply.ids).first(known), std::move(ids), *said);
}

void Scheduler::fail(Reply& reply, Error error) {
    reply.sequence.reset();
    ++counts_.failed;
    if (reply.request.done) reply.request.done(std::move(error), {});
    reply.generation.reset();
}

// Moving means of what a step takes, from which chunk_rows() plans.
void Scheduler::note_time(double milliseconds, int32_t writing, int32_t reading) {
    const auto follow = [](double& mean, double value) {
        mean = mean == 0 ? value : 0.7 * mean + 0.3 * value;
    };
    if (reading == 0) {
        follow(write_ms_, milliseconds);
    } else if (reading >= kChunkMin) {
        const double reply_ms = writing > 0 ? write_ms_ : 0;
        follow(read_row_ms_, std::max(1e-3, (milliseconds - reply_ms) / reading));
    }
}

void Scheduler::publish_metrics() {
    counts_.running = static_cast<int32_t>(running_.size());
    counts_.waiting = static_cast<int32_t>(waiting_.size());
    counts_.dropped_pages = tree_.dropped_pages();
    counts_.kv_used_bytes = tree_.store().used_bytes();
    counts_.kv_budget_bytes = tree_.store().budget_bytes();
    if (saved_ != nullptr) {
        const KvFilesStatistics files = saved_->statistics();
        counts_.saved_files = files.files;
        counts_.saved_bytes = files.bytes;
    }
    const std::lock_guard lock(mutex_);
    counts_.requests = metrics_.requests;
    counts_.refused = metrics_.refused;
    metrics_ = counts_;
}

SchedulerMetrics Scheduler::metrics() const {
    const std::lock_guard lock(mutex_);
    SchedulerMetrics metrics = metrics_;
    metrics.waiting += static_cast<int32_t>(inbox_.size());
    return metrics;
}

}  // namespace facet
