#include "engine/kv_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "engine/kv_file_io.h"

namespace facet {

namespace {

constexpr char kLockName[] = "lock";
// Longer ones (a file can have holes) count as so long: no sum of sizes overflows.
constexpr uint64_t kFileBytesMax = uint64_t{1} << 46;

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

// What a file of this binding says about itself: into `node`, and its chunk or what is wrong with
// it into `content`.
void read_node(FileCalls& calls, const std::string& path, const KvFileKey& key,
               const KvBinding& binding, KvFileNode& node, KvFolderContent& content) {
    KvFileHeader header;
    std::optional<KvHeaderFault> fault = read_kv_header(calls, path, header);
    if (!fault && (header.binding != binding || header.chunk.identity != key.identity ||
                   header.block != key.block)) {
        fault = KvHeaderFault::kDamaged;
    }
    if (fault) {
        uint64_t& count = *fault == KvHeaderFault::kForeign        ? content.foreign
                          : *fault == KvHeaderFault::kOtherVersion ? content.other_version
                                                                   : content.damaged;
        ++count;
        return;
    }
    node.readable = true;
    node.bytes = kKvHeaderBytes + header.payload_bytes;
    if (key.block == KvBlock::kSliding) {
        node.parent = KvFileKey{key.binding, key.identity, KvBlock::kGlobal};
        return;
    }
    if (header.chunk.parent) {
        node.parent = KvFileKey{key.binding, *header.chunk.parent, KvBlock::kGlobal};
    }
    content.chunks.emplace(key.identity, std::move(header.chunk));
}

// One name in the folder.
void scan_name(FileCalls& calls, const std::string& folder, std::string_view name,
               const KvBinding& binding, int64_t now, KvFolderContent& content) {
    if (name == "." || name == ".." || name == kLockName) return;
    const std::string path = fmt::format("{}/{}", folder, name);
    const bool unfinished = name.ends_with(kKvUnfinishedSuffix);
    if (unfinished) name.remove_suffix(kKvUnfinishedSuffix.size());
    const auto key = parse_kv_file_name(name);
    struct stat info = {};
    if (!key || ::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
        ++content.foreign;
        return;
    }
    if (unfinished) {
        calls.unlink(path.c_str());
        return;
    }
    KvFileNode node;
    node.bytes = std::min(static_cast<uint64_t>(info.st_size), kFileBytesMax);
    node.last_use = std::min(last_use_of(info), now);
    if (key->binding == hash_of(binding)) read_node(calls, path, *key, binding, node, content);
    content.files.emplace_back(*key, node);
}

}  // namespace

Status make_private_folder(const std::string& path) {
    if (path.empty()) return invalid_input("the folder for saved conversations has no name");
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
            return system_error(part, "make the folder");
        }
        if (end == std::string::npos) break;
    }
    struct stat info = {};
    if (::stat(path.c_str(), &info) != 0) return system_error(path, "look into");
    if (!S_ISDIR(info.st_mode)) {
        return invalid_input(fmt::format("{}: is a file, expected a folder", path));
    }
    return {};
}

Result<OpenFile> lock_kv_folder(FileCalls& calls, const std::string& folder) {
    OpenFile file = FACET_TRY(
        OpenFile::open(calls, folder + "/" + kLockName, O_RDWR | O_CREAT, S_IRUSR | S_IWUSR));
    while (::flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return system_error(file.path(), "lock");
        return Error{ErrorKind::kIo,
                     fmt::format("{}: another process saves its conversations here; give each a "
                                 "folder of its own",
                                 folder)};
    }
    return file;
}

Result<KvFolderContent> scan_kv_folder(FileCalls& calls, const std::string& folder,
                                       const KvBinding& binding, int64_t now) {
    const std::unique_ptr<DIR, CloseFolder> entries(::opendir(folder.c_str()));
    if (entries == nullptr) return system_error(folder, "look into");
    KvFolderContent content;
    while (true) {
        errno = 0;
        const dirent* entry = ::readdir(entries.get());
        if (entry == nullptr && errno != 0) return system_error(folder, "look into");
        if (entry == nullptr) return content;
        scan_name(calls, folder, entry->d_name, binding, now, content);
        if (content.files.size() > kKvFilesMax) {
            return unsupported(
                fmt::format("{}: holds more than {} files of saved conversations; remove some",
                            folder, kKvFilesMax));
        }
    }
}

}  // namespace facet
