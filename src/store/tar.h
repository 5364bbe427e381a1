/* Tape archives, as far as a backup needs them: a few regular files, packed as a stream of known length and
 * unpacked again. The format is ustar (POSIX.1-1988), so that `tar x` reads it; a file over 8 GiB has its
 * size in base 256, as GNU tar and libarchive write it.
 *
 * Blocking; one thread per object. */
#ifndef STORE_TAR_H
#define STORE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define TAR_BLOCK 512

/* One member's heading. */
struct tar_header {
    char name[100 + 1]; /* the last part of the path */
    uint64_t bytes;
    uint64_t modified_s;
    bool regular; /* else something to be skipped: a directory, an extended heading */
};

void tar_header_encode(char block[TAR_BLOCK], const struct tar_header *header);
/* ERR_NOT_FOUND: an empty block, the end. ERR_CORRUPT: not a heading, or its checksum is wrong. */
int tar_header_decode(const char block[TAR_BLOCK], struct tar_header *out);

struct tar_pack;

/* Pack files of a directory, in this order, under their own names. They must not change until the end; one
 * that does fails the pack. ERR_IO, ERR_MEMORY. */
int tar_pack_open(struct tar_pack **out, const char *directory, const char *const *names, size_t count,
                  struct why *why);
uint64_t tar_pack_bytes(const struct tar_pack *p); /* of the whole stream */
/* Fill up to capacity bytes; *got is 0 at the end only. ERR_IO. */
int tar_pack_read(struct tar_pack *p, char *to, size_t capacity, size_t *got, struct why *why);
void tar_pack_close(struct tar_pack *p); /* NULL is fine */

/* Unpack a stream into a directory: regular files with exactly these names, whatever path is in front of
 * them, each once, mode 0600, synced, replacing what is there. ERR_INVALID: another name, or one twice.
 * ERR_CORRUPT: cut or damaged, or one is missing. ERR_IO, ERR_SPACE. What was written stays. */
int tar_unpack(int fd, const char *directory, const char *const *names, size_t count, struct why *why);

#endif
