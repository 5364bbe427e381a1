/* The store on a live daemon: a backup, copied while everything goes on, then streamed as a tar archive. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/random.h"
#include "server/api.h"
#include "server/backup_stream.h"
#include "server/crash_point.h"
#include "server/logs.h"
#include "store/backup.h"
#include "store/tar.h"

enum {
    PIECE_BYTES = 64 * 1024,
    AHEAD_BYTES = 1024 * 1024, /* not more than this waits in the connection */
};

static const char prefix[] = "backup-";

/* One backup: it outlives its visit when the reader leaves while the copy is made. */
struct backup_stream {
    struct visit *visit; /* NULL: nobody wants it any more */
    struct tar_pack *pack;
    char directory[PATH_MAX];
};

void backup_stream_sweep(const char *data) {
    DIR *directory = opendir(data);
    struct dirent *entry;
    char path[PATH_MAX];
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0 &&
            snprintf(path, sizeof path, "%s/%s", data, entry->d_name) < (int)sizeof path)
            backup_remove(path);
    closedir(directory);
}

static void drop(struct backup_stream *b) {
    if (b->visit != NULL)
        b->visit->part.backup = NULL;
    tar_pack_close(b->pack);
    backup_remove(b->directory);
    free(b);
}

static void refuse(struct visit *v, enum problem_type type, const char *say) {
    struct problem p;
    PROBLEM_SAY(&p, type, "%s", say);
    visit_refuse(v, &p);
}

/* As much of the archive as the reader has room for. */
static void pump(struct backup_stream *b) {
    static char piece[PIECE_BYTES];
    struct visit *v = b->visit;
    struct why why;
    size_t got = 1;
    while (got > 0 && exchange_queued(&v->exchange) < AHEAD_BYTES) {
        if (tar_pack_read(b->pack, piece, sizeof piece, &got, &why) != 0) {
            drop(b);
            exchange_break(&v->exchange); /* an archive that stops without its end is seen as cut */
            return;
        }
        (void)exchange_write(&v->exchange, slice_of(piece, got));
        CRASH_POINT(BACKUP_STEP);
    }
    if (got > 0)
        return;
    logs_say(LOG_BACKUP, "%" PRIu64 " bytes for %s", tar_pack_bytes(b->pack), v->who);
    drop(b);
    exchange_end(&v->exchange);
}

static void on_copied(void *self, int code, const struct why *why) {
    static const char *const names[] = { "journal.db", "history.db", "BACKUP.txt" };
    struct backup_stream *b = self;
    struct visit *v = b->visit;
    struct why story;
    if (v == NULL) {
        drop(b);
        return;
    }
    if (code == 0)
        code = tar_pack_open(&b->pack, b->directory, names, sizeof names / sizeof names[0], &story);
    else
        story = *why;
    if (code != 0) {
        drop(b);
        refuse(v, code == ERR_SPACE ? PROBLEM_DISK_FULL : PROBLEM_STORE_UNAVAILABLE, story.text);
        return;
    }
    v->answered = true;
    exchange_header(&v->exchange, "Content-Disposition", SLICE("attachment; filename=\"settle-backup.tar\""));
    exchange_open(&v->exchange, 200, "application/x-tar");
    if (v->exchange.is_head) {
        drop(b);
        exchange_end(&v->exchange);
        return;
    }
    pump(b);
}

static void backup_gone(struct visit *v) {
    struct backup_stream *b = v->part.backup;
    if (b == NULL)
        return;
    b->visit = NULL;
    v->part.backup = NULL;
    if (b->pack != NULL)
        drop(b); /* else on_copied will */
}

void api_backup(struct visit *v) {
    struct daemon *d = v->daemon;
    struct backup_stream *b = calloc(1, sizeof *b);
    if (b == NULL) {
        refuse(v, PROBLEM_BUSY, "out of memory");
        return;
    }
    snprintf(b->directory, sizeof b->directory, "%s/%s%016" PRIx64, d->data, prefix,
             random_u64(loop_random(d->loop)));
    int code = committer_backup(d->committer, b->directory, on_copied, b);
    if (code == 0) {
        b->visit = v;
        v->part.backup = b;
        v->gone = backup_gone;
        return;
    }
    free(b);
    if (code == ERR_CONFLICT)
        refuse(v, PROBLEM_CONFLICT, "a backup is being taken; one at a time");
    else
        refuse(v, PROBLEM_BUSY, err_text(code));
}

void api_backup_drained(struct visit *v) {
    if (v->part.backup != NULL && v->part.backup->pack != NULL)
        pump(v->part.backup);
}
