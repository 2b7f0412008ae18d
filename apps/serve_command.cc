// `facet serve`: the model behind the OpenAI API.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <memory>

#include "api.h"
#include "commands.h"
#include "console.h"
#include "endpoints/model_server.h"
#include "interrupt.h"
#include "loading_view.h"
#include "model_file.h"
#include "options.h"
#include "serve/serve_options.h"
#include "terminal_text.h"

namespace facet::app {

namespace {

using endpoints::ModelServer;
using endpoints::ServedModel;

struct Given {
    ModelOptions model;
    std::string alias;
    bool no_thinking = false;
    int32_t parallel = 0, queue = 0;
    std::vector<serve::Setting> settings;  // of HTTP
};

// The server's own table of options, as flags.
void add_http_options(OptionParser& parser, std::vector<serve::Setting>& settings,
                      std::deque<std::pair<std::string, bool>>& switches) {
    parser.group("HTTP; also as FACET_SERVE_PORT, or as port = 8080 in a file");
    for (const serve::ServeOption& option : serve::serve_option_table()) {
        const std::string flag = "--" + std::string(option.name);
        if (option.placeholder.empty()) {
            parser.flag(flag, std::string(option.help),
                        switches.emplace_back(option.name, false).second);
            continue;
        }
        parser.each(flag, std::string(option.placeholder), std::string(option.help),
                    [&settings, name = std::string(option.name), flag](const std::string& value) {
                        settings.push_back({name, value, flag});
                        return Status();
                    });
    }
}

Result<ServedModel> describe(api::Model& model, const std::string& path, const Given& given) {
    ServedModel served{model, given.alias};
    if (served.name.empty()) served.name = std::filesystem::path(path).stem().string();
    served.created = endpoints::unix_time();
    served.context = FACET_TRY(model_number(model.get(), "context"));
    served.thinks = !given.no_thinking;
    served.fingerprint = fmt::format("facet-{}", facet_version());
    return served;
}

// Serves until a signal ends it.
Result<int> serve_model(const std::string& path, const Given& given, serve::ServeOptions options) {
    std::unique_ptr<serve::JsonLinesLog> log;
    if (!options.request_log.empty()) {
        log = FACET_TRY(serve::JsonLinesLog::open(options.request_log));
        options.http.log = [log = log.get()](const serve::AccessRecord& record) {
            log->write(record);
        };
    }
    ApiModelOptions model_options(given.model);
    model_options.set_queue(given.parallel, given.queue);
    LoadingView view(path, *model_options.get());
    facet_model* handle = nullptr;
    FACET_TRY(api_status(facet_model_open(path.c_str(), model_options.get(), &handle)));
    view.end();
    api::Model model(handle);
    const ServedModel served = FACET_TRY(describe(model, path, given));

    EndSignals signals;
    const std::unique_ptr<ModelServer> server =
        FACET_TRY(ModelServer::start(std::move(options.http), served));
    for (const std::string& url : server->urls()) {
        note(fmt::format("{} at {}/v1, context {}, thinking {}; Ctrl-C ends it",
                         neutralize(served.name), url, served.context,
                         served.thinks ? "on" : "off"));
    }
    signals.wait();
    note("no more requests; waiting for running replies (Ctrl-C again to end now)");
    if (!server->drain(options.drain_timeout)) note("some replies were cut short");
    return kExitOk;
}

}  // namespace

int run_serve(int argc, char** argv) {
    // No examples, so that the page fits a screen.
    OptionParser parser("serve [options]",
                        "Puts a model behind the OpenAI API, at http://127.0.0.1:8080/v1.", "");
    Given given;
    std::deque<std::pair<std::string, bool>> switches;
    add_model_options(parser, given.model);
    parser.text("--alias", "NAME", "what the model is called (the file's name)", given.alias);
    parser.flag("--no-thinking", "do not think unless a request asks for it", given.no_thinking);
    parser.integer("--parallel", "N", "replies computed at once (16)", 1, 4096, given.parallel);
    parser.integer("--queue", "N", "requests that may wait (256)", 1, 1 << 20, given.queue);
    add_http_options(parser, given.settings, switches);
    if (const auto code = parser.parse(argc, argv)) return *code;
    if (!parser.words().empty()) return parser.wrong_use("serve takes no words");
    for (const auto& [name, is_on] : switches) {
        if (is_on) given.settings.push_back({name, "true", "--" + name});
    }
    auto options = serve::make_serve_options(given.settings, environ);
    if (!options.ok()) return parser.wrong_use(options.error().message);
    const auto path = find_model_file(given.model.path);
    if (!path.ok()) return fail(path.error());
    const auto code = serve_model(path.value(), given, options.take());
    return code.ok() ? code.value() : fail(code.error());
}

}  // namespace facet::app
