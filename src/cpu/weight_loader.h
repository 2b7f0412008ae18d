// Fills strips from the model's files: all threads read and pack at once, in the order of the file,
// and the page cache's memory is given back behind them where it is needed for the strips.
//
// Knows files, strips and threads, not what a matrix is for.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet::cpu {

// A matrix to pack and where to.
struct PackedPlace {
    Matrix source;
    uint8_t* target = nullptr;  // the first strip
    uint64_t stride = 0;        // bytes from one strip to the next
    // Of the low plane, for a matrix in planes; target is that of the high one then.
    uint8_t* low_target = nullptr;
    uint64_t low_stride = 0;
};

struct LoadOptions {
    int height = 0;  // rows of a strip
    int32_t threads = 1;
    bool keep_cache = false;  // leave the files in the page cache
    LoadProgress on_progress;
};

// `files` hold the matrices' bytes; what lies in none of them is in memory already.
// Errors: a file that can not be read, was cut short or changed; not enough memory; cancelled.
Status load_strips(const std::vector<PackedPlace>& places,
                   const std::vector<std::shared_ptr<const MappedFile>>& files,
                   const LoadOptions& options);

}  // namespace facet::cpu
