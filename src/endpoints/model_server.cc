#include "endpoints/model_server.h"

#include "endpoints/api_errors.h"
#include "endpoints/chat_completions.h"
#include "endpoints/completions.h"
#include "endpoints/fields.h"
#include "endpoints/messages.h"
#include "endpoints/metrics_text.h"
#include "endpoints/responses.h"
#include "serve/responder.h"

namespace facet::endpoints {

namespace {

using serve::Request;
using serve::Responder;
using serve::Response;

// An answer made at once: JSON, or an error.
using Answer = std::function<Result<Json>(const Request&)>;

serve::Handler at_once(Answer answer) {
    return [answer = std::move(answer)](Request request, Responder responder) {
        try {
            const Result<Json> json = answer(request);
            responder.send(json.ok() ? serve::json_response(200, json.value().dump())
                                     : error_answer(json.error()));
        } catch (const api::Error& error) {
            responder.send(error_answer(error_of(error.status(), error.what())));
        }
    };
}

Json model_json(const ServedModel& served) {
    Json json = Json::object();
    return json.set("id", Json::of(served.name))
        .set("object", Json::of("model"))
        .set("created", Json::integer(served.created))
        .set("owned_by", Json::of("facet"))
        .set("context_length", Json::integer(served.context))
        .set("max_model_len", Json::integer(served.context));
}

// llama.cpp's form: {"content", "add_special", "parse_special", "with_pieces"}.
Result<Json> tokenize(const ServedModel& served, const Request& request) {
    const Json body = FACET_TRY(parse_body(request.body));
    const Json* content = FACET_TRY(required_field(body, "content"));
    if (!content->is_string()) return invalid_input("content: expected a text");
    const bool special = FACET_TRY(bool_field(body, "parse_special")).value_or(true);
    const bool pieces = FACET_TRY(bool_field(body, "with_pieces")).value_or(false);
    std::vector<int32_t> ids;
    if (FACET_TRY(bool_field(body, "add_special")).value_or(false))
        ids = served.model.tokenize("<bos>", true);
    const std::vector<int32_t> text = served.model.tokenize(content->text, special);
    ids.insert(ids.end(), text.begin(), text.end());
    Json tokens = Json::array();
    for (const int32_t id : ids) {
        Json token = Json::integer(id);
        if (pieces) {
            Json piece = Json::object();
            piece.set("id", std::move(token))
                .set("piece", Json::of(served.model.detokenize(std::span(&id, 1), true)));
            token = std::move(piece);
        }
        tokens.push(std::move(token));
    }
    Json json = Json::object();
    return json.set("tokens", std::move(tokens));
}

Result<Json> detokenize(const ServedModel& served, const Request& request) {
    const Json body = FACET_TRY(parse_body(request.body));
    const Json* tokens = FACET_TRY(required_field(body, "tokens"));
    if (!tokens->is_array()) return invalid_input("tokens: expected a list of token ids");
    std::vector<int32_t> ids;
    const int32_t size = served.model.vocabulary_size();
    for (const Json& token : tokens->items) {
        const auto id = token.to_integer();
        if (!id.ok() || id.value() < 0 || id.value() >= size) {
            return invalid_input("tokens: expected token ids from 0 to " +
                                 std::to_string(size - 1));
        }
        ids.push_back(static_cast<int32_t>(id.value()));
    }
    Json json = Json::object();
    return json.set("content", Json::of(served.model.detokenize(ids, true)));
}

}  // namespace

Result<std::unique_ptr<ModelServer>> ModelServer::start(serve::HttpServerOptions http,
                                                        ServedModel served) {
    std::unique_ptr<ModelServer> server(new ModelServer(std::move(served)));
    server->http_ = FACET_TRY(serve::HttpServer::start(std::move(http), server->router()));
    server->listening_ = server->http_.get();
    return server;
}

ModelServer::~ModelServer() = default;

serve::Router ModelServer::router() {
    serve::Router router;
    add_replies(router);
    add_facts(router);
    add_text(router);
    return router;
}

void ModelServer::add_replies(serve::Router& router) {
    using ReadCall = Result<ReplyCallRequest> (*)(const ServedModel&, std::string_view);
    const auto add = [&](const char* path, ReadCall read) {
        router.add("POST", path, [this, read](Request request, Responder responder) {
            Result<ReplyCallRequest> call = read(served_, request.body);
            if (!call.ok()) return responder.send(error_answer(call.error()));
            calls_.start(call.take(), request, std::move(responder));
        });
    };
    add("/v1/chat/completions", chat_completion_call);
    add("/v1/completions", completion_call);
    add("/v1/messages", message_call);
    add("/v1/responses", response_call);
}

void ModelServer::add_facts(serve::Router& router) {
    router.add("GET", "/v1/models", at_once([this](const Request&) -> Result<Json> {
                   Json list = Json::array();
                   list.push(model_json(served_));
                   Json json = Json::object();
                   return json.set("object", Json::of("list")).set("data", std::move(list));
               }));
    // Names hold slashes with some clients.
    router.add("GET", "/v1/models/*", at_once([this](const Request& request) -> Result<Json> {
                   const std::string& name = request.path_parameters.front();
                   if (name == served_.name) return model_json(served_);
                   return Error{ErrorKind::kNotFound, "there is no model \"" + name + "\" here"};
               }));
    router.add("GET", "/health", at_once([this](const Request&) -> Result<Json> {
                   const serve::HttpServer* http = listening_;
                   if (http != nullptr && http->draining())
                       return Error{ErrorKind::kBusy, "the server is about to end"};
                   Json json = Json::object();
                   return json.set("status", Json::of("ok"));
               }),
               false);
    router.add("GET", "/metrics", [this](Request, Responder responder) {
        static const serve::ServerCounters kNothingYet;
        const serve::HttpServer* http = listening_;
        const Result<Json> engine = Json::parse(served_.model.metrics());
        Response response;
        response.headers.add("content-type", "text/plain; version=0.0.4; charset=utf-8");
        response.body = metrics_text(engine.value(),
                                     http != nullptr ? http->counters() : kNothingYet, metrics_);
        responder.send(std::move(response));
    });
}

void ModelServer::add_text(serve::Router& router) {
    router.add("POST", "/tokenize",
               at_once([this](const Request& request) { return tokenize(served_, request); }));
    router.add("POST", "/v1/messages/count_tokens", at_once([this](const Request& request) {
                   return count_tokens(served_, request.body);
               }));
    router.add("POST", "/detokenize",
               at_once([this](const Request& request) { return detokenize(served_, request); }));
}

}  // namespace facet::endpoints
