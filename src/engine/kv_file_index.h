// Which files of saved keys and values there are, how they hang together, and which goes first.
//
// A tree: a chunk's global block hangs below its parent's, its sliding block below its own global
// block. A file is of use if all above it are there, up to one that begins a conversation. Owns:
// the bookkeeping, in memory only. Must not know: folders, headers. All it is told may come from
// hostile files: cycles and missing parents only make files useless. Each operation takes
// logarithmic time, but for files that become useful or useless together.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/kv_file_header.h"

namespace facet {

struct KvFileNode {
    bool readable = false;            // of our binding, with a header that holds
    std::optional<KvFileKey> parent;  // only of a readable one
    uint64_t bytes = 0;               // of the whole file
    int64_t last_use = 0;             // any clock
};

class KvFileIndex {
  public:
    // Adds a file, or replaces what is known of it.
    void put(const KvFileKey& key, const KvFileNode& node);
    // What hung below it is useless from now on. Of a key that is not there: nothing happens.
    void remove(const KvFileKey& key);
    // Of a key that is there.
    void use(const KvFileKey& key, int64_t now);

    const KvFileNode* find(const KvFileKey& key) const;
    // Whether it is there, readable, and all above it too.
    bool is_useful(const KvFileKey& key) const;
    // The useful files, each behind its parent.
    std::vector<KvFileKey> useful() const;
    // A useful file and all above it, upwards; empty if it is not useful.
    std::vector<KvFileKey> path_up(const KvFileKey& key) const;

    // The file to do without first: a useless one, else the least recently used of those that
    // nothing useful hangs below. A parent counts as used when its children were. Nothing if all
    // that could go is in `spared`.
    std::optional<KvFileKey> first_to_go(const std::set<KvFileKey>& spared) const;

    uint64_t bytes() const { return bytes_; }
    size_t size() const { return nodes_.size(); }

  private:
    struct State {
        KvFileNode node;
        bool useful = false;
    };
    using Place = std::pair<std::pair<bool, int64_t>, KvFileKey>;

    static Place place_of(const KvFileKey& key, const State& state);
    bool has_children(const KvFileKey& key) const;
    std::vector<KvFileKey> children_of(const KvFileKey& key) const;
    void update_place(const KvFileKey& key);
    void update_useful(const KvFileKey& key);
    void set_useful(const KvFileKey& key, State& state, bool useful);

    std::map<KvFileKey, State> nodes_;
    std::set<std::pair<KvFileKey, KvFileKey>> children_;  // (parent, child)
    std::set<Place> may_go_;                              // useless first, then by last use
    uint64_t bytes_ = 0;
};

}  // namespace facet
