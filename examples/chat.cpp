// Two conversations with one model at the same time: one goes on for a second turn, of which the
// model reads only what is new; the other is ended after a few words.
//
//     chat_cpp [MODEL.gguf]
//
//     c++ -std=c++20 chat.cpp $(pkg-config --cflags --libs facet) -o chat_cpp
//
// The conversations go to stdout; the memory plan and the model's counters go to stderr.
#include <cstdlib>
#include <facet/facet.hpp>
#include <iostream>
#include <string>
#include <vector>

#ifndef DEMO_MODEL
#define DEMO_MODEL "models/facet-demo-Q8_0.gguf"  // from the top of the project
#endif

namespace {

using facet::api::Message;

constexpr size_t kFewTokens = 8;

void print_turn(const std::vector<Message>& messages, const facet::api::Reply& reply) {
    std::cout << "> " << messages.back().content << "\n"
              << reply.text
              << (reply.finish == FACET_FINISH_CANCELLED ? " ... (cancelled)\n" : "\n");
}

void talk(const std::string& path) {
    std::cerr << "plan: " << facet::api::Model::plan(path) << "\n";
    facet::api::Model model(path);
    const facet::api::GenerationOptions greedy{.temperature = 0.0f};

    std::vector<Message> sums = {{"user", "What is 7 plus 5?"}};
    const std::vector<Message> story = {{"user", "Tell me a story."}};
    // Both are computed together, in the engine's thread; the handler is called there.
    const facet::api::Request first = model.start(facet::api::chat_request(sums), greedy);
    const facet::api::Request second =
        model.start(facet::api::chat_request(story), greedy,
                    [tokens = size_t{0}](const facet::api::Event& event) mutable {
                        return event.kind != FACET_EVENT_TEXT || ++tokens < kFewTokens;
                    });
    const facet::api::Reply sum = first.wait();
    print_turn(sums, sum);
    print_turn(story, second.wait());

    // A session is for who would rather wait.
    sums.push_back({"assistant", sum.text});
    sums.push_back({"user", "What is the capital of France?"});
    facet::api::Session session(model);
    const facet::api::Reply next = session.chat(facet::api::chat_request(sums), greedy);
    print_turn(sums, next);
    std::cout << "(" << next.usage.cached_tokens << " of " << next.usage.prompt_tokens
              << " tokens were known)\n";
    std::cerr << "metrics: " << model.metrics() << "\n";
}

}  // namespace

int main(int argc, char** argv) {
    try {
        talk(argc > 1 ? argv[1] : DEMO_MODEL);
        return EXIT_SUCCESS;
    } catch (const facet::api::Error& error) {
        std::cerr << "chat: " << error.what() << "\n";
        return EXIT_FAILURE;
    }
}
