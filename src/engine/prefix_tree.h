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
#include <span>
#include <vector>

#include "engine/page_store.h"
#include "model/config.h"

namespace facet {

class PrefixTree {
  public:
    struct Node {
        Node* parent = nullptr;
        int32_t index = -1;        // positions [index * 256, ...); -1 is the root
        std::vector<int32_t> ids;  // what has been computed
        PerPart<int32_t> pages{{-1, -1}};
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

    // Where to go on with `ids`: the most of them, at most `most`, that are known and can be
    // resumed from.
    Match match(std::span<const int32_t> ids, int32_t most) const;

    // A node without ids behind `parent`, with its pages. Null if the budget has no room for it,
    // even after dropping what nobody uses.
    Node* add(Node* parent);
    // The same with the first `count` ids and positions of another child of the same parent.
    Node* add_copy(Node* other, int32_t count);
    // Removes a node without ids, users and children.
    void remove(Node* node);
    // Notes that a conversation may be taken up at `position`, whose last id is in `node`.
    void add_resume_point(Node* node, int32_t position);
    void touch(Node* node) { node->last_used = ++clock_; }

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
    bool guards_resume_point(const Node& node) const;
    template <typename Visit>
    void each_node(const Visit& visit) const;

    PageStore& store_;
    const int32_t turn_id_;
    int32_t window_ = 0;  // 0 if no layer slides
    Node root_;
    uint64_t clock_ = 0;
    uint64_t dropped_ = 0;
};

}  // namespace facet
