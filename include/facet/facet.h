/* This header is a manual, and its layout is part of it. */
/* clang-format off */
/*
 * Facet: runs Google's Gemma 4 on ordinary computers. The public C API.
 *
 * Everything the program `facet` does, it does through this header. C11; include it from C++ as it
 * is, or take <facet/facet.hpp>, which wraps it with handles that close themselves.
 *
 *
 * A COMPLETE PROGRAM
 *
 *     #include <facet/facet.h>
 *     #include <stdio.h>
 *
 *     static int print_text(const facet_event* event, void* user) {
 *         (void)user;
 *         if (event->kind == FACET_EVENT_TEXT) fwrite(event->text, 1, event->text_bytes, stdout);
 *         return 0;
 *     }
 *
 *     int main(void) {
 *         facet_model* model = NULL;
 *         facet_session* session = NULL;
 *         facet_status status = facet_model_open("model.gguf", NULL, &model);
 *         if (status == FACET_OK) status = facet_session_create(model, NULL, &session);
 *         if (status == FACET_OK)
 *             status = facet_session_chat(
 *                 session, "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}",
 *                 NULL, print_text, NULL);
 *         if (status != FACET_OK) fprintf(stderr, "%s\n", facet_last_error());
 *         facet_session_destroy(session);
 *         facet_model_close(model);
 *         return status != FACET_OK;
 *     }
 *
 *     cc -std=c11 hello.c $(pkg-config --cflags --libs facet)
 *
 * examples/ has longer ones.
 *
 *
 * RULES THAT HOLD FOR ALL FUNCTIONS
 *
 * Ownership   Handles are opaque. What *_open, *_create and *_start give, *_close, *_destroy and
 *             *_free take back; these accept null. Text handed out as char** and ids handed out as
 *             int32_t** belong to the caller, who gives them to facet_free(). What is handed in is
 *             copied, or not needed any more when the function returns, unless it says otherwise.
 *             Where a function fails, handles and texts that it would have given are null or
 *             untouched, and there is nothing to free.
 *
 * Errors      Functions return FACET_OK or why not; facet_last_error() then gives one sentence that
 *             names what was expected and what was found. A null pointer where a value is needed is
 *             FACET_ERROR_INVALID, not a crash. Every function that returns a facet_status may
 *             return FACET_ERROR_MEMORY. No function exits, prints, or throws. A callback must not
 *             throw or jump out (longjmp) either.
 *
 * Threads     A model may be used by any number of threads at once, but for facet_model_close(). A
 *             session belongs to one thread at a time, except facet_session_cancel(), which any
 *             thread or signal handler may call while the session exists. facet_last_error() is
 *             each thread's own. Functions wait for their result unless they say otherwise.
 *
 * Strings     UTF-8, NUL-terminated. Text that carries a length may hold any byte; what is not
 *             valid UTF-8 is replaced by U+FFFD. Options that are null mean the default.
 *
 * JSON        What has structure is JSON: objects with the members that are named. Unknown members
 *             of what is handed in are ignored; what is handed out may get more of them.
 *
 * Units       Sizes in bytes, times in milliseconds, lengths and positions in tokens. Flags are
 *             int32_t, 0 or 1.
 *
 *
 * COMPATIBILITY
 *
 * First cut: names and meanings may still change before version 1.0 (see CHANGELOG.md), and with
 * them the name of the shared library, libfacet.so.0.1. Within one name, programs keep working:
 *
 * - Structs of options keep their size. Start them from their *_default() function, which sets the
 *   `reserved` words to 0 and, in a later library, what they have become. What is not 0 there and
 *   should be is FACET_ERROR_INVALID.
 * - Structs that the library hands to a callback (facet_event, facet_usage) may grow at their end:
 *   read them through the pointer, copy members, and do not keep arrays of them across libraries.
 * - Enumerations may get more values; ignore kinds of events that you do not know.
 */
#ifndef FACET_FACET_H
#define FACET_FACET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* ===== Errors and memory ====================================================================== */

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

/* The version of the library, for example "0.1.0". Static; do not free. Any thread. */
const char* facet_version(void);

/* One sentence on what went wrong in this thread's last call that failed, "" before there was one.
 * Valid until the thread's next call; do not free. */
const char* facet_last_error(void);

/* Frees what this library handed out as char** or int32_t**. Null is accepted. Any thread. */
void facet_free(void* pointer);

/* ===== Models ================================================================================= */

/* A model in memory, with the thread that computes, the keys and values of all its conversations,
 * and what is known of earlier ones. */
typedef struct facet_model facet_model;

/* Bytes of weights that are ready, of all, while a model opens: called in the thread of
 * facet_model_open(), first with `done` 0, last with `done` equal to `total`. Return 0 to go on,
 * anything else to give up (FACET_ERROR_CANCELLED). Not called where nothing is repacked. */
typedef int (*facet_load_fn)(uint64_t done, uint64_t total, void* user);

/* How to open a model. All zero, as facet_model_options_default() gives, is a good choice. */
typedef struct facet_model_options {
    /* Where to compute: "cpu", "reference" (slow, exact), or null for the best this build has. */
    const char* device;
    /* Instruction set of the CPU device, as "avx2"; null = the best of this machine. */
    const char* isa;
    /* How the CPU device keeps keys and values: "f16", or "q8_0" in about half of the memory;
     * null = "f16". */
    const char* kv;
    /* Worker threads; 0 = one a core. */
    int32_t threads;
    /* 1: load the tokenizer only; the file may then be vocabulary-only. There are no
     * sessions, requests or metrics then (FACET_ERROR_INVALID). */
    int32_t vocab_only;
    /* 1: leave the weights in the file and repack them each time they are used. Opens at once,
     * takes little memory of its own, computes more slowly. */
    int32_t mmap;
    /* Progress of opening, or null; and what it gets as `user`. */
    facet_load_fn on_load;
    void* load_user;
    /* Tokens that one conversation may have; 0 = as many as fit into memory, at most the
     * model's. */
    int32_t context;
    /* Bytes for the keys and values of all conversations, running and remembered; 0 = what one full
     * conversation takes, and as much again if it is there. */
    uint64_t kv_bytes;
    /* Replies that are computed at once; 0 = 16. */
    int32_t parallel;
    /* Requests that may wait, beyond which FACET_ERROR_BUSY; 0 = 256. */
    int32_t queue;
    /* Folder where prefixes of conversations are saved, to be known after a restart. It then holds
     * what was said. Null = nothing is saved. */
    const char* cache_dir;
    /* Bytes of all files there; 0 = 8 GB. */
    uint64_t cache_bytes;
    /* Milliseconds between two tokens of a reply, at most, while others' prompts are read;
     * 0 = 1000. */
    int32_t longest_gap_ms;
    /* 0; see COMPATIBILITY. */
    uint64_t reserved[8];
} facet_model_options;

/* Everything at its default. */
facet_model_options facet_model_options_default(void);

/* Opens a Gemma 4 GGUF file, or the first file of a split one.
 *
 *   options  may be null: the default
 *   out      the model, for facet_model_close()
 *
 * The CPU device reads the file once and repacks its weights into memory of its own, unless `mmap`
 * says otherwise. The file must stay as it is while the model is open.
 *
 * Threads: any; takes as long as reading the file does. Ends early only through on_load.
 * Errors: NOT_FOUND no such file. INVALID not a GGUF, inconsistent or damaged, changed while it is
 * read, a context beyond the model's. UNSUPPORTED another architecture, an unknown device,
 * instruction set or kind of keys and values. MEMORY not enough. IO. CANCELLED by on_load. */
facet_status facet_model_open(const char* path, const facet_model_options* options,
                              facet_model** out);

/* Gives a model back. Sessions and requests keep what they need of it alive, so the order of
 * closing does not matter; the memory is free when the last of them is gone. Null is accepted. */
void facet_model_close(facet_model* model);

/* What facet_model_open() with the same arguments would take, before anything is allocated.
 *
 *   json  {"context": tokens that one conversation may have,
 *          "weights_bytes", "work_bytes",
 *          "kv_bytes": keys and values of one conversation that fills the context, in
 *          "kv_sliding_bytes" and "kv_global_bytes"; "kv_budget_bytes": of all conversations,
 *          "total_bytes": with one conversation, "limit_bytes": with all,
 *          "available_bytes": what the machine has left,
 *          "fits": whether the weights and one full conversation do}; for facet_free()
 *
 * Reads the file's header only. Threads: any. Errors: as facet_model_open(), but CANCELLED. */
facet_status facet_model_plan(const char* path, const facet_model_options* options, char** json);

/* What is open.
 *
 *   json  {"name", "variant", "context_length": the model's own limit, "vocabulary", "device",
 *          "context": tokens that one conversation may have here, "memory_plan": as
 *          facet_model_plan(), "warnings": [texts]}; for facet_free(). With vocab_only, device,
 *          context and plan are null
 *
 * Threads: any. Errors: null arguments. */
facet_status facet_model_info(const facet_model* model, char** json);

/* How many token ids there are: valid ids are 0 to this - 1, and a row of logits is this long. 0 if
 * model is null. Threads: any. */
int32_t facet_model_vocabulary_size(const facet_model* model);

/* Counters since the model was opened.
 *
 *   json  {"requests", "finished", "cancelled", "failed", "refused" (BUSY): of replies,
 *          "prompt_tokens", of them "cached_tokens" known before and "computed_tokens",
 *          "reply_tokens", "steps": batches computed, "preempted": replies that had to wait for
 *          memory, "dropped_pages": of remembered conversations,
 *          "running", "waiting": replies now, "kv_used_bytes", "kv_budget_bytes",
 *          "saved_files", "saved_bytes": in cache_dir}; for facet_free()
 *
 * They are as of the last step, so a reply may end before it is counted.
 *
 * Threads: any, and it does not wait for a reply. Errors: null arguments, vocab_only. */
facet_status facet_model_metrics(const facet_model* model, char** json);

/* ===== Files and speed ======================================================================== */

/* What a file holds and what running it takes, without opening it as a model: what `facet inspect
 * --json` prints (variant, counts by type, bytes a token by group, tensors, memory plan, KV memory
 * of long contexts, warnings).
 *
 *   context  tokens to plan for; 0 = as many as fit
 *   measure  1: measure this machine for most of a second; "prediction" then says how fast the
 *            model will run on it and what limits it
 *   json     for facet_free()
 *
 * Threads: any. Errors: as facet_model_plan(). */
facet_status facet_inspect(const char* path, int32_t context, int32_t measure, char** json);

/* A line of text for each measurement of facet_bench() as it is made; `line` is valid during the
 * callback. */
typedef void (*facet_line_fn)(const char* line, void* user);

/* Speed of a model on this machine, beside what the machine can do at best: what `facet bench
 * --json` prints. Opens the model, takes minutes with a large one, and closes it.
 *
 *   path           may be null with "synthetic"
 *   model_options  may be null
 *   options_json   {"prompt": [512], "generate": [64], "depth": [0], "repetitions": 5: lengths and
 *                  runs of the tests, "largest": 64: how many of the largest logits a decoded token
 *                  asks for, 0 for all, "synthetic": "26b-a4b": instead of a file a model of that
 *                  shape, "type": "Q4_K_M": with random weights of that mix of types}; all
 *                  optional, and so is the text, which may be null
 *   on_line        may be null; called in the thread of the call
 *   json           for facet_free()
 *
 * Threads: any, but what else runs is measured with it. Errors: as facet_model_open(), and options
 * that are no such thing. */
facet_status facet_bench(const char* path, const facet_model_options* model_options,
                         const char* options_json, facet_line_fn on_line, void* user, char** json);

/* ===== Text =================================================================================== */

/* Text to token ids; no <bos> is added.
 *
 *   text, text_bytes  any bytes; need not end in NUL
 *   parse_special     1: special strings in the text, as <|turn>, become special tokens. 0: the
 *                     text is plain whatever it contains; use this for what people or tools wrote
 *   ids, count        the ids, for facet_free(), also where there are none
 *
 * Threads: any. Errors: a model without a tokenizer. */
facet_status facet_tokenize(const facet_model* model, const char* text, size_t text_bytes,
                            int32_t parse_special, int32_t** ids, size_t* count);

/* Token ids to text.
 *
 *   show_special  1: special tokens appear as their text, 0: not at all
 *   text          NUL-terminated, for facet_free(); it may hold NULs itself
 *   text_bytes    its length without the last NUL; may be null
 *
 * Threads: any. Errors: an id outside the vocabulary, a model without a tokenizer. */
facet_status facet_detokenize(const facet_model* model, const int32_t* ids, size_t count,
                              int32_t show_special, char** text, size_t* text_bytes);

/* A CHAT REQUEST, for facet_render(), facet_session_chat() and facet_request_start(), is
 *
 *     {"messages": [{"role": "user", "content": "What is 7 plus 5?"}, ...],
 *      "tools": [...] or null,
 *      "options": {"enable_thinking": true, ...}}
 *
 * with messages and tools in the form of OpenAI's chat completions: roles "system" (or
 * "developer"), "user", "assistant" and "tool", content as a text or as a list of parts,
 * "tool_calls" in assistant's messages and "tool_call_id" in the tool's. Send the whole
 * conversation each time; what is known of it is not computed again. No text in a message can
 * become a special token. Options:
 *
 *     "enable_thinking"        let the model think first (false)
 *     "preserve_thinking"      keep the thoughts of earlier turns (false)
 *     "add_generation_prompt"  end with the opening of the model's turn (true)
 *     "template"               "large" or "small", the two of Gemma 4 (the model's own)
 *     "exact"                  the official template byte for byte, instead of the form that is
 *                              best for serving (false)
 *
 * What may be said is limited by these members, in OpenAI's form; a thought before it is free:
 *
 *     "tool_choice"            "auto": as the model likes (the default), "none", "required", or
 *                              {"type": "function", "function": {"name": one of the tools'}}
 *     "parallel_tool_calls"    false: one call at most (true)
 *     "response_format"        {"type": "json_object"}, or {"type": "json_schema", "json_schema":
 *                              {"schema": a JSON Schema}}: the answer is a text of that form
 *     "grammar"                the answer matches this grammar, written as GBNF; its root is "root"
 *     "regex"                  the answer matches this regular expression as a whole
 *     "choice"                 the answer is one of these texts
 *
 * Calls are well-formed calls of the request's tools in any case; with "strict": true in a tool's
 * "function" they keep to its schema exactly. What can not be enforced is an error. A reply that
 * ends with FACET_FINISH_LENGTH may be cut anywhere.
 *
 *     "logprobs"               0 to 20: FACET_EVENT_LOGPROBS for each token of the answer, with so
 *                              many of the likeliest tokens in its place
 *
 * In place of "messages", "prompt" is continued without a chat: a text, in which special strings
 * stand for special tokens and before which <bos> is put, or a list of token ids as they are. All
 * output is then FACET_EVENT_TEXT.
 */

/* Chat request to prompt, as facet_session_chat() would use it.
 *
 *   json  {"rendered": the prompt with special tokens as their text, "ids": [..], "opens_thought":
 *          whether it ends inside a thought}; for facet_free()
 *
 * Threads: any. Errors: INVALID a malformed request; the sentence names the member. */
facet_status facet_render(const facet_model* model, const char* request_json, char** json);

/* A model's raw output to its meaning.
 *
 *   request_json  {"raw": text in which special strings stand for the special tokens,
 *                  "prompt_opened_thought": false, "ended_by": "stop" or "length",
 *                  "tools": [..] or null}
 *   json          {"reasoning", "content", "tool_calls": [{"name", "arguments": {..}}],
 *                  "repaired": a damaged call was mended, "malformed": one could not be,
 *                  "finish_reason"}; for facet_free()
 *
 * Threads: any. Errors: INVALID a malformed request. Output is never an error, however odd. */
facet_status facet_parse(const facet_model* model, const char* request_json, char** json);

/* ===== Sessions =============================================================================== */

/* Somebody who asks: one call at a time, any number of sessions side by side, whose replies are
 * computed together. A session holds no conversation: what was computed for one is known to all,
 * and a request reads only the part of its prompt that no earlier one began with. */
typedef struct facet_session facet_session;

typedef struct facet_session_options {
    /* Tokens that prompt and reply may have; 0 = the model's `context`. */
    int32_t context;
    /* Requests with a higher one go first; 0. */
    int32_t priority;
    /* Milliseconds after which a reply ends with FACET_FINISH_DEADLINE, waiting included; 0 = no
     * limit. */
    int64_t deadline_ms;
    /* 0; see COMPATIBILITY. */
    uint64_t reserved[4];
} facet_session_options;

/* Everything at its default. */
facet_session_options facet_session_options_default(void);

/* Makes a session; cheap.
 *
 *   options  may be null: the default
 *   out      for facet_session_destroy()
 *
 * Threads: any. Errors: INVALID a context beyond what the model was opened with; a model opened
 * with vocab_only. */
facet_status facet_session_create(facet_model* model, const facet_session_options* options,
                                  facet_session** out);

/* Null is accepted. No call of the session may be running. */
void facet_session_destroy(facet_session* session);

/* Ends the session's running chat or generate call at the next token, with FACET_FINISH_CANCELLED.
 * Without a running call it has no effect. Threads: any; async-signal-safe. Null is accepted. */
void facet_session_cancel(facet_session* session);

/* Logits, after the soft-cap, of chosen positions.
 *
 *   ids        used as given: no <bos> is added
 *   positions  [position_count], ascending, each below count
 *   logits     [position_count, facet_model_vocabulary_size()], overwritten, row by row
 *
 * Threads: the session's. Cannot be cancelled. Errors: INVALID an id outside the vocabulary,
 * positions out of order, more ids than the context. */
facet_status facet_session_logits(facet_session* session, const int32_t* ids, size_t count,
                                  const int32_t* positions, size_t position_count, float* logits);

/* ===== How to generate ======================================================================== */

typedef struct facet_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -100 or less forbids the token */
} facet_logit_bias;

/* How to choose tokens and when to stop. All zero is not a good choice: start from one of the two
 * functions below. Penalties and bias come first, then temperature, top_k, top_p, min_p. */
typedef struct facet_generation_options {
    /* 0 = greedy: always the best token. */
    float temperature;
    /* Keep the k best; 0 = all. */
    int32_t top_k;
    /* Keep the smallest set with this probability; 1 = all. */
    float top_p;
    /* Drop tokens below this share of the best one's probability; 0 = none. */
    float min_p;
    /* Divides positive and multiplies negative logits of tokens seen in prompt or reply; 1 =
     * off. */
    float repetition_penalty;
    /* Subtracted once from the logits of tokens of the reply; 0 = off. */
    float presence_penalty;
    /* Subtracted for each time that a token is in the reply; 0 = off. */
    float frequency_penalty;
    /* [logit_bias_count]; needed until the call, or facet_request_start(), returns. */
    const facet_logit_bias* logit_bias;
    size_t logit_bias_count;
    /* Same seed, request and options, same tokens; negative = a new one each time. */
    int64_t seed;
    /* Tokens of the reply, thoughts included; 0 or less = as many as the context holds. */
    int32_t max_tokens;
    /* [stop_count] texts that end the answer and are not part of it; needed as logit_bias is. */
    const char* const* stop;
    size_t stop_count;
    /* Tokens after which a thought is closed; negative = no limit. */
    int32_t thinking_budget;
    /* 1: end with FACET_FINISH_LENGTH when the output repeats itself. */
    int32_t repetition_guard;
    /* 0; see COMPATIBILITY. */
    uint64_t reserved[8];
} facet_generation_options;

/* Gemma 4's model card: temperature 1.0, top-k 64, top-p 0.95, everything else off. */
facet_generation_options facet_generation_options_default(void);

/* The same with what the model's file recommends (general.sampling.*) in place of the model card's
 * values: what a call does whose options are null. Threads: any. Null gives the model card's. */
facet_generation_options facet_model_generation_options(const facet_model* model);

/* ===== Events ================================================================================= */

typedef enum facet_finish {
    FACET_FINISH_STOP = 0,       /* the model ended its turn, or a stop text came */
    FACET_FINISH_LENGTH = 1,     /* max_tokens, the context, or the repetition guard */
    FACET_FINISH_TOOL_CALLS = 2, /* the model wants its tool calls answered */
    FACET_FINISH_CANCELLED = 3,  /* facet_*_cancel(), or the callback asked for it */
    FACET_FINISH_DEADLINE = 4    /* it took longer than the session's deadline */
} facet_finish;

typedef struct facet_usage {
    int32_t prompt_tokens;
    int32_t cached_tokens;     /* of the prompt, how many were known already */
    int32_t completion_tokens; /* all that were sampled: thought, structure, text, the end token */
    int32_t reasoning_tokens;  /* of those, inside thoughts */
    double prefill_ms;         /* until the first token */
    double decode_ms;          /* from there on */
} facet_usage;

typedef enum facet_event_kind {
    FACET_EVENT_PROGRESS = 0,          /* tokens of the prompt that are computed: done of total */
    FACET_EVENT_THOUGHT = 1,           /* new text of the thought */
    FACET_EVENT_TEXT = 2,              /* new text of the answer */
    FACET_EVENT_TOOL_CALL = 3,         /* a whole call: {"id", "name", "arguments": {..}} as text */
    FACET_EVENT_END = 4,               /* the last one: finish and usage are set, and text where one
                                          of the `stop` texts ended it: which */
    FACET_EVENT_THOUGHT_RETRACTED = 5, /* the thought so far was the answer: it follows as TEXT */
    FACET_EVENT_ERROR = 6,             /* of facet_request_start() only, and instead of END:
                                          status is set, text says why */
    FACET_EVENT_LOGPROBS = 7           /* of a token of the answer, before the text that it makes:
                                          {"token", "bytes", "logprob", "top_logprobs": [the same
                                          of the likeliest]} as text. The probabilities are the
                                          model's own, before penalties, bias, limits and
                                          temperature */
} facet_event_kind;

/* Valid during the callback only, with all that it points to. */
typedef struct facet_event {
    facet_event_kind kind;
    const char* text;         /* valid UTF-8 (no cut character), NUL-terminated; null where none */
    size_t text_bytes;
    int32_t done;             /* PROGRESS */
    int32_t total;
    facet_finish finish;      /* END */
    const facet_usage* usage; /* END, else null */
    facet_status status;      /* ERROR */
} facet_event;

/* Receives the events of one reply, in order. Return 0 to go on, anything else to cancel; END still
 * comes. May call anything but what waits for its own reply. */
typedef int (*facet_event_fn)(const facet_event* event, void* user);

/* ===== Replies that the caller waits for ====================================================== */

/* Answers a chat request.
 *
 *   options   may be null: facet_model_generation_options()
 *   on_event  may be null; called in the thread of the call, the last time with END unless the
 *             function fails. A slow callback does not hold up other conversations
 *
 * A cancelled reply is FACET_OK, with FACET_FINISH_CANCELLED.
 *
 * Threads: the session's. Errors: INVALID a malformed request, an option out of range, a prompt
 * that leaves no room in the context. UNSUPPORTED pictures, sound and video. BUSY. */
facet_status facet_session_chat(facet_session* session, const char* request_json,
                                const facet_generation_options* options, facet_event_fn on_event,
                                void* user);

/* Continues raw ids: the caller writes <bos> and any turn markers. All output is FACET_EVENT_TEXT,
 * with special tokens left out. Otherwise as facet_session_chat().
 *
 *   output, output_count  the sampled ids, the end token included; for facet_free(). Each may be
 *                         null
 *
 * Errors: as facet_session_chat(), and INVALID an id outside the vocabulary. */
facet_status facet_session_generate(facet_session* session, const int32_t* ids, size_t count,
                                    const facet_generation_options* options,
                                    facet_event_fn on_event, void* user, int32_t** output,
                                    size_t* output_count);

/* ===== Replies that come by themselves ======================================================== */

/* A reply that is on its way. */
typedef struct facet_request facet_request;

/* Queues a chat request and returns.
 *
 *   options   may be null: facet_model_generation_options()
 *   session   may be null: facet_session_options_default()
 *   on_event  may be null. Called in the engine's own thread, which may be before this function
 *             returns; the last time with END or ERROR. It must be quick, because all conversations
 *             of the model wait for it, and must not call facet_request_wait(),
 *             facet_request_free(), or functions of sessions that compute
 *   user      must stay valid until facet_request_wait() or facet_request_free() has returned
 *   out       for facet_request_free(); set before the first event
 *
 * Threads: any. Errors: as facet_session_chat(), with no event at all. */
facet_status facet_request_start(facet_model* model, const char* request_json,
                                 const facet_generation_options* options,
                                 const facet_session_options* session, facet_event_fn on_event,
                                 void* user, facet_request** out);

/* Ends the reply at the next token, with FACET_FINISH_CANCELLED. Threads: any, as long as the
 * request is not freed; async-signal-safe. Null is accepted. */
void facet_request_cancel(facet_request* request);

/* Waits until the callback has returned from its last event. Threads: any number, but not a
 * callback. Null is accepted. */
void facet_request_wait(facet_request* request);

/* Cancels a request that still runs, waits for its last event, and frees it. Threads: any, but not
 * a callback. Null is accepted. */
void facet_request_free(facet_request* request);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif /* FACET_FACET_H */
