#include "engine/saved_prefixes.h"

#include <algorithm>
#include <map>

#include "model/kv_cache.h"

namespace facet {

namespace {

using Node = PrefixTree::Node;

constexpr uint64_t kUsualLimit = 8'000'000'000;

KvBlock block_of(KvPart part) {
    return part == KvPart::kGlobal ? KvBlock::kGlobal : KvBlock::kSliding;
}

// Of a node's ids and all before them.
Hash128 identity_of(const Hash128& parent, std::span<const int32_t> ids) {
    StreamHash hash;
    hash.update({reinterpret_cast<const uint8_t*>(&parent), sizeof parent});
    hash.update({reinterpret_cast<const uint8_t*>(ids.data()), ids.size_bytes()});
    return hash.digest();
}

Hash128 identity_of(const Node& node) {
    // From the root down.
    std::vector<const Node*> path;
    for (const Node* at = &node; at->parent != nullptr; at = at->parent) path.push_back(at);
    Hash128 identity;
    for (auto at = path.rbegin(); at != path.rend(); ++at)
        identity = identity_of(identity, (*at)->ids);
    return identity;
}

}  // namespace

Result<std::unique_ptr<SavedPrefixes>> SavedPrefixes::open(const CacheOptions& options,
                                                           const KvBinding& binding,
                                                           PrefixTree& tree) {
    KvFilesOptions files;
    files.folder = options.folder;
    files.binding = binding;
    files.limit_bytes = options.limit_bytes > 0 ? options.limit_bytes : kUsualLimit;
    files.window_chunks = pages_for(tree.window()) + 1;
    std::unique_ptr<SavedPrefixes> saved(
        new SavedPrefixes(FACET_TRY(KvFiles::open(std::move(files))), tree));
    saved->restore();
    tree.set_source(saved.get());
    return saved;
}

SavedPrefixes::~SavedPrefixes() { tree_.set_source(nullptr); }

// ---- finding

void SavedPrefixes::restore() {
    std::map<Hash128, Node*> known = {{Hash128{}, tree_.root()}};
    // Parents come before children.
    for (const KvEntry& entry : files_.take_entries()) {
        const Hash128 parent_identity = entry.chunk.parent.value_or(Hash128{});
        const auto parent = known.find(parent_identity);
        // A file may say anything of itself.
        const bool fits =
            parent != known.end() && entry.global_bytes > 0 &&
            (parent->second == tree_.root() || parent->second->ids.size() == kPagePositions) &&
            entry.chunk.identity == identity_of(parent_identity, entry.chunk.tokens);
        if (!fits) continue;
        Node* node = tree_.add_saved(parent->second, entry.chunk.tokens, entry.sliding_bytes > 0);
        known.emplace(entry.chunk.identity, node);
    }
}

bool SavedPrefixes::load(Node& node, KvPart part) {
    const auto page = tree_.store().pool().bytes(part, node.pages[part]);
    const Status status = files_.read(identity_of(node), block_of(part), page);
    if (!status.ok()) error_ = status.error().message;
    return status.ok();
}

void SavedPrefixes::touch(Node& node) {
    if (node.is_saved[KvPart::kGlobal]) static_cast<void>(files_.touch(identity_of(node)).ok());
}

// More ids give it another identity.
void SavedPrefixes::outdate(Node& node) {
    if (node.outdated) remove_outdated(node);
    node.outdated = identity_of(node);
}

// What can not be removed now goes when room is needed.
void SavedPrefixes::remove_outdated(Node& node) {
    static_cast<void>(files_.remove(*node.outdated).ok());
    node.outdated.reset();
}

// ---- saving

bool SavedPrefixes::save_one() {
    if (failed_at_ == tree_.clock()) return false;
    Node* next = nullptr;
    KvPart part = KvPart::kGlobal;
    // Global pages first, parents before children; of windows those where conversations are taken
    // up again.
    tree_.each_node([&](Node& node) {
        if (next != nullptr || node.ids.empty() || node.is_written) return;
        const bool parent_is_saved =
            node.parent == tree_.root() || node.parent->is_saved[KvPart::kGlobal];
        if (!parent_is_saved) return;
        for (const KvPart each : {KvPart::kGlobal, KvPart::kSliding}) {
            if (node.is_saved[each] || node.pages[each] == kNoPage) continue;
            if (each == KvPart::kSliding &&
                (!node.is_saved[KvPart::kGlobal] || !tree_.guards_resume_point(node)))
                continue;
            next = &node;
            part = each;
            return;
        }
        if (node.outdated) remove_outdated(node);
    });
    return next != nullptr && save(*next, part);
}

bool SavedPrefixes::save(Node& node, KvPart part) {
    KvChunk chunk;
    chunk.identity = identity_of(node);
    if (node.parent != tree_.root()) chunk.parent = identity_of(*node.parent);
    chunk.tokens = node.ids;
    const auto page = tree_.store().pool().bytes(part, node.pages[part]);
    const Status status = files_.write(chunk, block_of(part), page);
    if (!status.ok()) {
        error_ = status.error().message;
        failed_at_ = tree_.clock();
        return false;
    }
    node.is_saved[part] = true;
    return true;
}

}  // namespace facet
