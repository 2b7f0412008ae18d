#include "engine/prefix_tree.h"

#include <algorithm>
#include <limits>
#include <new>

#include "base/check.h"
#include "model/kv_cache.h"

namespace facet {

PrefixTree::PrefixTree(const ModelConfig& config, PageStore& store, int32_t turn_id)
    : store_(store), turn_id_(turn_id), window_(largest_window(config)) {}

// ---- matching

PrefixTree::Match PrefixTree::match(std::span<const int32_t> ids, int32_t most) const {
    Match match;
    const auto wanted = ids.first(std::min(ids.size(), static_cast<size_t>(most)));
    size_t common = 0;
    for (const Node* node = &root_; common < wanted.size();) {
        const auto rest = wanted.subspan(common);
        Node* best = nullptr;
        size_t longest = 0;
        for (const auto& child : node->children) {
            if (!is_known(*child)) continue;
            const auto [known, given] =
                std::mismatch(child->ids.begin(), child->ids.end(), rest.begin(), rest.end());
            const auto length = static_cast<size_t>(known - child->ids.begin());
            // Of two that know the same, the one that may still have its window.
            if (length > longest ||
                (best != nullptr && length == longest && child->last_used > best->last_used)) {
                best = child.get();
                longest = length;
            }
        }
        if (best == nullptr) break;
        match.path.push_back(best);
        common += longest;
        if (longest < kPagePositions) break;
        node = best;
    }
    // From there back to where the window before is held.
    match.length = static_cast<int32_t>(common);
    while (!match.path.empty() &&
           !can_resume_behind(match.path, match.path.size() - 1, match.length)) {
        match.path.pop_back();
        match.length = static_cast<int32_t>(match.path.size()) * kPagePositions;
    }
    return match;
}

// False after a page that was saved could not be read.
bool PrefixTree::is_known(const Node& node) const {
    return store_.page_bytes(KvPart::kGlobal) == 0 || node.pages[KvPart::kGlobal] != kNoPage ||
           node.is_saved[KvPart::kGlobal];
}

bool PrefixTree::can_resume_behind(const std::vector<Node*>& path, size_t page,
                                   int32_t length) const {
    if (window_ == 0) return true;
    const auto first = static_cast<size_t>(first_page_in_window(length, window_));
    for (size_t i = first; i <= page; ++i) {
        if (path[i]->pages[KvPart::kSliding] == kNoPage && !path[i]->is_saved[KvPart::kSliding])
            return false;
    }
    return true;
}

// ---- growing

// A node, its window, and all before it, which must not be dropped meanwhile.
class PrefixTree::Held {
  public:
    explicit Held(Node& node) : node_(&node) { count(1); }
    ~Held() { release(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    void release() const {
        count(-1);
        node_ = nullptr;
    }

  private:
    void count(int32_t change) const {
        if (node_ != nullptr) node_->sliding_users += change;
        for (Node* at = node_; at != nullptr; at = at->parent) at->users += change;
    }

    mutable Node* node_;
};

// A node in its place, without ids and pages.
PrefixTree::Node* PrefixTree::add_empty(Node* parent) {
    auto node = std::make_unique<Node>();
    node->parent = parent;
    node->index = parent->index + 1;
    node->ids.reserve(kPagePositions);
    touch(node.get());
    parent->children.push_back(std::move(node));
    return parent->children.back().get();
}

PrefixTree::Node* PrefixTree::add(Node* parent) {
    // From the beginning on in its place, so that nothing is lost if memory runs out; and its
    // parent, which was a leaf, is not dropped.
    Node* const added = add_empty(parent);
    const Held held(*added);
    bool complete = true;
    for (const KvPart part : kKvParts) {
        if (store_.page_bytes(part) == 0) continue;
        added->pages[part] = take_page(part);
        complete = complete && added->pages[part] != kNoPage;
    }
    if (complete) return added;
    held.release();
    remove(added);
    return nullptr;
}

PrefixTree::Node* PrefixTree::add_copy(Node* other, int32_t count) {
    const Held held(*other);
    Node* const node = add(other->parent);
    if (node == nullptr) return nullptr;
    for (const KvPart part : kKvParts) {
        if (node->pages[part] != kNoPage)
            store_.pool().copy(part, other->pages[part], node->pages[part], count);
    }
    node->ids.insert(node->ids.end(), other->ids.begin(), other->ids.begin() + count);
    for (const int32_t position : other->resume_points) {
        if (position <= node->begin() + count) node->resume_points.push_back(position);
    }
    return node;
}

PrefixTree::Node* PrefixTree::add_saved(Node* parent, std::span<const int32_t> ids,
                                        bool has_window) {
    Node* const node = add_empty(parent);
    node->ids.assign(ids.begin(), ids.end());
    node->is_saved = {{has_window, true}};
    // Windows are saved where conversations are taken up again.
    if (has_window) add_resume_point(node, node->begin() + static_cast<int32_t>(ids.size()));
    return node;
}

bool PrefixTree::load(Node* node, KvPart part) {
    if (node->pages[part] != kNoPage || store_.page_bytes(part) == 0) return true;
    if (source_ == nullptr || !node->is_saved[part]) return false;
    // Nothing above or at it may be dropped for its room.
    const Held held(*node);
    node->pages[part] = take_page(part);
    bool loaded = node->pages[part] != kNoPage;
    if (loaded && !source_->load(*node, part)) {
        store_.give_back(part, node->pages[part]);
        node->pages[part] = kNoPage;
        node->is_saved[part] = false;
        loaded = false;
    }
    return loaded;
}

void PrefixTree::grow(Node* node) {
    if (source_ != nullptr && node->is_saved[KvPart::kGlobal]) source_->outdate(*node);
    node->is_saved = {};
}

void PrefixTree::remove(Node* node) {
    FACET_CHECK(node->users == 0);
    drop(*node);
    each_below(*node, [&](Node& below) { drop(below); });
    auto& siblings = node->parent->children;
    siblings.erase(std::find_if(siblings.begin(), siblings.end(),
                                [&](const auto& child) { return child.get() == node; }));
}

void PrefixTree::add_resume_point(Node* node, int32_t position) {
    auto& points = node->resume_points;
    if (!points.empty() && points.back() >= position) return;
    try {
        points.push_back(position);
    } catch (const std::bad_alloc&) {
        // Without it the window before is dropped sooner, nothing else.
    }
}

// ---- dropping

int32_t PrefixTree::take_page(KvPart part) {
    for (;;) {
        const int32_t page = store_.take(part);
        if (page != kNoPage) return page;
        if (!drop_something()) return kNoPage;
    }
}

bool PrefixTree::guards_resume_point(const Node& node) const {
    const int32_t end = node.begin() + kPagePositions;
    std::vector<const Node*> open = {&node};
    while (!open.empty()) {
        const Node* at = open.back();
        open.pop_back();
        for (const int32_t point : at->resume_points) {
            if (point - window_ + 1 < end) return true;
        }
        // Points behind the ids of a child lie after its beginning.
        for (const auto& child : at->children) {
            if (child->begin() + 1 - window_ + 1 < end) open.push_back(child.get());
        }
    }
    return false;
}

// Drops the page or node that will be missed least. First windows in the middle of long texts,
// where nobody takes a conversation up; then what was not used for the longest time.
bool PrefixTree::drop_something() {
    Node* victim = nullptr;
    uint64_t victim_age = std::numeric_limits<uint64_t>::max();
    bool whole = false;
    each_node([&](Node& node) {
        const bool is_leaf = node.users == 0 && is_in_memory(node) &&
                             std::none_of(node.children.begin(), node.children.end(),
                                          [](const auto& child) { return is_in_memory(*child); });
        const bool has_window = node.sliding_users == 0 && node.pages[KvPart::kSliding] != kNoPage;
        if (!is_leaf && !has_window) return;
        // Ages below 2^62 are those of the middle of texts.
        uint64_t age = node.last_used | uint64_t{1} << 62;
        bool takes_all = is_leaf;
        if (has_window && !guards_resume_point(node)) {
            age = node.last_used;
            takes_all = false;
        }
        if (age < victim_age || (age == victim_age && takes_all && !whole)) {
            victim = &node;
            victim_age = age;
            whole = takes_all;
        }
    });
    if (victim == nullptr) return false;
    ++dropped_;
    if (!whole) {
        drop_sliding(*victim);
    } else if (victim->is_saved[KvPart::kGlobal]) {
        drop(*victim);
    } else {
        remove(victim);
    }
    return true;
}

bool PrefixTree::is_in_memory(const Node& node) {
    return node.pages[KvPart::kGlobal] != kNoPage || node.pages[KvPart::kSliding] != kNoPage;
}

void PrefixTree::drop_sliding(Node& node) {
    store_.give_back(KvPart::kSliding, node.pages[KvPart::kSliding]);
    node.pages[KvPart::kSliding] = kNoPage;
}

// All pages of a node.
void PrefixTree::drop(Node& node) {
    for (const KvPart part : kKvParts) {
        if (node.pages[part] != kNoPage) store_.give_back(part, node.pages[part]);
        node.pages[part] = kNoPage;
    }
}

void PrefixTree::remove_unknown() {
    for (;;) {
        Node* unknown = nullptr;
        each_node([&](Node& node) {
            if (unknown == nullptr && node.users == 0 && !is_known(node)) unknown = &node;
        });
        if (unknown == nullptr) return;
        remove(unknown);
    }
}

void PrefixTree::clear() {
    while (drop_something()) {
    }
}

uint64_t PrefixTree::available_bytes() const {
    uint64_t bytes = store_.budget_bytes() - store_.used_bytes();
    each_node([&](const Node& node) {
        const auto counts = [&](KvPart part) {
            return node.pages[part] != kNoPage ? store_.page_bytes(part) : 0;
        };
        if (node.users == 0) bytes += counts(KvPart::kGlobal);
        if (node.sliding_users == 0) bytes += counts(KvPart::kSliding);
    });
    return bytes;
}

}  // namespace facet
