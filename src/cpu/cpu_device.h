// The CPU device: quantized weights in strips, integer dot products, resident threads. Tested
// against the reference device block by block (cpu_blocks_test.cc).
#pragma once

#include <memory>
#include <string>

#include "cpu/cpu_attention.h"
#include "cpu/output_head.h"
#include "model/config.h"
#include "model/device.h"
#include "model/weights.h"

namespace facet::cpu {

struct CpuOptions {
    int32_t threads = 0;       // 0 = one a core
    std::string isa;           // a kernel table's name; empty = the best
    int32_t batch_rows = 512;  // the most rows of one batch
    bool mapped = false;       // pack strips from the mapped file each time they are used
    LoadProgress on_progress;  // of packing; may be empty
    KvOptions kv = {};
    HeadPlanes head_planes = HeadPlanes::kWhereFaster;  // never if `mapped`
};

// Packs the weights (reads the whole file), or leaves them in the file if `mapped`: the same
// results, slower. config and weights must outlive the device, and so must the file, from which
// embedding rows are still read. Errors: an unknown or impossible instruction
// set, not enough memory, unsupported shapes, a file that can not be read, cancelled.
Result<std::unique_ptr<Device>> make_cpu_device(const ModelConfig& config, const Weights& weights,
                                                const CpuOptions& options);

DevicePlan plan_cpu_device(const ModelConfig& config, const CpuOptions& options);

// What share of its head's bytes the device reads where the largest logits of a row are wanted.
double expected_head_share(const Matrix& embedding, const CpuOptions& options);

}  // namespace facet::cpu
