/* Asks a model one question and prints the answer as it comes.
 *
 *     chat [MODEL.gguf [QUESTION]]
 *
 *     cc -std=c11 chat.c $(pkg-config --cflags --libs facet) -o chat
 *
 * The answer goes to stdout; the memory plan and what the answer took go to stderr. */
#include <facet/facet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DEMO_MODEL
#define DEMO_MODEL "models/facet-demo-Q8_0.gguf" /* from the top of the project */
#endif

/* Receives the parts of the answer in order; returning something else than 0 would end it. */
static int on_event(const facet_event* event, void* user) {
    switch (event->kind) {
        case FACET_EVENT_TEXT:
            fwrite(event->text, 1, event->text_bytes, stdout);
            fflush(stdout);
            break;
        case FACET_EVENT_END: *(facet_usage*)user = *event->usage; break;
        default: break; /* progress, thoughts, tool calls */
    }
    return 0;
}

/* A request with one message, to be freed; null without memory. What people write must not be able
 * to end the text that it stands in, so quotation marks and control characters are escaped. */
static char* request_of(const char* question) {
    static const char before[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"";
    static const char after[] = "\"}]}";
    char* request = malloc(sizeof before + 6 * strlen(question) + sizeof after);
    if (request == NULL) return NULL;
    char* end = request + sprintf(request, "%s", before);
    for (const char* c = question; *c != '\0'; ++c) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20) {
            end += sprintf(end, "\\u%04x", (unsigned)*c);
        } else {
            *end++ = *c;
        }
    }
    sprintf(end, "%s", after);
    return request;
}

/* What opening the model would take: known before anything is allocated. */
static facet_status print_plan(const char* path) {
    char* plan = NULL;
    const facet_status status = facet_model_plan(path, NULL, &plan);
    if (status == FACET_OK) fprintf(stderr, "plan: %s\n", plan);
    facet_free(plan);
    return status;
}

static facet_status ask(facet_model* model, const char* question) {
    facet_session* session = NULL;
    facet_status status = facet_session_create(model, NULL, &session);
    if (status != FACET_OK) return status;
    facet_generation_options options = facet_model_generation_options(model);
    options.temperature = 0; /* the same answer each time */
    facet_usage usage = {0};
    char* request = request_of(question);
    if (request == NULL) {
        facet_session_destroy(session);
        return FACET_ERROR_MEMORY;
    }
    status = facet_session_chat(session, request, &options, on_event, &usage);
    free(request);
    facet_session_destroy(session);
    if (status != FACET_OK) return status;
    printf("\n");
    fprintf(stderr, "%d tokens read in %.0f ms, %d written in %.0f ms\n", usage.prompt_tokens,
            usage.prefill_ms, usage.completion_tokens, usage.decode_ms);
    return FACET_OK;
}

int main(int argc, char** argv) {
    const char* path = argc > 1 ? argv[1] : DEMO_MODEL;
    const char* question = argc > 2 ? argv[2] : "What is 7 plus 5?";
    facet_model* model = NULL;
    facet_status status = print_plan(path);
    if (status == FACET_OK) status = facet_model_open(path, NULL, &model);
    if (status == FACET_OK) status = ask(model, question);
    if (status != FACET_OK) fprintf(stderr, "chat: %s\n", facet_last_error());
    facet_model_close(model);
    return status == FACET_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
