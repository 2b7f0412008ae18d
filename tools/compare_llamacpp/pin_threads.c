/* Gives each thread that a program starts a CPU of its own. Preloaded into llama.cpp's process,
 * which starts threads for each step: left alone, a new thread often shares its creator's CPU for
 * milliseconds while both spin. Facet pins its threads itself.
 *
 * The thread that starts others for a computation is not the process's first one here; it keeps the
 * first allowed CPU, and the k-th of each round of (PIN_THREADS - 1) it starts gets the k-th next.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int (*create_fn)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

static int cpus[CPU_SETSIZE], cpu_count;
static __thread int started;

static void pin(pthread_t thread, int index) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus[index % cpu_count], &set);
    pthread_setaffinity_np(thread, sizeof set, &set);
}

__attribute__((constructor)) static void list_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus[cpu_count++] = cpu;
    }
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
    static create_fn create;
    if (create == NULL) create = (create_fn)dlsym(RTLD_NEXT, "pthread_create");
    const char* wanted = getenv("PIN_THREADS");
    const int threads = wanted != NULL ? atoi(wanted) : 0;
    const int first = syscall(SYS_gettid) == getpid();
    if (first || threads < 2 || cpu_count < threads)
        return create(thread, attributes, body, argument);
    if (started == 0) pin(pthread_self(), 0);
    pthread_attr_t copy;
    size_t stack = 0;
    pthread_attr_init(&copy);
    if (attributes != NULL && pthread_attr_getstacksize(attributes, &stack) == 0)
        pthread_attr_setstacksize(&copy, stack);
    /* In the attributes, not afterwards: the thread must not run elsewhere first. */
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus[(started++ % (threads - 1) + 1) % cpu_count], &set);
    pthread_attr_setaffinity_np(&copy, sizeof set, &set);
    const int result = create(thread, &copy, body, argument);
    pthread_attr_destroy(&copy);
    return result;
}
