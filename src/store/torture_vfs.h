/* A disk in memory for SQLite that can fail, fill up, forget and tear: how the embedded store is proved
 * (reliability.md R3, R4, R5), without a real disk's time. Test code; no product links it.
 *
 * A disk logs every change made to it. From the log, torture_image builds what a power failure at a given
 * moment could have left: whatever was synced, and of the rest all, nothing, or a random part, sector by
 * sector (512 bytes; a sector is only changed where it was written to, as SQLite and disks promise). A new
 * name or a removed one is certain after the first sync of a new log file, which syncs the directory.
 *
 * A sync that is made to fail leaves its file as a kernel may: the pages look written and are clean, so a
 * later sync does not write them (the fsync study of reliability.md i). They are lost in an image unless they
 * are written again.
 *
 * Files are known by the last part of their names. One thread at a time. Out of memory ends the test. */
#ifndef STORE_TORTURE_VFS_H
#define STORE_TORTURE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct torture;

enum torture_fault {
    TORTURE_IO,   /* the write, sync, truncate or delete fails; half a write is done */
    TORTURE_FULL, /* a write finds no space (others of the run pass); half of it is done */
};

enum torture_loss {
    TORTURE_KEEPS,     /* everything reached the disk */
    TORTURE_LOSES,     /* only what was synced did */
    TORTURE_SCRAMBLES, /* a random part of the rest did too */
};

/* An empty disk, registered as an SQLite file layer under torture_name (give it to sqlite_store_options). */
struct torture *torture_new(void);
void torture_free(struct torture *t); /* no file may be open on it */
const char *torture_name(const struct torture *t);

/* The nth changing call from now on (1: the next one) fails; with for_ever all later ones too. 0: none. */
void torture_fail(struct torture *t, enum torture_fault fault, uint64_t nth, bool for_ever);
uint64_t torture_hits(const struct torture *t); /* faults injected since torture_fail */
/* Those of them that struck the removal of a file: SQLite may leave a file that it no longer needs. */
uint64_t torture_hits_removing(const struct torture *t);
/* How many bytes all files together may have; UINT64_MAX at first. Beyond: no space. */
void torture_limit(struct torture *t, uint64_t bytes);
uint64_t torture_bytes(const struct torture *t);

/* The log. A moment is the number of changes so far; syncs counts the syncs among the first so many. */
uint64_t torture_moment(const struct torture *t);
bool torture_is_sync(const struct torture *t,
                     uint64_t moment); /* is the change that ended at moment a sync? */
/* What a power failure right before the change that follows moment could have left. Its log is empty. */
struct torture *torture_image(const struct torture *t, uint64_t moment, enum torture_loss loss,
                              uint64_t seed);

/* Begin the log anew with all there is, written and synced; returns the moment when it is. For a second crash
 * on an image. */
uint64_t torture_rest(struct torture *t);

/* For damage by hand: the content of a file, to be changed in place; NULL without one. */
char *torture_file(struct torture *t, const char *name, size_t *length);
void torture_put(struct torture *t, const char *name, struct slice bytes); /* make or replace; not logged */
void torture_remove(struct torture *t, const char *name);                  /* not logged */

#endif
