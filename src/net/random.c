#include "net/random.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void fetch(uint8_t *out, size_t length) {
    while (length > 0) {
        ssize_t got = getrandom(out, length, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            fputs("the kernel gives no random bytes\n", stderr);
            abort();
        }
        out += got;
        length -= (size_t)got;
    }
}

void random_init(struct random *r) {
    r->left = 0;
}

void random_done(struct random *r) {
    explicit_bzero(r->pool, sizeof r->pool);
    r->left = 0;
}

void random_fill(struct random *r, void *out, size_t length) {
    if (length > sizeof r->pool / 4) {
        fetch(out, length);
        return;
    }
    if (r->left < length) {
        fetch(r->pool, sizeof r->pool);
        r->left = sizeof r->pool;
    }
    uint8_t *from = r->pool + sizeof r->pool - r->left;
    memcpy(out, from, length);
    explicit_bzero(from, length);
    r->left -= length;
}

uint64_t random_u64(struct random *r) {
    uint64_t number;
    random_fill(r, &number, sizeof number);
    return number;
}

uint64_t random_below(struct random *r, uint64_t below) {
    assert(below > 0);
    /* Numbers from the incomplete last run of below values would favour the small ones. */
    uint64_t excess = (UINT64_MAX % below + 1) % below;
    uint64_t number;
    do
        number = random_u64(r);
    while (number > UINT64_MAX - excess);
    return number % below;
}
