/* The participants of the bench: one thread that answers every request on its ports with 200 and {}, after a
 * delay if one is wanted, and does nothing else. Connections are kept. */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include <stdint.h>

#include "base/err.h"

#define ECHO_PORTS_MAX 64

struct echo;

/* Listen on this many ports of 127.0.0.1, and on two more. ERR_IO, ERR_MEMORY. */
int echo_open(struct echo **out, unsigned ports, uint32_t delay_ms, struct why *why);
void echo_close(struct echo *e); /* NULL is fine */
uint16_t echo_port(const struct echo *e, unsigned index);
/* The two more: one answers every call 425 and asks to be called again in an hour, the other answers a submit
 * with as many bytes as settled does. */
uint16_t echo_busy_port(const struct echo *e);
uint16_t echo_submit_port(const struct echo *e);

#endif
