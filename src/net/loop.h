/* One thread's event loop, over libuv: what waits in settled waits here.
 *
 * A loop belongs to the thread that runs it. Every function here is for that thread alone, except loop_post
 * and loop_again, which any thread may call. Callbacks run on the loop's thread, one after another; none may
 * block.
 *
 * The round: timers that are due, then the turn hooks, then waiting for input and handling it, then the turn
 * hooks again. So a hook always runs between the arrival of work and the next wait: there the driver takes
 * all that arrived as one turn. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/random.h"

struct loop;

/* Ignores SIGPIPE for the whole process (a closed connection is an error code, not a signal). 0, ERR_MEMORY
 * or ERR_IO. */
int loop_new(struct loop **out, struct why *why);
/* Everything that was opened on it must be closed before; closing finishes in here. NULL is fine. */
void loop_free(struct loop *l);
/* Run until loop_stop. May be run again. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Run for at most ms, or until loop_stop: for tests and for draining. */
void loop_run_for(struct loop *l, uint64_t ms);

/* Milliseconds of the monotonic clock, as of this round: for intervals. */
uint64_t loop_now_ms(const struct loop *l);
/* Milliseconds since 1970: the wall clock when the loop was made plus the monotonic time since then. Steps of
 * the wall clock do not reach it, so times recorded by one process never run backwards. */
uint64_t loop_wall_ms(const struct loop *l);
/* Read the monotonic clock now, for callbacks that worked long. */
void loop_refresh(struct loop *l);

/* Work handed to the loop from any thread. The struct is the sender's until run is called with it, and again
 * from then on (run may free it). Tasks of one thread run in their order. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task);
};
void loop_post(struct loop *l, struct loop_task *task);
/* Make the loop go round once more without waiting. */
void loop_again(struct loop *l);

/* A hook as described above. The struct is the caller's and must outlive the loop. Hooks run in the order in
 * which they were added. */
struct loop_turn {
    struct loop_turn *next;
    void (*run)(void *context);
    void *context;
};
void loop_on_turn(struct loop *l, struct loop_turn *turn);

/* Call run when the process gets this signal, until loop_free. At most 8 signals. 0, ERR_LIMIT or ERR_IO. */
int loop_on_signal(struct loop *l, int number, void (*run)(void *context, int number), void *context);

/* The loop's pooled random source. */
struct random *loop_random(struct loop *l);

/* For the rooms that stand on libuv themselves: the loop underneath. */
uv_loop_t *loop_uv(struct loop *l);

/* One read buffer for all connections of the loop: what is read is handed on before the next read. */
#define LOOP_READ_BYTES (64 * 1024)
char *loop_read_buffer(struct loop *l);

#endif
