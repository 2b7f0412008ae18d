#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/forward.h"

namespace facet {

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<Engine> engine) {
    Device* device = FACET_TRY(engine->model().device());
    return std::unique_ptr<Session>(new Session(std::move(engine), device));
}

Session::Session(std::shared_ptr<Engine> engine, Device* device)
    : engine_(std::move(engine)), device_(device) {
    logits_.resize(static_cast<size_t>(model().config().vocabulary));
}

Session::~Session() { drop_sequence(); }

void Session::drop_sequence() {
    const std::lock_guard lock(engine_->device_mutex());
    sequence_.reset();
}

Status Session::check_ids(std::span<const int32_t> ids) const {
    if (ids.empty()) return invalid_input("expected at least one token id, found none");
    if (ids.size() > static_cast<size_t>(context())) {
        return invalid_input(
            fmt::format("{} tokens do not fit the context of {}", ids.size(), context()));
    }
    return check_token_ids(ids, model().config().vocabulary);
}

Status Session::start(std::span<const int32_t> ids, int32_t most) {
    const std::lock_guard lock(engine_->device_mutex());
    sequence_.reset();
    sequence_ = Sequence::create(engine_->tree(), model().config(), context(), ids, most);
    if (sequence_ == nullptr) return no_room_for_keys_and_values();
    return {};
}

Status Session::compute(std::span<const int32_t> tokens, std::span<const WantedRow> wanted) {
    const std::lock_guard lock(engine_->device_mutex());
    const auto count = static_cast<int32_t>(tokens.size());
    if (!sequence_->reserve(count)) return no_room_for_keys_and_values();
    const BatchSequence sequence{&sequence_->cache(), 0, count, sequence_->length()};
    forward(model().config(), *device_, {tokens, {&sequence, 1}, wanted});
    sequence_->note(tokens);
    return {};
}

Result<int32_t> Session::set_ids(std::span<const int32_t> ids) {
    FACET_TRY(check_ids(ids));
    const auto total = static_cast<int32_t>(ids.size());
    // The last id is always computed, because its logits are wanted.
    FACET_TRY(start(ids, total - 1));
    const int32_t reused = sequence_->length();
    for (int32_t done = reused; done < total;) {
        const int32_t count = std::min(device_->batch_rows_max(), total - done);
        const WantedRow last = wanted_of_last(count);
        FACET_TRY(
            compute(ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count)),
                    done + count == total ? std::span(&last, 1) : std::span<const WantedRow>()));
        done += count;
    }
    return reused;
}

Status Session::append(int32_t id) {
    if (sequence_ == nullptr) FACET_TRY(start({}, 0));
    if (sequence_->length() >= context())
        return invalid_input(fmt::format("the context of {} is full", context()));
    const WantedRow last = wanted_of_last(1);
    return compute({&id, 1}, {&last, 1});
}

void Session::forget() {
    const std::lock_guard lock(engine_->device_mutex());
    sequence_.reset();
    engine_->tree().clear();
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
    FACET_TRY(start(ids, positions.empty() ? total : positions.front()));
    for (int32_t done = sequence_->length(); done < total;) {
        const int32_t count = std::min(device_->batch_rows_max(), total - done);
        std::vector<int32_t> rows;
        for (size_t i = next; i < positions.size() && positions[i] < done + count; ++i) {
            rows.push_back(positions[i] - done);
        }
        const int32_t vocabulary = model().config().vocabulary;
        FACET_TRY(
            compute(ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count)),
                    want_all(rows, vocabulary, out + next * static_cast<size_t>(vocabulary))));
        next += rows.size();
        done += count;
    }
    return {};
}

}  // namespace facet
