/* One owner per data directory: an exclusive flock on DIRECTORY/lock, a file of its own because a database
 * file may not be opened twice. The kernel drops the lock when the owner dies, however it dies; the text
 * inside (process id, boot id) is for people and never trusted. */
#ifndef STORE_OWNER_LOCK_H
#define STORE_OWNER_LOCK_H

#include "base/err.h"

struct owner_lock {
    int fd; /* -1: not held */
};

/* ERR_LOCKED: somebody holds it, the sentence says which process. ERR_NOT_FOUND: no such directory. ERR_IO,
 * ERR_SPACE. */
int owner_lock_take(struct owner_lock *lock, const char *directory, struct why *why);
void owner_lock_release(struct owner_lock *lock); /* may be called when not held; the file stays */

#endif
