#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK_EACH 1
#endif
#endif
#ifndef ONE_BLOCK_EACH
#define ONE_BLOCK_EACH 0
#endif

struct arena_block {
    struct arena_block *older;
    size_t length;
    size_t capacity;
    size_t unused; /* keeps bytes aligned to 16 */
    char bytes[];
};

_Static_assert(sizeof(struct arena_block) % 16 == 0, "blocks hand out 16-byte aligned memory");

void arena_init(struct arena *a, size_t block_bytes, size_t max) {
    assert(block_bytes > 0);
    assert(max > 0);
    *a = (struct arena){ .block_bytes = block_bytes, .max = max };
}

static void free_all_but(struct arena *a, struct arena_block *kept) {
    while (a->blocks != NULL) {
        struct arena_block *block = a->blocks;
        a->blocks = block->older;
        if (block != kept)
            free(block);
    }
}

void arena_done(struct arena *a) {
    if (a == NULL)
        return;
    free_all_but(a, NULL);
    a->used = 0;
}

void arena_reset(struct arena *a) {
    struct arena_block *kept = NULL;
    if (!ONE_BLOCK_EACH)
        for (struct arena_block *b = a->blocks; b != NULL; b = b->older)
            if (b->capacity == a->block_bytes)
                kept = b;
    free_all_but(a, kept);
    if (kept != NULL) {
        kept->older = NULL;
        kept->length = 0;
        a->blocks = kept;
    }
    a->used = 0;
}

static struct arena_block *add_block(struct arena *a, size_t bytes) {
    size_t capacity = bytes > a->block_bytes || ONE_BLOCK_EACH ? bytes : a->block_bytes;
    struct arena_block *block = malloc(sizeof *block + capacity);
    if (block == NULL)
        return NULL;
    *block = (struct arena_block){ .older = a->blocks, .capacity = capacity };
    a->blocks = block;
    return block;
}

void *arena_take(struct arena *a, size_t bytes) {
    if (bytes > a->max - a->used || bytes > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (bytes + 15) & ~(size_t)15;
    struct arena_block *block = a->blocks;
    if (block == NULL || ONE_BLOCK_EACH || block->capacity - block->length < rounded) {
        block = add_block(a, rounded);
        if (block == NULL)
            return NULL;
    }
    void *at = block->bytes + block->length;
    block->length += rounded;
    a->used += bytes;
    return memset(at, 0, bytes);
}

void *arena_take_array(struct arena *a, size_t count, size_t bytes_each) {
    size_t bytes;
    if (__builtin_mul_overflow(count, bytes_each, &bytes))
        return NULL;
    return arena_take(a, bytes);
}

int arena_copy(struct arena *a, struct slice from, struct slice *out) {
    char *at = arena_take(a, from.length);
    if (at == NULL)
        return ERR_MEMORY;
    if (from.length > 0)
        memcpy(at, from.at, from.length);
    *out = slice_of(at, from.length);
    return 0;
}
