#include "engine/kv_file_index.h"

#include <algorithm>

#include "base/check.h"

namespace facet {

namespace {

constexpr KvFileKey kLowestKey = {};

}  // namespace

void KvFileIndex::put(const KvFileKey& key, const KvFileNode& node) {
    FACET_CHECK(node.readable || !node.parent);
    const auto found = nodes_.find(key);
    if (found != nodes_.end() && found->second.node.parent == node.parent &&
        found->second.node.readable == node.readable) {
        may_go_.erase(place_of(key, found->second));
        bytes_ += node.bytes - found->second.node.bytes;
        found->second.node = node;
        update_place(key);
        return;
    }
    // Taken out first, so that no path leads through a file to itself.
    remove(key);
    nodes_[key].node = node;
    bytes_ += node.bytes;
    if (node.parent) children_.emplace(*node.parent, key);
    update_place(key);
    update_useful(key);
    if (node.parent) update_place(*node.parent);
}

void KvFileIndex::remove(const KvFileKey& key) {
    const auto found = nodes_.find(key);
    if (found == nodes_.end()) return;
    const State gone = found->second;
    may_go_.erase(place_of(key, gone));
    bytes_ -= gone.node.bytes;
    nodes_.erase(found);
    if (gone.node.parent) children_.erase({*gone.node.parent, key});
    for (const KvFileKey& child : children_of(key)) update_useful(child);
    if (gone.useful && gone.node.parent) {
        const KvFileNode& parent = nodes_.at(*gone.node.parent).node;
        use(*gone.node.parent, std::max(parent.last_use, gone.node.last_use));
    }
}

void KvFileIndex::use(const KvFileKey& key, int64_t now) {
    State& state = nodes_.at(key);
    may_go_.erase(place_of(key, state));
    state.node.last_use = now;
    update_place(key);
}

const KvFileNode* KvFileIndex::find(const KvFileKey& key) const {
    const auto found = nodes_.find(key);
    return found == nodes_.end() ? nullptr : &found->second.node;
}

bool KvFileIndex::is_useful(const KvFileKey& key) const {
    const auto found = nodes_.find(key);
    return found != nodes_.end() && found->second.useful;
}

std::vector<KvFileKey> KvFileIndex::useful() const {
    std::vector<KvFileKey> keys;
    for (const auto& [key, state] : nodes_) {
        if (state.useful && !state.node.parent) keys.push_back(key);
    }
    for (size_t i = 0; i < keys.size(); ++i) {
        for (const KvFileKey& child : children_of(keys[i])) {
            if (is_useful(child)) keys.push_back(child);
        }
    }
    return keys;
}

std::vector<KvFileKey> KvFileIndex::path_up(const KvFileKey& key) const {
    std::vector<KvFileKey> path;
    // Useful files have no cycle among them: each hangs below one that was useful before it.
    for (std::optional<KvFileKey> at = key; at && is_useful(*at); at = nodes_.at(*at).node.parent) {
        path.push_back(*at);
    }
    return path;
}

std::optional<KvFileKey> KvFileIndex::first_to_go(const std::set<KvFileKey>& spared) const {
    for (const auto& [order, key] : may_go_) {
        if (!spared.contains(key)) return key;
    }
    return std::nullopt;
}

KvFileIndex::Place KvFileIndex::place_of(const KvFileKey& key, const State& state) {
    return {{state.useful, state.node.last_use}, key};
}

std::vector<KvFileKey> KvFileIndex::children_of(const KvFileKey& key) const {
    std::vector<KvFileKey> keys;
    for (auto at = children_.lower_bound({key, kLowestKey});
         at != children_.end() && at->first == key; ++at) {
        keys.push_back(at->second);
    }
    return keys;
}

bool KvFileIndex::has_children(const KvFileKey& key) const {
    // A readable child of a useful file is useful; of others it does not matter.
    const auto at = children_.lower_bound({key, kLowestKey});
    return at != children_.end() && at->first == key;
}

// Whether a file may go, and when: to be called after a change of its use, its children, or of
// whether it is useful. Its old place must have been given up if the place changed.
void KvFileIndex::update_place(const KvFileKey& key) {
    const auto found = nodes_.find(key);
    if (found == nodes_.end()) return;
    const State& state = found->second;
    if (!state.useful || !has_children(key)) {
        may_go_.insert(place_of(key, state));
    } else {
        may_go_.erase(place_of(key, state));
    }
}

void KvFileIndex::set_useful(const KvFileKey& key, State& state, bool useful) {
    may_go_.erase(place_of(key, state));
    state.useful = useful;
    update_place(key);
}

// Whether a file is useful, and all below it; without recursion, because a file says how deep the
// tree is.
void KvFileIndex::update_useful(const KvFileKey& key) {
    std::vector<KvFileKey> pending = {key};
    while (!pending.empty()) {
        const KvFileKey at = pending.back();
        pending.pop_back();
        State& state = nodes_.at(at);
        const std::optional<KvFileKey>& parent = state.node.parent;
        const bool useful = state.node.readable && (!parent || is_useful(*parent));
        if (useful == state.useful) continue;
        set_useful(at, state, useful);
        for (const KvFileKey& child : children_of(at)) pending.push_back(child);
    }
}

}  // namespace facet
