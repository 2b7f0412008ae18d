// GET /metrics: counters of the engine and of the server in Prometheus' text format.
// Source: prometheus.io, "Exposition formats", version 0.0.4.
#pragma once

#include <string>

#include "base/json.h"
#include "endpoints/call_metrics.h"
#include "serve/server_counters.h"

namespace facet::endpoints {

// engine: facet_model_metrics().
std::string metrics_text(const Json& engine, const serve::ServerCounters& server,
                         const CallMetrics& calls);

}  // namespace facet::endpoints
