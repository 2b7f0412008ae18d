#include "engine/sequence.h"

#include <algorithm>

#include "base/check.h"

namespace facet {

Error no_room_for_keys_and_values() {
    return {ErrorKind::kOutOfMemory,
            "the memory for keys and values is used by other conversations"};
}

Sequence::Sequence(PrefixTree& tree, const ModelConfig& config, int32_t context)
    : tree_(tree), cache_(config, context, &tree.store().pool()) {
    path_.reserve(static_cast<size_t>(pages_for(context)));
}

std::unique_ptr<Sequence> Sequence::create(PrefixTree& tree, const ModelConfig& config,
                                           int32_t context, std::span<const int32_t> ids,
                                           int32_t most) {
    // What is not in memory is read first. A page that can not be read is known to be missing then,
    // so that the next match is another one.
    for (;;) {
        const PrefixTree::Match match = tree.match(ids, most);
        std::unique_ptr<Sequence> sequence(new Sequence(tree, config, context));
        switch (sequence->start(match)) {
            case Start::kReady: return sequence;
            case Start::kNoRoom: return nullptr;
            case Start::kPageIsGone: break;
        }
        sequence.reset();
        tree.remove_unknown();
    }
}

Sequence::Start Sequence::start(const PrefixTree::Match& match) {
    windows_from_ = static_cast<size_t>(cache_.first_page(KvPart::kSliding, match.length));
    for (Node* node : match.path) {
        const bool has_window = path_.size() >= windows_from_;
        for (const KvPart part : kKvParts) {
            if (part == KvPart::kSliding && !has_window) continue;
            if (tree_.load(node, part)) continue;
            return node->is_saved[part] ? Start::kNoRoom : Start::kPageIsGone;
        }
        const int32_t in_last = match.length - node->begin();
        if (in_last < kPagePositions) {
            // The end of what was known can be written on by one; others get a page of their own.
            const auto known = static_cast<int32_t>(node->ids.size());
            if (node->is_written || known > in_last) node = tree_.add_copy(node, in_last);
            if (node == nullptr) return Start::kNoRoom;
            node->is_written = true;
            tree_.grow(node);
        }
        hold(node);
    }
    cache_.set_length(match.length);
    return Start::kReady;
}

void Sequence::hold(Node* node) {
    const auto index = static_cast<int32_t>(path_.size());
    FACET_CHECK(node->index == index);
    path_.push_back(node);
    ++node->users;
    cache_.set_page(KvPart::kGlobal, index, node->pages[KvPart::kGlobal]);
    if (path_.size() <= windows_from_) return;
    ++node->sliding_users;
    cache_.set_page(KvPart::kSliding, index, node->pages[KvPart::kSliding]);
}

Sequence::~Sequence() {
    mark(length());
    for (size_t i = 0; i < path_.size(); ++i) {
        --path_[i]->users;
        if (i >= windows_from_) --path_[i]->sliding_users;
        tree_.touch(path_[i]);
    }
    if (tree_.source() != nullptr && !path_.empty()) tree_.source()->touch(*path_.back());
    // The last pages may have been reserved only; a full page is not written any more.
    for (; !path_.empty(); path_.pop_back()) {
        Node* node = path_.back();
        const bool ours = node->begin() + kPagePositions > length();
        if (ours) node->is_written = false;
        if (!node->ids.empty()) break;
        tree_.remove(node);
    }
}

bool Sequence::reserve(int32_t rows) {
    const auto pages = static_cast<size_t>(pages_for(int64_t{length()} + rows));
    while (path_.size() < pages) {
        Node* node = tree_.add(path_.empty() ? tree_.root() : path_.back());
        if (node == nullptr) return false;
        node->is_written = true;
        hold(node);
    }
    return true;
}

void Sequence::note(std::span<const int32_t> ids) {
    int32_t position = length() - static_cast<int32_t>(ids.size());
    for (const int32_t id : ids) {
        if (id == tree_.turn_id()) mark(position);
        Node* node = path_[static_cast<size_t>(position++ / kPagePositions)];
        node->ids.push_back(id);
        if (node->ids.size() == kPagePositions) node->is_written = false;
    }
    let_go_of_passed_windows();
}

// The conversation may be taken up again at `position`.
void Sequence::mark(int32_t position) {
    if (position == 0) return;
    tree_.add_resume_point(path_[static_cast<size_t>((position - 1) / kPagePositions)], position);
}

void Sequence::let_go_of_passed_windows() {
    const auto seen = static_cast<size_t>(cache_.first_page(KvPart::kSliding, length()));
    for (; windows_from_ < seen; ++windows_from_) {
        --path_[windows_from_]->sliding_users;
        cache_.set_page(KvPart::kSliding, static_cast<int32_t>(windows_from_), kNoPage);
    }
}

}  // namespace facet
