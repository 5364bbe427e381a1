/* What settled does to a store that no daemon runs on: the flags --store-verify, --store-restore,
 * --store-compact, --store-accept-loss and --bench-store. Reports go to stdout; the exit code is returned. */
#ifndef SERVER_OFFLINE_H
#define SERVER_OFFLINE_H

#include <stdbool.h>

/* source: a backup (directory or archive), or NULL for the data directory itself. */
int offline_verify(const char *data, const char *source);
/* Into the data directory. force: a store that is there is moved aside into DATA/replaced-TIME. */
int offline_restore(const char *data, const char *source, bool force);
int offline_compact(const char *data);
int offline_accept_loss(const char *data, const char *reason);

/* How many sagas of two branches a second the journal alone could commit, in a new directory that is removed
 * afterwards: as many records and bytes as settled writes for them. Prints JSON. */
int offline_bench(const char *directory);

#endif
