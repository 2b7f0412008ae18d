// One conversation while it is computed: its path in the tree of known prefixes, and the table of
// pages that devices read.
//
// Owns: which pages the conversation holds on to. Used by the thread that uses the tree.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/prefix_tree.h"
#include "model/kv_cache.h"

namespace facet {

// Why create() gives nothing, or reserve() can not, where nothing else of one's own could give way.
Error no_room_for_keys_and_values();

class Sequence {
  public:
    // A sequence that knows as much of `ids` as the tree does, at most `most` of them. Null if
    // there is no room for it now.
    static std::unique_ptr<Sequence> create(PrefixTree& tree, const ModelConfig& config,
                                            int32_t context, std::span<const int32_t> ids,
                                            int32_t most);
    // What it knows stays in the tree, until the room is needed.
    ~Sequence();
    Sequence(const Sequence&) = delete;
    Sequence& operator=(const Sequence&) = delete;

    KvCache& cache() { return cache_; }
    int32_t length() const { return cache_.length(); }
    // Makes room for that many positions more, dropping what nobody uses. False if it can not.
    bool reserve(int32_t rows);
    // `ids` are what the last forward step added. Room for them was reserved.
    void note(std::span<const int32_t> ids);

  private:
    using Node = PrefixTree::Node;

    Sequence(PrefixTree& tree, const ModelConfig& config, int32_t context);
    enum class Start { kReady, kNoRoom, kPageIsGone };
    Start start(const PrefixTree::Match& match);
    void mark(int32_t position);
    void hold(Node* node);
    void let_go_of_passed_windows();

    PrefixTree& tree_;
    KvCache cache_;
    std::vector<Node*> path_;
    size_t windows_from_ = 0;  // sliding pages of the path from here on are held
};

}  // namespace facet
