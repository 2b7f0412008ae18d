// One file of saved keys and values, read and written whole.
//
// A file appears complete or not at all, whatever ends the program or the machine while it is
// written; what is read is checked before it counts. Owns: the order of steps. Must not know: which
// files there are.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "engine/file_calls.h"
#include "engine/kv_file_header.h"

namespace facet {

// When a file was last used: when it was last modified, which touch_kv_file() sets.
// In nanoseconds since 1970.
int64_t last_use_of(const struct stat& info);
// A wish: where the system does not grant it, an older time counts.
void touch_kv_file(const std::string& path, int64_t time);

// Replaces `folder`/`name` at once. The payload goes from where it lies to the system, without a
// copy, and must not change meanwhile; its hash in `header` is filled in here. Errors: the
// system's; then the file is as it was before, and nothing unfinished is left (unless that fails as
// well).
Status write_kv_file(FileCalls& calls, const std::string& folder, const std::string& name,
                     KvFileHeader header, std::span<const uint8_t> payload, int64_t time);
// A name in a folder is on disk only when the folder is.
Status sync_folder(FileCalls& calls, const std::string& folder);

// Nothing: `header` is filled, and the file has the length that it names. The payload is not read.
// A file that cannot be read counts as damaged.
std::optional<KvHeaderFault> read_kv_header(FileCalls& calls, const std::string& path,
                                            KvFileHeader& header);

// The payload of the file that holds `key`, of exactly that size, into `out`. After an error `out`
// holds anything. Errors: kInvalidInput: the file is not what was written; kNotFound; kIo.
Status read_kv_file(FileCalls& calls, const std::string& path, const KvFileKey& key,
                    const KvBinding& binding, std::span<uint8_t> out);

}  // namespace facet
