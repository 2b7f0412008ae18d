// The tree of prefixes on disk: what is known is saved when there is time, found again on the next
// start, and read back when a conversation needs it.
//
// Owns: the files (kv_files.h), which pages are worth saving. Used by the thread that uses the
// tree. Must not know: what a page holds.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/kv_files.h"
#include "engine/prefix_tree.h"

namespace facet {

struct CacheOptions {
    std::string folder;        // empty: nothing is saved
    uint64_t limit_bytes = 0;  // of all files; 0 = 8 GB
};

class SavedPrefixes : public PageSource {
  public:
    // binding: what the keys and values are good for. Puts what was saved into the tree, which must
    // outlive this, as the store must. Errors: as KvFiles::open().
    static Result<std::unique_ptr<SavedPrefixes>> open(const CacheOptions& options,
                                                       const KvBinding& binding, PrefixTree& tree);
    ~SavedPrefixes() override;

    // One sentence about files that were ignored; empty if none were.
    const std::string& warning() const { return files_.warning(); }
    KvFilesStatistics statistics() const { return files_.statistics(); }

    bool load(PrefixTree::Node& node, KvPart part) override;
    void outdate(PrefixTree::Node& node) override;
    void touch(PrefixTree::Node& node) override;

    // Saves one page that is worth it. False if there is none, or saving has failed: error() says
    // why, and it is tried again when something new is known.
    bool save_one();
    const std::string& error() const { return error_; }

  private:
    SavedPrefixes(KvFiles files, PrefixTree& tree) : files_(std::move(files)), tree_(tree) {}
    void restore();
    bool save(PrefixTree::Node& node, KvPart part);
    void remove_outdated(PrefixTree::Node& node);

    KvFiles files_;
    PrefixTree& tree_;
    std::string error_;
    uint64_t failed_at_ = 0;  // the tree's clock then
};

}  // namespace facet
