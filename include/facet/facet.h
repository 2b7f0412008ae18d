/* Facet: runs Google's Gemma 4 on ordinary computers. The public C API.
 *
 * First cut: names and meanings may still change before version 1.0; see CHANGELOG.md.
 *
 * Ownership   Handles are opaque; each *_open / *_create has its *_close / *_destroy, and null is
 * accepted there. Text handed out as `char**` belongs to the caller: facet_free(). Ids handed out
 * as `int32_t**` too. Strings     UTF-8. Text that carries a length may hold any byte; invalid
 * UTF-8 is replaced by U+FFFD. JSON texts are objects or arrays as named; unknown members are
 * ignored. Errors      Functions return FACET_OK or an error code; facet_last_error() then gives
 * one sentence that names what was expected and what was found. No function exits, prints, or
 * throws. Threads     A model may be used by any number of threads at once. A session belongs to
 * one thread at a time, except facet_session_cancel(), which any thread (or signal handler) may
 * call. facet_last_error() is per thread. Units       Sizes in bytes, times in milliseconds,
 * positions and lengths in tokens.
 */
#ifndef FACET_FACET_H
#define FACET_FACET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum facet_status {
    FACET_OK = 0,
    FACET_ERROR_INVALID = 1,     /* an argument, file or request is wrong */
    FACET_ERROR_NOT_FOUND = 2,   /* a file does not exist */
    FACET_ERROR_MEMORY = 3,      /* the machine cannot give the memory asked for */
    FACET_ERROR_UNSUPPORTED = 4, /* well-formed, but not something Facet does */
    FACET_ERROR_IO = 5,          /* the system failed to read or write */
    FACET_ERROR_INTERNAL = 6,    /* a mistake of ours */
    FACET_ERROR_CANCELLED = 7,   /* a callback asked for it */
    FACET_ERROR_BUSY = 8         /* too many requests wait already; try again later */
} facet_status;

/* The version of the library, for example "0.1.0". Static; do not free. */
const char* facet_version(void);

/* What went wrong in this thread's last failed call. Valid until that thread's next call; do not
 * free. */
const char* facet_last_error(void);

/* Frees what this library handed out as char** or int32_t**. Null is accepted. */
void facet_free(void* pointer);

/* ---- model
 * ----------------------------------------------------------------------------------------------------
 */

typedef struct facet_model facet_model;

/* Bytes of weights that are ready, of all, while a model opens: in the thread of the call, first
 * with `done` 0, last with `done` equal to `total`. Return 0 to go on, anything else to give up
 * (FACET_ERROR_CANCELLED). Not called where nothing is repacked. */
typedef int (*facet_load_fn)(uint64_t done, uint64_t total, void* user);

typedef struct facet_model_options {
    const char* device; /* "cpu", "reference", or null for the best this build has */
    const char* isa; /* the CPU device's instruction set, as "avx2"; null = this machine's best */
    const char* kv;  /* how the CPU device keeps keys and values: "f16", or "q8_0" in about half of
                        the memory; null = "f16" */
    int32_t threads; /* worker threads; 0 = one a core */
    int32_t vocab_only; /* 1: load the tokenizer only; the file may be vocabulary-only */
    int32_t mmap;       /* 1: leave the weights in the file and repack them each time they are used:
                           opens at once, takes little memory of its own, computes more slowly */
    facet_load_fn on_load;  /* progress of opening; may be null */
    void* load_user;        /* handed to on_load */
    int32_t context;        /* tokens one conversation may have; 0 = as many as fit into memory, at
                               most the model's */
    uint64_t kv_bytes;      /* for the keys and values of all conversations, running and remembered;
                               0 = what one conversation takes, and as much again if it is there */
    int32_t parallel;       /* replies computed at once; 0 = 16 */
    int32_t queue;          /* requests that may wait; 0 = 256 */
    const char* cache_dir;  /* folder where prefixes of conversations are saved, to be known after a
                               restart; it then holds what was said. Null = nothing is saved */
    uint64_t cache_bytes;   /* of all files there; 0 = 8 GB */
    int32_t longest_gap_ms; /* between two tokens of a reply while others' prompts are read;
                               0 = 1000 */
} facet_model_options;

facet_model_options facet_model_options_default(void);

/* Opens a Gemma 4 GGUF file (or the first file of a split one). The CPU device reads the file once
 * and repacks its weights into memory of its own, unless `mmap` says otherwise; the file must stay
 * as it is while the model is open. Errors: no such file, not a GGUF, another architecture, an
 * inconsistent or damaged file, one that changes while it is read, not enough memory, cancelled.
 * `options` may be null. */
facet_status facet_model_open(const char* path, const facet_model_options* options,
                              facet_model** out);
/* Sessions and requests keep what they need of a model alive; the order of closing does not matter.
 */
void facet_model_close(facet_model* model);

/* What facet_model_open() with the same arguments would take, before anything is allocated, as
 * JSON:
 * {"context", "weights_bytes", "kv_bytes" (of one conversation that fills the context),
 * "kv_sliding_bytes", "kv_global_bytes", "kv_budget_bytes" (of all conversations), "work_bytes",
 * "total_bytes" (with one conversation), "limit_bytes" (with all), "available_bytes", "fits"}. */
facet_status facet_model_plan(const char* path, const facet_model_options* options, char** json);

/* What a file holds, as JSON (docs/cli.md, `inspect --json`): variant, counts by type, bytes a
 * token by group, tensors, memory plan, KV memory of long contexts, warnings. `context` is the
 * context length to plan for, 0 = the largest that fits. With `measure` not 0 this machine is
 * measured for most of a second, and "prediction" says how fast the model will run on it and what
 * limits it. */
facet_status facet_inspect(const char* path, int32_t context, int32_t measure, char** json);

/* Speed of a model on this machine, beside what the machine can do at best (docs/cli.md, `bench
 * --json`). options_json: {"prompt": [512], "generate": [64], "depth": [0], "repetitions": 5,
 * "largest": 64, "synthetic": "26b-a4b", "type": "Q4_K_M"}, all optional. "largest": how many of
 * the largest logits a decoded token asks for, 0 for all. With "synthetic" the model is made in
 * memory, of that shape and mix of types with random weights, and `path` may be null. `on_line`, if
 * not null, receives a line of text for each measurement as it is made. */
typedef void (*facet_line_fn)(const char* line, void* user);
facet_status facet_bench(const char* path, const facet_model_options* model_options,
                         const char* options_json, facet_line_fn on_line, void* user, char** json);

/* JSON object: {"name", "variant", "context_length" (the model's), "vocabulary", "device", "context"
 * (of a conversation here), "memory_plan" (as
 * facet_model_plan), "warnings": [..]}. */
facet_status facet_model_info(const facet_model* model, char** json);

/* Counters since the model was opened, as JSON: {"requests", "finished", "cancelled", "failed",
 * "refused", "prompt_tokens", "cached_tokens", "computed_tokens", "reply_tokens", "steps",
 * "preempted", "dropped_pages", "running", "waiting", "kv_used_bytes", "kv_budget_bytes",
 * "saved_files", "saved_bytes"}. */
facet_status facet_model_metrics(const facet_model* model, char** json);

/* ---- text
 * -----------------------------------------------------------------------------------------------------
 */

/* Text to token ids; no <bos> is added. parse_special 1: the special strings in the text become
 * special tokens; 0: the text is plain whatever it contains (use this for text that people or tools
 * wrote). */
facet_status facet_tokenize(const facet_model* model, const char* text, size_t text_bytes,
                            int32_t parse_special, int32_t** ids, size_t* count);

/* Token ids to text. show_special 1: special tokens appear as their text, 0: not at all.
 * Errors: an id outside the vocabulary. The text is NUL-terminated and `text_bytes` long (it may
 * hold NULs). */
facet_status facet_detokenize(const facet_model* model, const int32_t* ids, size_t count,
                              int32_t show_special, char** text, size_t* text_bytes);

/* Chat request to prompt. request_json: {"messages": [..], "tools": [..]|null, "options":
 * {"template": "large"|"small", "add_generation_prompt", "enable_thinking", "preserve_thinking",
 * "exact"}}; messages and tools in OpenAI's form. `template` defaults to the model's own, `exact`
 * (the official template byte for byte) to false. Answers {"rendered": text, "ids": [..],
 * "opens_thought": bool}. */
facet_status facet_render(const facet_model* model, const char* request_json, char** json);

/* A model's raw output to its meaning. request_json: {"raw": text, "prompt_opened_thought": bool,
 * "ended_by": "stop"|"length", "tools": [..]|null}; special strings in `raw` stand for the special
 * tokens. Answers {"reasoning", "content", "tool_calls": [{"name", "arguments"}], "repaired",
 * "malformed", "finish_reason"}. */
facet_status facet_parse(const facet_model* model, const char* request_json, char** json);

/* ---- sessions
 * -------------------------------------------------------------------------------------------------
 */

typedef struct facet_session facet_session;

typedef struct facet_session_options {
    int32_t context;     /* tokens that prompt and reply may have; 0 = what the model was opened
                            with */
    int32_t priority;    /* requests with a higher one go first; 0 */
    int64_t deadline_ms; /* a reply ends with FACET_FINISH_DEADLINE when it takes longer, waiting
                            included; 0 = no limit */
} facet_session_options;

facet_session_options facet_session_options_default(void);

/* Somebody who asks: one call at a time, any number of sessions side by side. What was computed for
 * one is known to all of them: a request reads only the part of its prompt that no earlier one
 * began with. Errors: context beyond the model's. */
facet_status facet_session_create(facet_model* model, const facet_session_options* options,
                                  facet_session** out);
void facet_session_destroy(facet_session* session);

/* Stops a running generate or chat call of this session at the next token; it then ends with
 * FACET_FINISH_CANCELLED. Async-signal-safe. Without a running call it has no effect. */
void facet_session_cancel(facet_session* session);

/* Logits after the soft-cap, for the asked positions of `ids` (used as given, no <bos> added).
 *   positions [position_count], ascending, each below count
 *   logits    [position_count, vocabulary] f32, overwritten
 * Errors: an id outside the vocabulary, more ids than the context. */
facet_status facet_session_logits(facet_session* session, const int32_t* ids, size_t count,
                                  const int32_t* positions, size_t position_count, float* logits);

typedef struct facet_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -100 or less forbids the token */
} facet_logit_bias;

/* How to choose tokens and when to stop. Start from facet_generation_options_default(): Gemma 4's
 * model card (temperature 1.0, top-k 64, top-p 0.95, everything else off). */
typedef struct facet_generation_options {
    float temperature; /* 0 = greedy: always the best token */
    int32_t top_k;     /* keep the k best; 0 = all */
    float top_p;       /* keep the smallest set with this probability; 1 = all */
    float min_p;       /* drop tokens below this share of the best one's probability; 0 = none */
    float repetition_penalty; /* divides positive, multiplies negative logits of tokens seen; 1 =
                                 off */
    float presence_penalty;   /* subtracted once from tokens generated before; 0 = off */
    float frequency_penalty;  /* subtracted for each time a token was generated; 0 = off */
    const facet_logit_bias* logit_bias;
    size_t logit_bias_count;
    int64_t seed;       /* same seed and request, same tokens; negative = a new one each time */
    int32_t max_tokens; /* thoughts included; 0 or less = as many as the context holds */
    const char* const* stop; /* answer text that ends the generation (not included in the output) */
    size_t stop_count;
    int32_t
        thinking_budget; /* thought tokens after which the thought is closed; negative = no limit */
    int32_t repetition_guard; /* 1: end with FACET_FINISH_LENGTH when the output repeats itself */
} facet_generation_options;

facet_generation_options facet_generation_options_default(void);

/* The same with what the model's file recommends (general.sampling.*) in place of the model card's
 * values. */
facet_generation_options facet_model_generation_options(const facet_model* model);

typedef enum facet_finish {
    FACET_FINISH_STOP = 0,       /* the model ended its turn, or a stop string came */
    FACET_FINISH_LENGTH = 1,     /* max_tokens, the context, or the repetition guard */
    FACET_FINISH_TOOL_CALLS = 2, /* the model wants its tool calls answered */
    FACET_FINISH_CANCELLED = 3,  /* facet_session_cancel, or the callback asked for it */
    FACET_FINISH_DEADLINE = 4    /* it took longer than the session's deadline */
} facet_finish;

typedef struct facet_usage {
    int32_t prompt_tokens;
    int32_t cached_tokens;     /* of the prompt, how many were known already */
    int32_t completion_tokens; /* every sampled token: thought, structure, text and the end token */
    int32_t reasoning_tokens;  /* of those, inside thoughts */
    double prefill_ms;
    double decode_ms;
} facet_usage;

typedef enum facet_event_kind {
    FACET_EVENT_PROGRESS = 0,  /* prompt tokens computed: done of total */
    FACET_EVENT_THOUGHT = 1,   /* new text of the thought */
    FACET_EVENT_TEXT = 2,      /* new text of the answer */
    FACET_EVENT_TOOL_CALL = 3, /* a complete call; text is {"id", "name", "arguments": {..}} */
    FACET_EVENT_END = 4,       /* the last event; finish and usage are set */
    FACET_EVENT_THOUGHT_RETRACTED =
        5, /* the thought so far was the answer: its text follows as FACET_EVENT_TEXT */
    FACET_EVENT_ERROR = 6 /* facet_request_start only, instead of FACET_EVENT_END: status is set,
                             text says why */
} facet_event_kind;

typedef struct facet_event {
    facet_event_kind kind;
    const char*
        text; /* valid UTF-8, NUL-terminated, valid during the callback only; null where none */
    size_t text_bytes;
    int32_t done;
    int32_t total;
    facet_finish finish;
    const facet_usage* usage;
    facet_status status;
} facet_event;

/* Receives events in order, in the thread of the call. Return 0 to go on, anything else to cancel.
 */
typedef int (*facet_event_fn)(const facet_event* event, void* user);

/* Answers a chat request (the form of facet_render). What the session already holds of the prompt
 * is reused. Ends with one FACET_EVENT_END, unless it returns an error. `options` null: those of
 * facet_model_generation_options(). Errors: a malformed request, a prompt that leaves no room in
 * the context. */
facet_status facet_session_chat(facet_session* session, const char* request_json,
                                const facet_generation_options* options, facet_event_fn on_event,
                                void* user);

/* Continues raw ids (the caller writes <bos> and any turn markers). All output is FACET_EVENT_TEXT
 * with special tokens left out. Otherwise as facet_session_chat. With `output` not null it receives
 * the sampled ids, the end token included, which the caller frees. */
facet_status facet_session_generate(facet_session* session, const int32_t* ids, size_t count,
                                    const facet_generation_options* options,
                                    facet_event_fn on_event, void* user, int32_t** output,
                                    size_t* output_count);

/* ---- requests that run by themselves
 * --------------------------------------------------------------------------------------------------
 */

typedef struct facet_request facet_request;

/* Queues a chat request (as facet_session_chat) and returns. Events come in the engine's own
 * thread, one request's in order, until FACET_EVENT_END or FACET_EVENT_ERROR; the callback must be
 * quick, because all conversations wait for it, and must not call facet_request_free(). `session`
 * may be null. Errors: as facet_session_chat, and FACET_ERROR_BUSY. */
facet_status facet_request_start(facet_model* model, const char* request_json,
                                 const facet_generation_options* options,
                                 const facet_session_options* session, facet_event_fn on_event,
                                 void* user, facet_request** out);
/* Ends the reply at the next token, with FACET_FINISH_CANCELLED. Async-signal-safe. */
void facet_request_cancel(facet_request* request);
/* Cancels a request that still runs, waits for its last event, and frees it. Null is accepted. */
void facet_request_free(facet_request* request);

#ifdef __cplusplus
}
#endif

#endif /* FACET_FACET_H */
