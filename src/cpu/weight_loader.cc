#include "cpu/weight_loader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/memory.h"
#include "cpu/strips.h"

namespace facet::cpu {

namespace {

// What a thread reads at a time: enough for a disk to run at its speed, little enough to stay in
// the last-level cache until it is packed.
constexpr uint64_t kJobBytes = 4 << 20;
// Threads beside the packing ones, so that the disk works on while all of those pack.
constexpr int32_t kWaiters = 2;
// More can not use a machine's memory better, and each has a buffer.
constexpr int32_t kPackersMax = 32;
// The page cache is given back in steps of this, and each step starts one earlier than the last one
// ended: a large page is given back only where a step covers it whole.
constexpr uint64_t kDropBytes = 2 << 20;

// A few strips of a matrix: what one thread reads and packs in one go.
struct Job {
    Matrix rows;
    uint8_t* target = nullptr;
    uint64_t stride = 0;
    uint8_t* low_target = nullptr;
    uint64_t low_stride = 0;
    const MappedFile* file = nullptr;  // null: the rows are in memory
    uint64_t offset = 0;               // in the file
};

class Loader {
  public:
    Loader(const std::vector<std::shared_ptr<const MappedFile>>& files, const LoadOptions& options)
        : files_(files), options_(options) {}

    void add(const PackedPlace& place);
    Status run();

  private:
    const MappedFile* file_of(const Matrix& matrix) const;
    void work(bool reports, uint8_t* buffer);
    Status fill(const Job& job, uint8_t* buffer);
    bool report(uint64_t bytes) const;
    void stop(Error error);
    void drop_read(const Job& job);

    const std::vector<std::shared_ptr<const MappedFile>>& files_;
    const LoadOptions& options_;
    std::vector<Job> jobs_;  // in the order of the files
    uint64_t bytes_ = 0;
    uint64_t job_bytes_ = 0;  // of the largest
    std::atomic<size_t> next_job_{0};
    std::atomic<uint64_t> bytes_done_{0};
    std::atomic<bool> stopped_{false};

    std::mutex mutex_;  // of what follows
    Status status_;
    std::vector<bool> read_;    // by job
    size_t read_in_order_ = 0;  // all jobs before this one are read
    uint64_t dropped_ = 0;      // end of the last step, in the file of the job before that
    const MappedFile* dropped_file_ = nullptr;
};

void Loader::add(const PackedPlace& place) {
    const Matrix& source = place.source;
    const uint64_t strip_bytes = source.row_bytes() * static_cast<uint64_t>(options_.height);
    const auto strips_at_once = std::max<int64_t>(1, static_cast<int64_t>(kJobBytes / strip_bytes));
    const MappedFile* file = file_of(source);
    uint8_t *target = place.target, *low_target = place.low_target;
    for (int64_t row = 0; row < source.rows; row += strips_at_once * options_.height) {
        Job job;
        job.rows = source;
        job.rows.rows = std::min(strips_at_once * options_.height, source.rows - row);
        job.rows.data = source.row(row);
        job.target = target;
        job.stride = place.stride;
        job.low_target = low_target;
        job.low_stride = place.low_stride;
        job.file = file;
        if (file != nullptr)
            job.offset = static_cast<uint64_t>(job.rows.data - file->bytes().data());
        target += place.stride * static_cast<uint64_t>(strips_at_once);
        if (low_target != nullptr)
            low_target += place.low_stride * static_cast<uint64_t>(strips_at_once);
        bytes_ += job.rows.bytes();
        job_bytes_ = std::max(job_bytes_, job.rows.bytes());
        jobs_.push_back(job);
    }
}

const MappedFile* Loader::file_of(const Matrix& matrix) const {
    for (const auto& file : files_) {
        if (file->contains(matrix.data)) return file.get();
    }
    return nullptr;
}

Status Loader::run() {
    std::sort(jobs_.begin(), jobs_.end(),
              [](const Job& a, const Job& b) { return std::less<>()(a.rows.data, b.rows.data); });
    read_.resize(jobs_.size());
    const auto threads = std::clamp<size_t>(
        jobs_.size(), 1, static_cast<size_t>(std::min(options_.threads, kPackersMax) + kWaiters));
    const uint64_t buffer_bytes = (job_bytes_ + kDropBytes - 1) / kDropBytes * kDropBytes;
    const ZeroedMemory buffers = FACET_TRY(ZeroedMemory::allocate_huge(buffer_bytes * threads));
    const auto buffer = [&](size_t thread) {
        return static_cast<uint8_t*>(buffers.data()) + buffer_bytes * thread;
    };
    if (!report(0)) stop({ErrorKind::kCancelled, "loading the model was cancelled"});
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < threads; ++i)
        helpers.emplace_back([this, to = buffer(i)] { work(false, to); });
    work(true, buffer(0));
    for (std::thread& helper : helpers) helper.join();
    FACET_TRY(Status(status_));
    for (const auto& file : files_) FACET_TRY(file->check_unchanged());
    if (!report(bytes_)) return Error{ErrorKind::kCancelled, "loading the model was cancelled"};
    return {};
}

void Loader::work(bool reports, uint8_t* buffer) {
    while (!stopped_) {
        const size_t index = next_job_.fetch_add(1);
        if (index >= jobs_.size()) return;
        const Status filled = fill(jobs_[index], buffer);
        if (!filled.ok()) return stop(filled.error());
        const uint64_t done = bytes_done_ += jobs_[index].rows.bytes();
        if (reports && done < bytes_ && !report(done))
            return stop({ErrorKind::kCancelled, "loading the model was cancelled"});
    }
}

bool Loader::report(uint64_t bytes) const {
    return !options_.on_progress || options_.on_progress(bytes, bytes_);
}

// The first reason to stop counts.
void Loader::stop(Error error) {
    const std::lock_guard lock(mutex_);
    if (!stopped_) status_ = std::move(error);
    stopped_ = true;
}

Status Loader::fill(const Job& job, uint8_t* buffer) {
    Matrix rows = job.rows;
    if (job.file != nullptr) {
        FACET_TRY(job.file->read(job.offset, {buffer, rows.bytes()}));
        rows.data = buffer;
        // First the cache's memory is free, then the strips take as much.
        if (!options_.keep_cache) drop_read(job);
    }
    uint8_t *target = job.target, *low_target = job.low_target;
    for (int64_t row = 0; row < rows.rows; row += options_.height) {
        if (low_target != nullptr) {
            pack_planes(rows, row, options_.height, {target, low_target});
            low_target += job.low_stride;
        } else {
            pack_strip(rows, row, options_.height, target);
        }
        target += job.stride;
    }
    return {};
}

// Notes that `job` is read, and drops what is read without a gap: a page is shared by neighbours.
void Loader::drop_read(const Job& job) {
    const std::lock_guard lock(mutex_);
    read_[static_cast<size_t>(&job - jobs_.data())] = true;
    for (; read_in_order_ < jobs_.size() && read_[read_in_order_]; ++read_in_order_) {
        const Job& last = jobs_[read_in_order_];
        if (last.file == nullptr) continue;
        if (last.file != dropped_file_) {
            dropped_file_ = last.file;
            dropped_ = last.offset;
        }
        const uint64_t end = last.offset + last.rows.bytes();
        const bool is_last =
            read_in_order_ + 1 == jobs_.size() || jobs_[read_in_order_ + 1].file != last.file;
        if (end < dropped_ + kDropBytes && !is_last) continue;
        const uint64_t begin = dropped_ - std::min(dropped_, kDropBytes);
        last.file->drop_from_cache(begin, end - begin);
        dropped_ = end;
    }
}

}  // namespace

Status load_strips(const std::vector<PackedPlace>& places,
                   const std::vector<std::shared_ptr<const MappedFile>>& files,
                   const LoadOptions& options) {
    Loader loader(files, options);
    for (const PackedPlace& place : places) loader.add(place);
    return loader.run();
}

}  // namespace facet::cpu
