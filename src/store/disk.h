/* The few words every file of this room says to a disk. */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <stdbool.h>

#include "base/err.h"

/* What errno says, as an error: ERR_SPACE or ERR_IO, "cannot DOING PATH: reason". */
int disk_fail(struct why *why, const char *doing, const char *path);
/* Sync a file that nobody has open as a database, or a directory: its names. */
int disk_sync(const char *path, struct why *why);
/* DIRECTORY/NAME in to, which has PATH_MAX bytes. ERR_INVALID: too long. */
int disk_path(char *to, const char *directory, const char *name, struct why *why);
/* Is there a file of that name? */
bool disk_has(const char *directory, const char *name);

#endif
