// A model behind HTTP: all endpoints together.
//
// Owns: which path does what, and the order in which things end. Must not know: flags, signals.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "endpoints/call_metrics.h"
#include "endpoints/reply_call.h"
#include "endpoints/served_model.h"
#include "serve/http_server.h"

namespace facet::endpoints {

class ModelServer {
  public:
    // Listens and serves until it is destroyed, or drained. Errors: as HttpServer::start().
    static Result<std::unique_ptr<ModelServer>> start(serve::HttpServerOptions http,
                                                      ServedModel served);
    // Cancels what runs.
    ~ModelServer();

    const std::vector<std::string>& urls() const { return http_->urls(); }
    uint16_t port() const { return http_->port(); }
    // As HttpServer::drain().
    bool drain(std::chrono::milliseconds patience) { return http_->drain(patience); }

  private:
    explicit ModelServer(ServedModel served)
        : served_(std::move(served)), calls_(served_.model, metrics_) {}
    serve::Router router();
    void add_replies(serve::Router& router);
    void add_facts(serve::Router& router);
    void add_text(serve::Router& router);

    const ServedModel served_;
    CallMetrics metrics_;
    ReplyCalls calls_;
    std::unique_ptr<serve::HttpServer> http_;  // ends before what it uses
    // The same once start() is over; requests may come before.
    std::atomic<const serve::HttpServer*> listening_ = nullptr;
};

}  // namespace facet::endpoints
