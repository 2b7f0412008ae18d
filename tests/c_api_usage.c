/* The public header from a C program: opens the demo, asks, collects. Compiled as C11 with all
 * warnings as errors. */
#include <stdio.h>
#include <string.h>

#include "facet/facet.h"

struct answer {
    char text[256];
    int ended;
};

static int on_event(const facet_event* event, void* user) {
    struct answer* answer = user;
    if (event->kind == FACET_EVENT_TEXT) {
        strncat(answer->text, event->text, sizeof answer->text - strlen(answer->text) - 1);
    }
    if (event->kind == FACET_EVENT_END) answer->ended = 1;
    return 0;
}

/* Returns 0 and fills `out` (out_bytes long) with the answer to "What is 7 plus 5?". */
int facet_c_usage(const char* path, char* out, size_t out_bytes) {
    facet_model* model = NULL;
    facet_session* session = NULL;
    struct answer answer = {"", 0};
    int failed = 1;
    if (facet_model_open(path, NULL, &model) == FACET_OK &&
        facet_session_create(model, NULL, &session) == FACET_OK &&
        facet_session_chat(
            session, "{\"messages\": [{\"role\": \"user\", \"content\": \"What is 7 plus 5?\"}]}",
            NULL, on_event, &answer) == FACET_OK &&
        answer.ended) {
        snprintf(out, out_bytes, "%s", answer.text);
        failed = 0;
    }
    facet_model_close(model); /* before its session: allowed */
    facet_session_destroy(session);
    return failed;
}
