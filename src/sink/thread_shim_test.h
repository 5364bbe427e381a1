/* For tests under ThreadSanitizer: it knows the threads and locks of pthread.h, librdkafka uses those of
 * threads.h, and a thread that the sanitizer did not see begin ends the process. Here threads.h is spelled in
 * terms of pthread.h; in glibc both locks are the same bytes. Programs' own definitions win over the C
 * library's. */
#ifndef SINK_THREAD_SHIM_TEST_H
#define SINK_THREAD_SHIM_TEST_H

#ifdef __SANITIZE_THREAD__

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

/* librdkafka is not compiled with the sanitizer, so its atomic counters order nothing in its eyes. What the
 * sink does on threads of its own and of the loop is watched. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "race:librdkafka.so\n";
}

struct thread_shim {
    thrd_start_t run;
    void *argument;
};

static void *thread_shim_run(void *context) {
    struct thread_shim shim = *(struct thread_shim *)context;
    free(context);
    return (void *)(intptr_t)shim.run(shim.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *argument) {
    struct thread_shim *shim = malloc(sizeof *shim);
    pthread_t made;
    if (shim == NULL)
        return thrd_nomem;
    *shim = (struct thread_shim){ run, argument };
    if (pthread_create(&made, NULL, thread_shim_run, shim) != 0) {
        free(shim);
        return thrd_error;
    }
    *thread = (thrd_t)made;
    return thrd_success;
}

int thrd_join(thrd_t thread, int *result) {
    void *got;
    if (pthread_join((pthread_t)thread, &got) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)got;
    return thrd_success;
}

static int thread_shim_code(int error) {
    return error == 0           ? thrd_success
           : error == ETIMEDOUT ? thrd_timedout
           : error == EBUSY     ? thrd_busy
                                : thrd_error;
}

int mtx_init(mtx_t *m, int kind) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes,
                              (kind & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    return thread_shim_code(pthread_mutex_init((pthread_mutex_t *)m, &attributes));
}

int mtx_lock(mtx_t *m) {
    return thread_shim_code(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m) {
    return thread_shim_code(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m) {
    return thread_shim_code(pthread_mutex_unlock((pthread_mutex_t *)m));
}

void mtx_destroy(mtx_t *m) {
    pthread_mutex_destroy((pthread_mutex_t *)m);
}

int cnd_init(cnd_t *c) {
    return thread_shim_code(pthread_cond_init((pthread_cond_t *)c, NULL));
}

int cnd_signal(cnd_t *c) {
    return thread_shim_code(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c) {
    return thread_shim_code(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m) {
    return thread_shim_code(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until) {
    return thread_shim_code(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}

void cnd_destroy(cnd_t *c) {
    pthread_cond_destroy((pthread_cond_t *)c);
}

#endif
#endif
