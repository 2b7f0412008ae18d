#include "engine/kv_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <new>
#include <utility>

#include "engine/kv_file_io.h"
#include "engine/kv_folder.h"

namespace facet {

namespace {

// So short that it takes no memory.
Error out_of_memory() { return {ErrorKind::kOutOfMemory, "out of memory"}; }

std::string warning_about(const std::string& folder, const KvFolderContent& content) {
    const uint64_t all = content.foreign + content.other_version + content.damaged;
    if (all == 0) return "";
    std::string parts;
    const auto add = [&](uint64_t count, const char* what) {
        if (count == 0) return;
        parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", count, what);
    };
    add(content.foreign, "not of Facet");
    add(content.other_version, "of another version of Facet");
    add(content.damaged, "damaged");
    return fmt::format("{}: ignored {} {} among the saved conversations: {}", folder, all,
                       all == 1 ? "file" : "files", parts);
}

Status check_chunk(const KvChunk& chunk, const KvBinding& binding, KvBlock block, size_t bytes) {
    if (chunk.tokens.empty() || chunk.tokens.size() > kKvChunkTokensMax) {
        return invalid_input(fmt::format("a chunk of {} tokens can not be saved, expected 1 to {}",
                                         chunk.tokens.size(), kKvChunkTokensMax));
    }
    if (chunk.extras.size() > kKvChunkExtrasMax) {
        return invalid_input(fmt::format("a chunk of {} pictures can not be saved, the limit is {}",
                                         chunk.extras.size(), kKvChunkExtrasMax));
    }
    if (bytes == 0 || bytes > binding.block_bytes(block)) {
        return invalid_input(fmt::format("a block of {} bytes can not be saved, expected 1 to {}",
                                         bytes, binding.block_bytes(block)));
    }
    return {};
}

}  // namespace

KvFiles::KvFiles(KvFilesOptions options, FileCalls& calls, OpenFile lock)
    : options_(std::move(options)),
      binding_(hash_of(options_.binding)),
      calls_(&calls),
      lock_(std::move(lock)) {}

// Without memory the bookkeeping may stop halfway; the folder itself is always in order.
template <typename Operation>
auto KvFiles::guarded(Operation operation) -> decltype(operation()) {
    if (out_of_memory_) return out_of_memory();
    try {
        return operation();
    } catch (const std::bad_alloc&) {
        out_of_memory_ = true;
        return out_of_memory();
    }
}

Result<KvFiles> KvFiles::open(KvFilesOptions options, FileCalls& calls) {
    try {
        FACET_TRY(make_private_folder(options.folder));
        OpenFile lock = FACET_TRY(lock_kv_folder(calls, options.folder));
        KvFiles files(std::move(options), calls, std::move(lock));
        FACET_TRY(files.load());
        return files;
    } catch (const std::bad_alloc&) {
        return out_of_memory();
    }
}

Status KvFiles::load() {
    KvFolderContent content =
        FACET_TRY(scan_kv_folder(*calls_, options_.folder, options_.binding, next_time()));
    warning_ = warning_about(options_.folder, content);
    for (const auto& [key, node] : content.files) index_.put(key, node);
    int64_t newest_use = INT64_MIN;
    for (const KvFileKey& key : index_.useful()) {
        if (key.block != KvBlock::kGlobal || index_.find(key)->last_use < newest_use) continue;
        newest_ = key;
        newest_use = index_.find(key)->last_use;
    }
    const std::vector<KvFileKey> spared = newest_ ? prefix_of(*newest_) : std::vector<KvFileKey>();
    FACET_TRY(evict(0, 0, {spared.begin(), spared.end()}));
    // The limit may be smaller than it was.
    FACET_TRY(evict(0, 0, {}));
    collect_entries(std::move(content.chunks));
    return {};
}

void KvFiles::collect_entries(std::map<Hash128, KvChunk> chunks) {
    std::map<Hash128, size_t> places;
    for (const KvFileKey& key : index_.useful()) {
        const KvFileNode& node = *index_.find(key);
        const uint64_t payload_bytes = node.bytes - kKvHeaderBytes;
        if (key.block == KvBlock::kGlobal) {
            places.emplace(key.identity, entries_.size());
            entries_.push_back(
                {std::move(chunks.at(key.identity)), payload_bytes, 0, node.last_use});
        } else {
            KvEntry& entry = entries_[places.at(key.identity)];
            entry.sliding_bytes = payload_bytes;
            entry.last_use = std::max(entry.last_use, node.last_use);
        }
    }
}

bool KvFiles::contains(const Hash128& identity, KvBlock block) const {
    return index_.is_useful(key_of(identity, block));
}

Status KvFiles::write(const KvChunk& chunk, KvBlock block, std::span<const uint8_t> payload) {
    return guarded([&] { return save(chunk, block, payload); });
}

Status KvFiles::save(const KvChunk& chunk, KvBlock block, std::span<const uint8_t> payload) {
    FACET_TRY(check_chunk(chunk, options_.binding, block, payload.size()));
    const KvFileKey key = key_of(chunk.identity, block);
    const KvFileKey global = key_of(chunk.identity, KvBlock::kGlobal);
    std::optional<KvFileKey> parent;
    if (block == KvBlock::kSliding) {
        parent = global;
    } else if (chunk.parent) {
        parent = key_of(*chunk.parent, KvBlock::kGlobal);
    }
    if (parent && !index_.is_useful(*parent)) {
        return Error{
            ErrorKind::kNotFound,
            fmt::format("{}: not saved, so nothing that follows it can be", path_of(*parent))};
    }
    const uint64_t bytes = kKvHeaderBytes + payload.size();
    FACET_TRY(make_room(key, parent, bytes));
    const int64_t now = next_time();
    FACET_TRY(write_kv_file(*calls_, options_.folder, kv_file_name(key),
                            {options_.binding, chunk, block, 0, {}}, payload, now));
    if (!is_on_newest(global)) newest_ = global;
    index_.put(key, {true, parent, bytes, now});
    return sync_folder(*calls_, options_.folder);
}

Status KvFiles::read(const Hash128& identity, KvBlock block, std::span<uint8_t> out) {
    return guarded([&] { return load_block(key_of(identity, block), out); });
}

Status KvFiles::load_block(const KvFileKey& key, std::span<uint8_t> out) {
    const std::string path = path_of(key);
    if (!index_.is_useful(key)) {
        return Error{ErrorKind::kNotFound, fmt::format("{}: not saved", path)};
    }
    const uint64_t expected = index_.find(key)->bytes - kKvHeaderBytes;
    if (out.size() != expected) {
        return unsupported(
            fmt::format("{}: holds {} bytes, expected {}", path, expected, out.size()));
    }
    const Status status = read_kv_file(*calls_, path, key, options_.binding, out);
    if (status.ok() || status.error().kind == ErrorKind::kIo) return status;
    if (status.error().kind == ErrorKind::kInvalidInput) ++damaged_;
    // One that cannot be removed must at least not be tried again.
    KvFileNode useless = {false, std::nullopt, index_.find(key)->bytes, 0};
    if (!remove_file(key).ok()) index_.put(key, useless);
    return status;
}

Status KvFiles::touch(const Hash128& identity) {
    return guarded([&]() -> Status {
        const int64_t now = next_time();
        for (const KvFileKey& key : prefix_of(key_of(identity, KvBlock::kGlobal))) {
            // Those above it count as used with it.
            if (key.block == KvBlock::kGlobal && key.identity != identity) continue;
            index_.use(key, now);
            touch_kv_file(path_of(key), now);
        }
        return {};
    });
}

Status KvFiles::remove(const Hash128& identity) {
    FACET_TRY(remove_sliding(identity));
    return guarded([&] { return remove_file(key_of(identity, KvBlock::kGlobal)); });
}

Status KvFiles::remove_sliding(const Hash128& identity) {
    return guarded([&] { return remove_file(key_of(identity, KvBlock::kSliding)); });
}

KvFilesStatistics KvFiles::statistics() const {
    return {index_.bytes(), options_.limit_bytes, index_.size(), evictions_, damaged_};
}

KvFileKey KvFiles::key_of(const Hash128& identity, KvBlock block) const {
    return {binding_, identity, block};
}

std::string KvFiles::path_of(const KvFileKey& key) const {
    return options_.folder + "/" + kv_file_name(key);
}

// What is needed to go on from the end of this chunk: all global blocks up to it, and the last
// sliding ones.
std::vector<KvFileKey> KvFiles::prefix_of(const KvFileKey& last) const {
    std::vector<KvFileKey> keys = index_.path_up(last);
    const size_t window =
        std::min(keys.size(), static_cast<size_t>(std::max(options_.window_chunks, 0)));
    for (size_t i = 0; i < window; ++i) {
        const KvFileKey sliding = key_of(keys[i].identity, KvBlock::kSliding);
        if (index_.is_useful(sliding)) keys.push_back(sliding);
    }
    return keys;
}

// Whether a chunk is one of the newest prefix.
bool KvFiles::is_on_newest(const KvFileKey& chunk) const {
    for (auto at = newest_; at && index_.is_useful(*at); at = index_.find(*at)->parent) {
        if (*at == chunk) return true;
    }
    return false;
}

Status KvFiles::make_room(const KvFileKey& key, const std::optional<KvFileKey>& parent,
                          uint64_t bytes) {
    const bool replaces = index_.find(key) != nullptr;
    if (index_.bytes() + bytes <= options_.limit_bytes &&
        (replaces || index_.size() < kKvFilesMax)) {
        return {};
    }
    const KvFileKey global = key_of(key.identity, KvBlock::kGlobal);
    std::set<KvFileKey> spared;
    // What is there of the prefix to which the file belongs.
    if (const auto last = is_on_newest(global) ? newest_ : parent) {
        const std::vector<KvFileKey> prefix = prefix_of(*last);
        spared.insert(prefix.begin(), prefix.end());
    }
    // What is replaced is there until its successor is.
    if (replaces) spared.insert(key);
    uint64_t needed = bytes;
    for (const KvFileKey& kept : spared) needed += index_.find(kept)->bytes;
    // Found out before anything is given up for nothing.
    if (needed > options_.limit_bytes || spared.size() >= kKvFilesMax) {
        return Error{ErrorKind::kOutOfMemory,
                     fmt::format("{}: no room for the conversation: it takes {} bytes so far, the "
                                 "limit is {}",
                                 options_.folder, needed, options_.limit_bytes)};
    }
    return evict(bytes, replaces ? 0 : 1, spared);
}

// Until so many bytes and files have room, or all is spared.
Status KvFiles::evict(uint64_t bytes, size_t files, const std::set<KvFileKey>& spared) {
    while (index_.bytes() + bytes > options_.limit_bytes || index_.size() + files > kKvFilesMax) {
        const auto victim = index_.first_to_go(spared);
        if (!victim) break;
        FACET_TRY(remove_file(*victim));
        ++evictions_;
    }
    return {};
}

Status KvFiles::remove_file(const KvFileKey& key) {
    if (index_.find(key) == nullptr) return {};
    const std::string path = path_of(key);
    if (calls_->unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(path, "remove");
    index_.remove(key);
    return {};
}

// Two uses have never the same time, so that their order stays known.
int64_t KvFiles::next_time() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
    last_time_ = std::max(now, last_time_ + 1);
    return last_time_;
}

}  // namespace facet
