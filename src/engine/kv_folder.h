// The folder of saved keys and values: made, locked, and looked through when the program starts.
//
// What lies in it may come from anywhere. Nothing is read but the headers of files with our names;
// nothing is changed but that unfinished files are removed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/file_calls.h"
#include "engine/kv_file_header.h"
#include "engine/kv_file_index.h"

namespace facet {

// Files of our names beyond this are refused: it bounds memory, and the time to start.
inline constexpr size_t kKvFilesMax = size_t{1} << 16;

// Makes a folder that only its owner may look into, and those above it that are missing. Errors:
// the system's, also where there is something else of that name.
Status make_private_folder(const std::string& path);

// Holds the folder for this process until the object goes or the process ends, however it ends.
// Errors: another holds it; the system's.
Result<OpenFile> lock_kv_folder(FileCalls& calls, const std::string& folder);

struct KvFolderContent {
    std::vector<std::pair<KvFileKey, KvFileNode>> files;  // of our names, also unreadable ones
    std::map<Hash128, KvChunk> chunks;                    // of readable global blocks
    uint64_t foreign = 0;                                 // not of our names, or with other content
    uint64_t other_version = 0;
    uint64_t damaged = 0;
};
// Of a locked folder. Files of another binding are not opened. A time of last use behind `now`
// counts as `now`. Errors: the system's; more than kKvFilesMax files.
Result<KvFolderContent> scan_kv_folder(FileCalls& calls, const std::string& folder,
                                       const KvBinding& binding, int64_t now);

}  // namespace facet
