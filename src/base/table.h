/* A hash table of pointers. The owner hashes (with a secret seed when keys come from outside, base/hash.h)
 * and compares; the table only keeps (hash, pointer) pairs. Open addressing, linear probing, grows at three
 * quarters full. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

struct table {
    struct table_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void table_init(struct table *t);
void table_done(struct table *t);
/* Make room for one more, so that the next table_add cannot fail. ERR_MEMORY. */
int table_reserve(struct table *t);
void table_add(struct table *t, uint64_t hash, void *item);          /* duplicates are the owner's business */
void table_remove(struct table *t, uint64_t hash, const void *item); /* must be there */
/* Walk the items with this hash: *cursor starts at 0; NULL at the end. */
void *table_find(const struct table *t, uint64_t hash, size_t *cursor);

#endif
