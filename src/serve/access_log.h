// A line for each request: what was asked and how it ended, without what was said.
//
// Owns: the record, its JSON line, and the file or stderr that lines go to (spdlog, in its own
// thread, so that a full disk or a stopped terminal does not stop the server). A path is logged
// without its query; headers and bodies never.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace facet::serve {

enum class Outcome {
    kDone,
    kClientLeft,    // before the answer was complete
    kSlowClient,    // took its answer too slowly and was dropped
    kAbandoned,     // the handler's stream ended in the middle
    kServerClosed,  // the server did not wait any longer
};

struct AccessRecord {
    std::chrono::system_clock::time_point time;  // when the head was complete
    std::string id;
    std::string peer;
    std::string method;
    std::string path;
    int status = 0;  // 0: the client left before there was one
    uint64_t request_body_bytes = 0;
    uint64_t bytes_sent = 0;
    double first_byte_ms = 0;  // from the complete head to the answer's
    double total_ms = 0;
    bool streamed = false;
    Outcome outcome = Outcome::kDone;
};

// Called on the I/O thread after each request; must not wait.
using AccessLog = std::function<void(const AccessRecord&)>;

Json to_json(const AccessRecord& record);

class JsonLinesLog {
  public:
    // `path`: a file that is appended to, or "-" for stderr. Errors: the file can not be opened.
    static Result<std::unique_ptr<JsonLinesLog>> open(const std::string& path);
    ~JsonLinesLog();

    // Adds "time" (UTC) and "event" before the members of `fields` and queues the line. If lines
    // come faster than they can be written, the oldest are dropped.
    void write(std::string_view event, const Json& fields,
               std::chrono::system_clock::time_point time = std::chrono::system_clock::now());
    void write(const AccessRecord& record) { write("request", to_json(record), record.time); }
    void flush();

  private:
    struct Sink;
    explicit JsonLinesLog(std::unique_ptr<Sink> sink);

    std::unique_ptr<Sink> sink_;
};

}  // namespace facet::serve
