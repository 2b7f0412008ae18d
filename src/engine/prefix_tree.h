// What the engine has computed and still holds, as a tree over token ids that all conversations
// share.
//
// A node is a page: up to 256 ids at positions that begin at a multiple of 256, with the keys and
// values of global layers for each of them and, as long as they are kept, those of sliding layers.
// Branches that part inside a page have a node each; the ids before the parting are in both. A
// conversation can go on from position p if every page before p is there and the pages of sliding
// layers that hold the window before p. So a snapshot is nothing but sliding pages that were not
// dropped: those before resume points (where a turn begins, where a conversation ended) are dropped
// last.
//
// Owns: the nodes, matching, what is dropped when the budget is used up. Used by one thread at a
// time. Must not know: devices, text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/hash.h"
#include "engine/page_store.h"
#include "model/config.h"

namespace facet {

class PageSource;

class PrefixTree {
  public:
    struct Node {
        Node* parent = nullptr;
        int32_t index = -1;                  // positions [index * 256, ...); -1 is the root
        std::vector<int32_t> ids;            // what has been computed
        PerPart<int32_t> pages{{-1, -1}};    // kNoPage: not in memory
        PerPart<bool> is_saved;              // the source has it
        std::optional<Hash128> outdated;     // under which it was saved with fewer ids
        std::vector<int32_t> resume_points;  // positions behind ids of this node
        std::vector<std::unique_ptr<Node>> children;
        int32_t users = 0;          // sequences whose path it is on
        int32_t sliding_users = 0;  // of those, how many see its sliding page
        bool is_written = false;    // one of them adds ids
        uint64_t last_used = 0;

        int32_t begin() const { return index * kPagePositions; }
    };
    struct Match {
        std::vector<Node*> path;  // whole pages, and the last in part
        int32_t length = 0;       // ids of the path to go on from
    };

    // turn_id: the id that begins a turn, before which conversations are taken up again; -1 for
    // none. The store must outlive the tree.
    PrefixTree(const ModelConfig& config, PageStore& store, int32_t turn_id);

    // Where dropped pages can be had again; null for nowhere. Must outlive the tree or be taken
    // back.
    void set_source(PageSource* source) { source_ = source; }
    PageSource* source() const { return source_; }

    // Where to go on with `ids`: the most of them, at most `most`, that are known and can be
    // resumed from.
    Match match(std::span<const int32_t> ids, int32_t most) const;

    // A node without ids behind `parent`, with its pages. Null if the budget has no room for it,
    // even after dropping what nobody uses.
    Node* add(Node* parent);
    // The same with the first `count` ids and positions of another child of the same parent.
    Node* add_copy(Node* other, int32_t count);
    // A node whose pages are not in memory; the source has the global one, perhaps the other.
    Node* add_saved(Node* parent, std::span<const int32_t> ids, bool has_window);
    // Brings a page into memory. False if the source could not give it, which is then known, or
    // there is no room.
    bool load(Node* node, KvPart part);
    // The ids of a node are about to become more: it is another one for the source.
    void grow(Node* node);
    // Removes a node that nobody uses, with all below it.
    void remove(Node* node);
    // Notes that a conversation may be taken up at `position`, whose last id is in `node`.
    void add_resume_point(Node* node, int32_t position);
    void touch(Node* node) { node->last_used = ++clock_; }
    uint64_t clock() const { return clock_; }
    // True if a resume point sees the sliding page of this node.
    bool guards_resume_point(const Node& node) const;
    // Every node but the root, parents before children; visit(node) must not change the tree.
    template <typename Visit>
    void each_node(const Visit& visit) const {
        each_below(root_, visit);
    }

    // Removes what can not be used, because a page of it or before it can not be had any more.
    void remove_unknown();
    // Drops everything that nobody uses.
    void clear();

    Node* root() { return &root_; }
    PageStore& store() const { return store_; }
    int32_t window() const { return window_; }
    int32_t turn_id() const { return turn_id_; }
    // Bytes that could be had: not in use, or in use by what could be dropped.
    uint64_t available_bytes() const;
    uint64_t dropped_pages() const { return dropped_; }

  private:
    bool can_resume_behind(const std::vector<Node*>& path, size_t page, int32_t length) const;
    int32_t take_page(KvPart part);
    bool drop_something();
    void drop_sliding(Node& node);
    void drop(Node& node);
    class Held;
    static bool is_in_memory(const Node& node);
    bool is_known(const Node& node) const;
    template <typename Visit>
    static void each_below(const Node& node, const Visit& visit);
    Node* add_empty(Node* parent);

    PageStore& store_;
    PageSource* source_ = nullptr;
    const int32_t turn_id_;
    const int32_t window_;  // 0 if no layer slides
    Node root_;
    uint64_t clock_ = 0;
    uint64_t dropped_ = 0;
};

// What has pages that are not in memory.
class PageSource {
  public:
    virtual ~PageSource() = default;
    // Fills the node's page of that part; false if it can not.
    virtual bool load(PrefixTree::Node& node, KvPart part) = 0;
    // The node is about to hold more ids; what the source has of it stays good until that is saved.
    virtual void outdate(PrefixTree::Node& node) = 0;
    // The conversation that ends in this node was used.
    virtual void touch(PrefixTree::Node& node) = 0;
};

template <typename Visit>
void PrefixTree::each_below(const Node& node, const Visit& visit) {
    std::vector<Node*> open;
    for (const auto& child : node.children) open.push_back(child.get());
    while (!open.empty()) {
        Node* at = open.back();
        open.pop_back();
        visit(*at);
        for (const auto& child : at->children) open.push_back(child.get());
    }
}

}  // namespace facet
