#include "engine/kv_file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace facet {

namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;  // hashed while it is in the CPU's cache
constexpr int64_t kNanoseconds = 1'000'000'000;

// A name that vanishes again unless the file is renamed; made before the file, so that nothing can
// come between.
class UnfinishedFile {
  public:
    UnfinishedFile(FileCalls& calls, std::string path) : calls_(calls), path_(std::move(path)) {}
    UnfinishedFile(const UnfinishedFile&) = delete;
    UnfinishedFile& operator=(const UnfinishedFile&) = delete;
    ~UnfinishedFile() {
        if (!finished_) calls_.unlink(path_.c_str());
    }

    const std::string& path() const { return path_; }
    Status rename_to(const std::string& target) {
        if (calls_.rename(path_.c_str(), target.c_str()) != 0) {
            return system_error(path_, "rename");
        }
        finished_ = true;
        return {};
    }

  private:
    FileCalls& calls_;
    std::string path_;
    bool finished_ = false;
};

struct timespec to_timespec(int64_t time) {
    return {static_cast<time_t>(time / kNanoseconds), static_cast<long>(time % kNanoseconds)};
}

// Memory is for weights: what lies on disk need not lie in the page cache too.
void drop_from_cache(const OpenFile& file) {
    ::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
}

Error damaged(const std::string& path, const char* what) {
    return invalid_input(fmt::format("{}: damaged: {}", path, what));
}

Status write_content(OpenFile& file, KvFileHeader& header, std::span<const uint8_t> payload) {
    StreamHash hash;
    for (size_t at = 0; at < payload.size(); at += kPieceBytes) {
        const auto piece = payload.subspan(at, std::min(kPieceBytes, payload.size() - at));
        hash.update(piece);
        FACET_TRY(file.write(kKvHeaderBytes + at, piece));
    }
    header.payload_bytes = payload.size();
    header.payload_hash = hash.digest();
    return file.write(0, encode_kv_header(header));
}

Status read_payload(const OpenFile& file, const Hash128& expected, std::span<uint8_t> out) {
    StreamHash hash;
    for (size_t at = 0; at < out.size(); at += kPieceBytes) {
        const auto piece = out.subspan(at, std::min(kPieceBytes, out.size() - at));
        if (FACET_TRY(file.read(kKvHeaderBytes + at, piece)) != piece.size()) {
            return damaged(file.path(), "it is shorter than it was");
        }
        hash.update(piece);
    }
    if (hash.digest() != expected) return damaged(file.path(), "its checksum is another");
    return {};
}

// The header of an open file, and whether the file is as long as it says.
Result<std::optional<KvHeaderFault>> read_header(const OpenFile& file, KvFileHeader& header) {
    std::array<uint8_t, kKvHeaderBytes> bytes;
    const size_t count = FACET_TRY(file.read(0, bytes));
    if (const auto fault = decode_kv_header(std::span(bytes).first(count), header)) return fault;
    struct stat info = {};
    if (::fstat(file.descriptor(), &info) != 0) return system_error(file.path(), "read its size");
    const bool whole = S_ISREG(info.st_mode) &&
                       static_cast<uint64_t>(info.st_size) - kKvHeaderBytes == header.payload_bytes;
    return whole ? std::nullopt : std::optional(KvHeaderFault::kDamaged);
}

}  // namespace

int64_t last_use_of(const struct stat& info) {
    // Whoever made the file chose its time: one that 64 bits do not hold counts as none.
    if (info.st_mtim.tv_sec < 0 || info.st_mtim.tv_sec >= INT64_MAX / kNanoseconds) return 0;
    return info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec;
}

void touch_kv_file(const std::string& path, int64_t time) {
    const struct timespec times[] = {to_timespec(time), to_timespec(time)};
    ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

Status write_kv_file(FileCalls& calls, const std::string& folder, const std::string& name,
                     KvFileHeader header, std::span<const uint8_t> payload, int64_t time) {
    const std::string target = folder + "/" + name;
    const std::string path = target + std::string(kKvUnfinishedSuffix);
    UnfinishedFile unfinished(calls, path);
    OpenFile file =
        FACET_TRY(OpenFile::open(calls, path, O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR));
    FACET_TRY(write_content(file, header, payload));
    const struct timespec times[] = {to_timespec(time), to_timespec(time)};
    ::futimens(file.descriptor(), times);
    FACET_TRY(file.sync());
    drop_from_cache(file);
    FACET_TRY(file.close());
    return unfinished.rename_to(target);
}

Status sync_folder(FileCalls& calls, const std::string& folder) {
    // The folder itself may be a link.
    const OpenFile file = FACET_TRY(OpenFile::open(calls, folder + "/.", O_RDONLY | O_DIRECTORY));
    // Some file systems have nothing to sync there and say so.
    if (calls.fsync(file.descriptor()) != 0 && errno != EINVAL)
        return system_error(folder, "write");
    return {};
}

std::optional<KvHeaderFault> read_kv_header(FileCalls& calls, const std::string& path,
                                            KvFileHeader& header) {
    auto file = OpenFile::open(calls, path, O_RDONLY);
    if (!file.ok()) return KvHeaderFault::kDamaged;
    // Only its first page: no read-ahead into the payload.
    ::posix_fadvise(file.value().descriptor(), 0, 0, POSIX_FADV_RANDOM);
    const auto fault = read_header(file.value(), header);
    return fault.ok() ? fault.value() : KvHeaderFault::kDamaged;
}

Status read_kv_file(FileCalls& calls, const std::string& path, const KvFileKey& key,
                    const KvBinding& binding, std::span<uint8_t> out) {
    const OpenFile file = FACET_TRY(OpenFile::open(calls, path, O_RDONLY));
    KvFileHeader header;
    if (FACET_TRY(read_header(file, header))) return damaged(path, "its header does not hold");
    if (header.binding != binding || header.chunk.identity != key.identity ||
        header.block != key.block || header.payload_bytes != out.size()) {
        return damaged(path, "it holds something else than its name says");
    }
    const Status status = read_payload(file, header.payload_hash, out);
    drop_from_cache(file);
    return status;
}

}  // namespace facet
