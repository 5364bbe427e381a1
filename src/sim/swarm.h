/* A swarm: everything that a seed decides about a world before it begins. Each seed switches a random subset
 * of the fault classes on, each with a random strength; testing everything together all the time would hide
 * what only shows when some fault is absent (swarm testing; reliability.md section c).
 *
 * All draws are made whether or not their class is on, so that leaving a class out while shrinking changes
 * nothing else. Rates are per million. */
#ifndef SIM_SWARM_H
#define SIM_SWARM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* name, what it brings */
#define SWARM_LIST(X)                                                        \
    X(loss, "messages are lost")                                             \
    X(duplicate, "messages arrive twice")                                    \
    X(clog, "links stand still for a while")                                 \
    X(stale, "calls not sent, reused connections dead, addresses refused")   \
    X(refuse, "participants refuse actions")                                 \
    X(working, "participants ask for time (425)")                            \
    X(error, "participants fail before or after their local commit")         \
    X(slow, "participants ask for a pause (429, 503)")                       \
    X(late, "participants answer after the timeout")                         \
    X(stubborn, "participants refuse to confirm or to undo")                 \
    X(down, "participants are down for a while")                             \
    X(repeat, "clients repeat what they asked")                              \
    X(race, "clients commit and roll back at the same time")                 \
    X(death, "clients die")                                                  \
    X(reuse, "clients use a gid again with another body")                    \
    X(register_late, "clients register branches after the decision")         \
    X(operate, "operators suspend, resume and retry")                        \
    X(force, "operators force and resolve")                                  \
    X(crash, "the coordinator is killed")                                    \
    X(double_crash, "the coordinator is killed again while it recovers")     \
    X(disk_slow, "the disk takes its time")                                  \
    X(disk_unknown, "appends that are neither yes nor no")                   \
    X(disk_full, "the disk is full for a while")                             \
    X(disk_error, "a sync fails and the coordinator must stop")              \
    X(fold_error, "rows cannot be folded for a while")                       \
    X(clock, "the clock drifts, and stands elsewhere after a restart")       \
    X(tight, "few calls at a time, few unfinished transactions")             \
    X(forgetful, "finished transactions are purged while clients still ask") \
    X(missing, "references that point to nothing")                           \
    X(bulk, "bodies so large that a batch is full")                          \
    X(scarce, "little memory")                                               \
    X(messages, "producers, consumers and receivers of notifications")

enum swarm_class {
#define X(name, sentence) SWARM_##name,
    SWARM_LIST(X)
#undef X
        SWARM_COUNT,
};

struct swarm {
    uint64_t seed;
    uint32_t classes; /* bit per enum swarm_class */
    uint32_t transactions;
    uint32_t participants;
    uint64_t faults_ms; /* length of phase one */

    uint64_t delay_us; /* mean of one way */
    uint32_t lose, duplicate, clog;
    uint64_t clog_ms;
    uint32_t not_sent, stale, forbidden;

    uint32_t refuse, working, error_before, error_after, slow_down, late;
    uint32_t stubborn, stubborn_forever;
    uint32_t stubborn_times; /* at most */
    uint32_t down;
    uint64_t down_ms;

    uint32_t bulk; /* branches with a large body */
    uint32_t repeat, race, death, reuse, register_late, operate, force, missing;

    uint32_t crash;        /* per crash point */
    uint32_t double_crash; /* per crash point while recovering */
    uint64_t restart_ms;   /* at most */

    uint64_t sync_us; /* mean */
    uint32_t append_unknown, append_full, append_error, fold_error;
    uint64_t full_ms;
    uint32_t fold_every; /* turns between two collections */
    uint32_t fold_rows;  /* at most in one */
    uint32_t keep_batches;
    uint32_t tail_batches; /* the last ones are not trimmed, although they are folded */

    int32_t drift_ppm;
    int64_t jump_ms; /* at most, either way, at a restart */

    bool messages_only; /* hardly any other transactions */
    uint32_t posts, subscriptions, endpoints;
    uint32_t poison; /* deliveries that are refused whatever happens */
    uint32_t vanish; /* consumers that die holding a delivery */
    uint32_t ack_late, ack_twice, nack;
    uint32_t fail_over; /* databases that cannot tell what became of a transaction */
    uint64_t fail_over_ms;
    uint32_t gone; /* endpoints that say 410 */

    uint32_t calls_max;
    uint32_t unfinished_max;
    uint64_t memory_max;
    uint32_t attention_tries;
    uint32_t attention_ms;
    uint32_t working_ms;
    uint64_t retain_ms;
};

void swarm_draw(struct swarm *s, uint64_t seed);
bool swarm_has(const struct swarm *s, enum swarm_class c);
/* Leave classes out (a bit mask); everything else stays as it was drawn. */
void swarm_without(struct swarm *s, uint32_t mask);
const char *swarm_name(enum swarm_class c);
/* The class of that name, or -1. */
int swarm_class_of(const char *name);
void swarm_print(const struct swarm *s, FILE *to);

#endif
