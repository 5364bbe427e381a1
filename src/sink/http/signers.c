#include "sink/http/signers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"

void signers_init(struct signers *s, uint64_t seed) {
    table_init(&s->table);
    s->seed = seed;
}

static void signer_free(struct signer *signer) {
    signature_wipe(signer->secrets, SIGNATURE_SECRETS);
    free(signer);
}

void signers_done(struct signers *s) {
    for (size_t i = 0; i < s->table.capacity; i++)
        if (s->table.slots[i].item != NULL)
            signer_free(s->table.slots[i].item);
    table_done(&s->table);
}

static struct signer *find(const struct signers *s, struct slice name) {
    size_t cursor = 0;
    uint64_t hash = hash_seeded(s->seed, name);
    for (struct signer *at; (at = table_find(&s->table, hash, &cursor)) != NULL;)
        if (slice_equal(slice_of(at->name, at->length), name))
            return at;
    return NULL;
}

const struct signer *signers_find(const struct signers *s, struct slice name) {
    return find(s, name);
}

int signers_set(struct signers *s, struct slice name, const struct signature_secret *secrets, size_t count) {
    struct signer *signer = find(s, name);
    assert(count <= SIGNATURE_SECRETS);
    if (count == 0) {
        if (signer == NULL)
            return 0;
        table_remove(&s->table, signer->hash, signer);
        signer_free(signer);
        return 0;
    }
    if (signer == NULL) {
        if (table_reserve(&s->table) != 0)
            return ERR_MEMORY;
        signer = calloc(1, sizeof *signer + name.length);
        if (signer == NULL)
            return ERR_MEMORY;
        signer->hash = hash_seeded(s->seed, name);
        signer->length = name.length;
        memcpy(signer->name, name.at, name.length);
        table_add(&s->table, signer->hash, signer);
    }
    memcpy(signer->secrets, secrets, count * sizeof *secrets);
    signer->count = count;
    return 0;
}
