#include "sink/broker.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sink/socket_address.h"

static bool is_known(struct slice name, const char *const *known) {
    for (; *known != NULL; known++)
        if (slice_is(name, *known))
            return true;
    return false;
}

int broker_only_parameters(const struct sink_target *t, const char *const *known, struct why *why) {
    for (size_t i = 0; i < t->parameter_count; i++) {
        char list[256] = "";
        size_t length = 0;
        if (is_known(t->parameters[i].name, known))
            continue;
        for (const char *const *k = known; *k != NULL && length < sizeof list; k++)
            length +=
                (size_t)snprintf(list + length, sizeof list - length, "%s%s", length == 0 ? "" : ", ", *k);
        return why_set(why, ERR_INVALID, "%.*s targets have no parameter \"%.*s\"; there are %s",
                       SLICE_PRINT(t->scheme), SLICE_PRINT(t->parameters[i].name), list);
    }
    return 0;
}

int broker_credentials(const struct sink_target *t, struct why *why) {
    bool file = sink_target_value(t, "password_file").length > 0;
    if (t->user.length > 0 && !file)
        return why_set(why, ERR_INVALID,
                       "the target names the user \"%.*s\" but no password_file with the password",
                       SLICE_PRINT(t->user));
    if (t->user.length == 0 && file)
        return why_set(why, ERR_INVALID,
                       "the target has a password_file but no user: write USER@ before the host");
    return 0;
}

void broker_no_memory(const struct sink_options *options, const struct call *call) {
    const struct outcome o = { .transaction = call->transaction,
                               .branch = call->branch,
                               .role = call->role,
                               .verdict = VERDICT_NOT_SENT,
                               .attempt = call->attempt,
                               .body = SLICE("no memory for one more call") };
    options->on_outcome(options->context, &o);
}

void broker_judge_init(struct broker_judge *j, const struct egress *egress) {
    assert(egress != NULL);
    pthread_mutex_init(&j->lock, NULL);
    j->egress = egress;
}

void broker_judge_done(struct broker_judge *j) {
    pthread_mutex_destroy(&j->lock);
}

void broker_judge_set(struct broker_judge *j, const struct egress *egress) {
    assert(egress != NULL);
    pthread_mutex_lock(&j->lock);
    j->egress = egress;
    pthread_mutex_unlock(&j->lock);
}

int broker_judge_address(struct broker_judge *j, const char *host, uint16_t port, const struct sockaddr *at,
                         struct why *why) {
    pthread_mutex_lock(&j->lock);
    int code = socket_address_judge(j->egress, host, port, at, why);
    pthread_mutex_unlock(&j->lock);
    return code;
}

int broker_thread(pthread_t *out, void *(*run)(void *context), void *context) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

uint64_t broker_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
