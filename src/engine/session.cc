#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "model/forward.h"

namespace facet {

Result<int32_t> choose_context(const ModelConfig& config, int32_t asked) {
    const int32_t limit = config.context_length;
    if (asked == 0) return std::min(limit, kDefaultContext);
    if (asked < 1 || asked > limit) {
        return invalid_input(fmt::format(
            "context of {}: expected 1 to {}, what the model was made for", asked, limit));
    }
    return asked;
}

Status check_token_ids(std::span<const int32_t> ids, int32_t vocabulary) {
    for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || ids[i] >= vocabulary) {
            return invalid_input(fmt::format("token id {} at position {}: expected 0 to {}", ids[i],
                                             i, vocabulary - 1));
        }
    }
    return {};
}

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<LoadedModel> model,
                                                 int32_t context) {
    Device* device = FACET_TRY(model->device());
    context = FACET_TRY(choose_context(model->config(), context));
    KvCache cache(model->config(), context, device->batch_rows_max());
    {
        const std::lock_guard lock(model->device_mutex());
        cache.set_storage(FACET_TRY(device->make_kv_storage(cache)));
    }
    return std::unique_ptr<Session>(new Session(std::move(model), device, std::move(cache)));
}

Session::Session(std::shared_ptr<LoadedModel> model, Device* device, KvCache cache)
    : model_(std::move(model)), device_(device), cache_(std::move(cache)) {
    ids_.reserve(static_cast<size_t>(cache_.context()));
    logits_.resize(static_cast<size_t>(model_->config().vocabulary));
}

Status Session::check_ids(std::span<const int32_t> ids) const {
    if (ids.empty()) return invalid_input("expected at least one token id, found none");
    if (ids.size() > static_cast<size_t>(context())) {
        return invalid_input(
            fmt::format("{} tokens do not fit the context of {}", ids.size(), context()));
    }
    return check_token_ids(ids, model_->config().vocabulary);
}

int32_t Session::keep_prefix(std::span<const int32_t> ids, int32_t wanted) {
    const auto [known, given] = std::mismatch(ids_.begin(), ids_.end(), ids.begin(), ids.end());
    const int32_t common = static_cast<int32_t>(known - ids_.begin());
    const int32_t kept = cache_.keepable(std::min(common, wanted));
    cache_.truncate(kept);
    ids_.resize(static_cast<size_t>(kept));
    return kept;
}

void Session::compute(std::span<const int32_t> tokens, std::span<const WantedRow> wanted) {
    const BatchSequence sequence{&cache_, 0, static_cast<int32_t>(tokens.size()), cache_.length()};
    const std::lock_guard lock(model_->device_mutex());
    forward(model_->config(), *device_, {tokens, {&sequence, 1}, wanted});
    ids_.insert(ids_.end(), tokens.begin(), tokens.end());
}

Result<int32_t> Session::set_ids(std::span<const int32_t> ids,
                                 const std::function<bool(int32_t, int32_t)>& progress) {
    FACET_TRY(check_ids(ids));
    const auto total = static_cast<int32_t>(ids.size());
    // The last id is always computed, because its logits are wanted.
    const int32_t reused = keep_prefix(ids, total - 1);
    for (int32_t done = reused; done < total && !cancelled();) {
        const int32_t count = std::min(device_->batch_rows_max(), total - done);
        const bool is_last = done + count == total;
        const WantedRow last = wanted_of_last(count);
        compute(ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count)),
                is_last ? std::span(&last, 1) : std::span<const WantedRow>());
        done += count;
        if (progress && !progress(done, total)) cancel();
    }
    return reused;
}

void Session::append(int32_t id) {
    FACET_CHECK(static_cast<int32_t>(ids_.size()) < context());
    const WantedRow last = wanted_of_last(1);
    compute({&id, 1}, {&last, 1});
}

void Session::forget() {
    cache_.truncate(0);
    ids_.clear();
}

Status Session::logits_at(std::span<const int32_t> ids, std::span<const int32_t> positions,
                          float* out) {
    FACET_TRY(check_ids(ids));
    const auto total = static_cast<int32_t>(ids.size());
    for (size_t i = 0; i < positions.size(); ++i) {
        if (positions[i] < 0 || positions[i] >= total ||
            (i > 0 && positions[i] <= positions[i - 1])) {
            return invalid_input(fmt::format(
                "position {}: expected ascending positions from 0 to {}", positions[i], total - 1));
        }
    }
    size_t next = 0;  // the first position not answered yet
    const int32_t kept = keep_prefix(ids, positions.empty() ? total : positions.front());
    for (int32_t done = kept; done < total;) {
        const int32_t count = std::min(device_->batch_rows_max(), total - done);
        std::vector<int32_t> rows;
        for (size_t i = next; i < positions.size() && positions[i] < done + count; ++i) {
            rows.push_back(positions[i] - done);
        }
        const int32_t vocabulary = model_->config().vocabulary;
        compute(ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count)),
                want_all(rows, vocabulary, out + next * static_cast<size_t>(vocabulary)));
        next += rows.size();
        done += count;
    }
    return {};
}

}  // namespace facet
