// `facet bench`: speed as llama-bench defines it, beside what the machine can do at best.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"

namespace facet {

struct BenchmarkOptions {
    std::vector<int32_t> prompt = {512};   // pp N: N random ids at once, logits of the last
    std::vector<int32_t> generate = {64};  // tg N: N single random ids
    std::vector<int32_t> depth = {0};      // ids in the cache before, not timed
    int32_t repetitions = 5;               // after one run to warm up
    // tg asks for so many of the largest logits, as sampling by the model card does; 0 for all of
    // them, as llama-bench.
    int32_t largest = 64;
    // Instead of a file: a model of that shape with random weights, "26b-a4b", "31b" ...
    std::string synthetic;
    std::string type_mix = "Q4_K_M";  // of the synthetic model
};

// Opens the model (`path` does not matter for a synthetic one) and runs every test at every depth;
// `progress` receives a line for each.
// The answer is the object of docs cli.md, `bench --json`. Errors: the model's, lengths beyond its
// context.
Result<Json> run_benchmark(const std::string& path, EngineOptions engine_options,
                           const BenchmarkOptions& options,
                           const std::function<void(const std::string&)>& progress);

}  // namespace facet
