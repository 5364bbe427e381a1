/* Where a bench sends its transactions: the address behind a URL, found once, so that the generator can
 * connect without asking anybody. IPv4, plain HTTP. */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct target {
    char host[64]; /* numeric */
    uint16_t port;
    char authority[300]; /* for the Host header */
    bool local;          /* on this machine's loopback */
};

/* ERR_SYNTAX no such URL, ERR_UNSUPPORTED https, ERR_NOT_FOUND the name has no IPv4 address. */
int target_find(const char *url, struct target *out, struct why *why);

#endif
