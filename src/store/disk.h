/* The few words every file of this room says to a disk: one sentence for each failure, a full disk told apart
 * from all others, and names put together in one way. No state; any thread. */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <stdbool.h>

#include "base/err.h"

/* What errno says (right after the call that failed), as an error: ERR_SPACE or ERR_IO, "cannot DOING PATH:
 * reason". */
int disk_fail(struct why *why, const char *doing, const char *path);
/* Sync a file that nobody has open as a database, or a directory: its names. */
int disk_sync(const char *path, struct why *why);
/* DIRECTORY/NAME in to, which has PATH_MAX bytes. ERR_INVALID: too long. */
int disk_path(char *to, const char *directory, const char *name, struct why *why);
/* Is there a file of that name? Asks without opening, so it may be asked of a live database. */
bool disk_has(const char *directory, const char *name);

#endif
