#include "grammar/stack_graph.h"

#include <algorithm>

namespace facet {

namespace {

uint32_t clamp_counter(uint32_t counter, uint32_t bytes) {
    return counter >= bytes ? kRepeatUnbounded : counter;
}

}  // namespace

StackGraph::StackGraph() {
    add_edge_list({});
    add_frame({});
}

size_t StackGraph::bytes() const {
    return edges_.capacity() * sizeof(ReturnEdge) + lists_.capacity() * sizeof(EdgeList) +
           frames_.capacity() * sizeof(StackFrame) + list_table_.bytes() + frame_table_.bytes() +
           near_.capacity() * sizeof(uint32_t) + top_of_.size() * 40;
}

uint32_t StackGraph::add_edge_list(std::span<const ReturnEdge> edges) {
    uint64_t hash = edges.size();
    for (const ReturnEdge& edge : edges)
        hash = mix_hash(hash, (uint64_t{edge.position} << 32) | edge.frame);
    const auto next = static_cast<uint32_t>(lists_.size());
    const uint32_t id = list_table_.find_or_add(hash, next, [&](uint32_t other) {
        const std::span<const ReturnEdge> known = edge_list(other);
        return std::equal(edges.begin(), edges.end(), known.begin(), known.end());
    });
    if (id == next) {
        lists_.push_back(
            {static_cast<uint32_t>(edges_.size()), static_cast<uint32_t>(edges.size())});
        edges_.insert(edges_.end(), edges.begin(), edges.end());
    }
    return id;
}

uint32_t StackGraph::add_frame(const StackFrame& frame) {
    const uint64_t hash = mix_hash(frame.edges, (uint64_t{frame.needed} << 32) | frame.remaining);
    const auto next = static_cast<uint32_t>(frames_.size());
    const uint32_t id = frame_table_.find_or_add(
        hash, next, [&](uint32_t other) { return frames_[other] == frame; });
    if (id == next) frames_.push_back(frame);
    return id;
}

uint32_t StackGraph::without_far_counters(uint32_t frame, uint32_t bytes) {
    // Frames below come first: a stack of our own instead of one of calls, however deep it is.
    std::vector<uint32_t> open = {frame};
    const auto known = [&](uint32_t id) { return id < near_.size() && near_[id] != UINT32_MAX; };
    while (!open.empty()) {
        const uint32_t id = open.back();
        const size_t depth = open.size();
        for (const ReturnEdge& edge : edges_of(id)) {
            if (!known(edge.frame)) open.push_back(edge.frame);
        }
        if (open.size() > depth) continue;
        open.pop_back();
        if (known(id)) continue;
        std::vector<ReturnEdge> edges(edges_of(id).begin(), edges_of(id).end());
        for (ReturnEdge& edge : edges) edge.frame = near_[edge.frame];
        std::sort(edges.begin(), edges.end());
        edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
        const uint32_t near =
            add_frame({add_edge_list(edges), clamp_counter(frames_[id].needed, bytes),
                       clamp_counter(frames_[id].remaining, bytes)});
        if (near_.size() < frames_.size()) near_.resize(frames_.size(), UINT32_MAX);
        near_[id] = near;
        near_[near] = near;
    }
    return near_[frame];
}

uint32_t StackGraph::top_of(uint32_t frame, uint32_t depth) {
    if (frame == kBottom) return kBottom;
    const uint64_t key = (uint64_t{frame} << 8) | depth;
    if (const auto known = top_of_.find(key); known != top_of_.end()) return known->second;
    std::vector<ReturnEdge> edges(edges_of(frame).begin(), edges_of(frame).end());
    for (ReturnEdge& edge : edges) {
        if (edge.position == Grammar::kAcceptPosition) continue;
        if (depth == 1) {
            edge = {Grammar::kUnknownPosition, kBottom};
        } else {
            edge.frame = top_of(edge.frame, depth - 1);  // `depth` is a small constant
        }
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    const StackFrame& whole = frames_[frame];
    const uint32_t top = add_frame({add_edge_list(edges), whole.needed, whole.remaining});
    top_of_.emplace(key, top);
    return top;
}

}  // namespace facet
