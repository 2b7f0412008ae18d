// What the tests of the CPU device share: a model file with devices over it, and comparisons.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_device.h"
#include "cpu/cpu_kernels.h"
#include "model/forward.h"
#include "model/reference_device.h"
#include "model/solo_kv.h"

namespace facet::cpu {

inline CpuOptions cpu_options(int32_t threads, const std::string& isa, int32_t batch_rows,
                              const KvOptions& kv) {
    CpuOptions options;
    options.threads = threads;
    options.isa = isa;
    options.batch_rows = batch_rows;
    options.kv = kv;
    return options;
}

struct Opened {
    GgufFile file;
    ModelConfig config;
    Weights weights;

    explicit Opened(const std::string& path)
        : file(GgufFile::open(path).take()),
          config(ModelConfig::from_gguf(file).take()),
          weights(bind_weights(file, config).take()) {}

    std::unique_ptr<Device> cpu(const CpuOptions& options) const {
        return make_cpu_device(config, weights, options).take();
    }
    std::unique_ptr<Device> reference(ReferenceOptions options = {1, 512, {}}) const {
        return make_reference_device(config, weights, std::move(options)).take();
    }
    std::unique_ptr<SoloKv> make_kv(Device& device) const {
        return SoloKv::create(device, config, config.context_length).take();
    }

    // Logits of all positions, computed in chunks, the last `decoded` one by one.
    std::vector<float> logits(Device& device, const std::vector<int32_t>& ids, size_t chunk,
                              size_t decoded = 0) const {
        const auto kv = make_kv(device);
        std::vector<float> all(ids.size() * static_cast<size_t>(config.vocabulary));
        for (size_t done = 0; done < ids.size();) {
            const size_t prefilled = ids.size() - decoded;
            const size_t count = done < prefilled ? std::min(chunk, prefilled - done) : 1;
            std::vector<int32_t> rows(count);
            for (size_t i = 0; i < count; ++i) rows[i] = static_cast<int32_t>(i);
            const BatchSequence sequence{&kv->cache, 0, static_cast<int32_t>(count),
                                         static_cast<int32_t>(done)};
            const auto wanted =
                want_all(rows, config.vocabulary,
                         all.data() + done * static_cast<size_t>(config.vocabulary));
            forward(config, device, {std::span(ids).subspan(done, count), {&sequence, 1}, wanted});
            done += count;
        }
        return all;
    }
};

inline std::vector<int32_t> random_ids(size_t count, int32_t vocabulary, uint32_t seed = 9) {
    std::mt19937 random(seed);
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint32_t>(vocabulary));
    return ids;
}

inline bool bit_equal(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// KL divergence of q from p at each position.
inline std::vector<double> divergences(const std::vector<float>& p, const std::vector<float>& q,
                                       int32_t vocabulary) {
    const auto width = static_cast<size_t>(vocabulary);
    std::vector<double> all;
    for (size_t at = 0; at < p.size(); at += width) {
        double p_total = 0, q_total = 0, sum = 0;
        for (size_t i = 0; i < width; ++i) {
            p_total += std::exp(double{p[at + i]});
            q_total += std::exp(double{q[at + i]});
        }
        for (size_t i = 0; i < width; ++i) {
            const double log_p = p[at + i] - std::log(p_total);
            sum += std::exp(log_p) * (log_p - (q[at + i] - std::log(q_total)));
        }
        all.push_back(sum);
    }
    return all;
}

// The best table, and the best one whose attention multiplies another type. The other tables give
// the same bits as one of them (cpu_device_test.cc).
inline std::vector<const Kernels*> kernels_of_each_kind() {
    std::vector<const Kernels*> tables = {usable_kernels()[0]};
    for (const Kernels* kernels : usable_kernels()) {
        if (kernels->expanded_bytes != tables[0]->expanded_bytes) {
            tables.push_back(kernels);
            break;
        }
    }
    return tables;
}

// The ways to keep keys and values.
inline const KvOptions kKvOptions[] = {
    {KvType::kF16, true}, {KvType::kF16, false}, {KvType::kQ8_0, true}, {KvType::kQ8_0, false}};
inline std::string name_of(const KvOptions& kv) {
    return std::string(kv.type == KvType::kF16 ? "f16" : "q8_0") +
           (kv.one_copy ? "_one_copy" : "_two_copies");
}

}  // namespace facet::cpu
