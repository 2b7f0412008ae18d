// See access_log.h.
#include "serve/access_log.h"

#include <fmt/chrono.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cmath>

namespace facet::serve {

namespace {

constexpr size_t kQueuedLinesMax = 8192;

std::string_view name_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::kDone: return "done";
        case Outcome::kClientLeft: return "client_left";
        case Outcome::kSlowClient: return "slow_client";
        case Outcome::kAbandoned: return "abandoned";
        case Outcome::kServerClosed: return "server_closed";
    }
    return "done";
}

Json rounded(double milliseconds) { return Json::number(std::round(milliseconds * 1000) / 1000); }

Json integer(uint64_t value) { return Json::integer(static_cast<long long>(value)); }

std::string utc(std::chrono::system_clock::time_point time) {
    using std::chrono::duration_cast, std::chrono::milliseconds;
    const auto since = duration_cast<milliseconds>(time.time_since_epoch()).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(static_cast<time_t>(since / 1000)), since % 1000);
}

}  // namespace

Json to_json(const AccessRecord& record) {
    Json out = Json::object();
    out.set("id", Json::of(record.id))
        .set("peer", Json::of(record.peer))
        .set("method", Json::of(record.method))
        .set("path", Json::of(record.path))
        .set("status", record.status > 0 ? Json::integer(record.status) : Json::null())
        .set("outcome", Json::of(name_of(record.outcome)))
        .set("streamed", Json::of(record.streamed))
        .set("request_body_bytes", integer(record.request_body_bytes))
        .set("bytes_sent", integer(record.bytes_sent))
        .set("first_byte_ms", rounded(record.first_byte_ms))
        .set("total_ms", rounded(record.total_ms));
    return out;
}

struct JsonLinesLog::Sink {
    // The thread goes first, and with it the last lines: then nobody else has the logger.
    std::shared_ptr<spdlog::async_logger> logger;
    std::shared_ptr<spdlog::details::thread_pool> thread;
};

JsonLinesLog::JsonLinesLog(std::unique_ptr<Sink> sink) : sink_(std::move(sink)) {}

JsonLinesLog::~JsonLinesLog() = default;

Result<std::unique_ptr<JsonLinesLog>> JsonLinesLog::open(const std::string& path) {
    auto sink = std::make_unique<Sink>();
    try {
        spdlog::sink_ptr target;
        if (path == "-") {
            target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            target = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
        }
        target->set_pattern("%v");
        sink->thread = std::make_shared<spdlog::details::thread_pool>(kQueuedLinesMax, 1);
        sink->logger = std::make_shared<spdlog::async_logger>(
            "requests", target, sink->thread, spdlog::async_overflow_policy::overrun_oldest);
        // A line is worth its write: who follows the log sees it at once.
        sink->logger->flush_on(spdlog::level::info);
    } catch (const spdlog::spdlog_ex& error) {
        return Error{ErrorKind::kIo, error.what()};
    }
    return std::unique_ptr<JsonLinesLog>(new JsonLinesLog(std::move(sink)));
}

void JsonLinesLog::write(std::string_view event, const Json& fields,
                         std::chrono::system_clock::time_point time) {
    Json line = Json::object();
    line.set("time", Json::of(utc(time))).set("event", Json::of(event));
    for (const auto& [name, value] : fields.members) line.set(name, value);
    sink_->logger->info(spdlog::string_view_t(line.dump()));
}

void JsonLinesLog::flush() { sink_->logger->flush(); }

}  // namespace facet::serve
