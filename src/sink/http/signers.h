/* Secrets by name, for calls that are not signed with the daemon's own (notification endpoints). Names are
 * found by a seeded hash. One thread. */
#ifndef SINK_SIGNERS_H
#define SINK_SIGNERS_H

#include "base/table.h"
#include "wire/signature.h"

struct signer {
    uint64_t hash;
    struct signature_secret secrets[SIGNATURE_SECRETS];
    size_t count;
    size_t length;
    char name[];
};

struct signers {
    struct table table;
    uint64_t seed;
};

void signers_init(struct signers *s, uint64_t seed);
void signers_done(struct signers *s); /* wipes */
/* Copies; count 0 forgets the name. ERR_MEMORY. */
int signers_set(struct signers *s, struct slice name, const struct signature_secret *secrets, size_t count);
/* NULL when nobody has that name. */
const struct signer *signers_find(const struct signers *s, struct slice name);

#endif
