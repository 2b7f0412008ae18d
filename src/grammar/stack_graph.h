// The stacks of a running grammar, shared: all stacks that a text can have led to are one graph.
//
// Owns: frames (what a rule returns to, and the counters of a repetition) and their sharing. Two
// frames with the same content are one, so a text that comes back to where it was has the same id
// again. Must not know: how a grammar is stepped (grammar_states.h).
//
// Source of the idea: graph-structured stacks (Tomita 1985), hash-consed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/intern_table.h"

namespace facet {

// Where to go on when a rule ends: at `position` of Grammar::symbols, in frame `frame`.
struct ReturnEdge {
    uint32_t position = 0;
    uint32_t frame = 0;
    auto operator<=>(const ReturnEdge&) const = default;
};

struct StackFrame {
    uint32_t edges = 0;  // id of a list of edges
    // Of a repetition: rounds, the present one included, that must and may come.
    uint32_t needed = 0, remaining = 0;
    bool operator==(const StackFrame&) const = default;
};

class StackGraph {
  public:
    static constexpr uint32_t kBottom = 0;  // the frame below the root rule; it has no edges

    StackGraph();

    const StackFrame& frame(uint32_t id) const { return frames_[id]; }
    std::span<const ReturnEdge> edges_of(uint32_t frame_id) const {
        return edge_list(frames_[frame_id].edges);
    }
    std::span<const ReturnEdge> edge_list(uint32_t list) const {
        return {edges_.data() + lists_[list].begin, lists_[list].count};
    }
    size_t frame_count() const { return frames_.size(); }
    size_t bytes() const;

    // Edges must be sorted and unique, and must not point into this graph's own storage.
    uint32_t add_edge_list(std::span<const ReturnEdge> edges);
    uint32_t add_frame(const StackFrame& frame);

    // The frame as a text of fewer than `bytes` bytes sees it: counters that it can not exhaust are
    // infinite.
    uint32_t without_far_counters(uint32_t frame, uint32_t bytes);
    // The frame with only `depth` (at least 1) frames, itself included; what follows is unknown.
    uint32_t top_of(uint32_t frame, uint32_t depth);

  private:
    struct EdgeList {
        uint32_t begin = 0, count = 0;
    };
    std::vector<ReturnEdge> edges_;
    std::vector<EdgeList> lists_;
    std::vector<StackFrame> frames_;
    InternTable list_table_, frame_table_;
    std::vector<uint32_t> near_;  // without_far_counters, UINT32_MAX if not known
    std::unordered_map<uint64_t, uint32_t> top_of_;  // by frame and depth
};

}  // namespace facet
