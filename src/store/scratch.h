/* A scratch directory for tests and benchmarks: made with a fresh name, removed with all it holds. Links are
 * removed, never followed, and other file systems mounted inside are left alone. Whoever makes one removes
 * it; a test that dies leaves its own behind. */
#ifndef STORE_SCRATCH_H
#define STORE_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define SCRATCH_PATH_BYTES 256

/* Under TMPDIR or /tmp; fast: under /dev/shm when there is one, for tests that do not need a disk. ERR_IO. */
int scratch_make(char path[SCRATCH_PATH_BYTES], bool fast);
void scratch_remove(const char *path); /* NULL or absent is fine */

/* A whole small file. read: the caller frees *out, ERR_NOT_FOUND, ERR_IO. write: replaces it in place. */
int scratch_read(const char *directory, const char *name, char **out, size_t *length);
int scratch_write(const char *directory, const char *name, struct slice bytes);

#endif
