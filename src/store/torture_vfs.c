#include "store/torture_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define NAME_BYTES 32

/* A file, also a removed one: its log entries point at it. */
struct torture_inode {
    char name[NAME_BYTES];
    bool linked;
    char *at;
    size_t length;
    size_t capacity;
};

enum change_kind {
    CHANGE_CREATE,
    CHANGE_DELETE,
    CHANGE_WRITE,
    CHANGE_TRUNCATE,
    CHANGE_SYNC,
    CHANGE_SYNC_FAILED,
};

struct change {
    enum change_kind kind;
    bool directory; /* a sync or delete that also syncs the directory */
    size_t inode;
    uint64_t offset; /* truncate: the new length */
    size_t length;
    char *bytes;
};

struct torture {
    sqlite3_vfs vfs;
    char vfs_name[48];
    struct torture_inode *inodes;
    size_t inode_count;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
    enum torture_fault fault;
    uint64_t fail_at; /* counts down; 0: never */
    bool for_ever;
    bool failing;
    uint64_t hits;
    uint64_t hits_removing;
    uint64_t limit;
    uint64_t bytes;
};

struct torture_handle {
    sqlite3_file head;
    struct torture *torture;
    size_t inode;
    bool log_file; /* its first sync syncs the directory */
};

static void *must(void *memory) {
    if (memory == NULL)
        abort();
    return memory;
}

static struct torture *torture_of(sqlite3_vfs *vfs) {
    return vfs->pAppData;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static struct torture_inode *find_inode(const struct torture *t, const char *name, size_t *index) {
    for (size_t i = t->inode_count; i > 0; i--) {
        if (t->inodes[i - 1].linked && strcmp(t->inodes[i - 1].name, name) == 0) {
            *index = i - 1;
            return &t->inodes[i - 1];
        }
    }
    return NULL;
}

static size_t add_inode(struct torture *t, const char *name) {
    assert(strlen(name) < NAME_BYTES);
    t->inodes = must(realloc(t->inodes, (t->inode_count + 1) * sizeof *t->inodes));
    struct torture_inode *inode = &t->inodes[t->inode_count];
    *inode = (struct torture_inode){ .linked = true };
    snprintf(inode->name, sizeof inode->name, "%s", name);
    return t->inode_count++;
}

/* Change the content in memory; no log, no limits. */
static void put_bytes(struct torture_inode *inode, uint64_t offset, const char *bytes, size_t length) {
    size_t end = (size_t)offset + length;
    if (end > inode->capacity) {
        inode->capacity = end * 2;
        inode->at = must(realloc(inode->at, inode->capacity));
    }
    if (end > inode->length) {
        memset(inode->at + inode->length, 0, end - inode->length);
        inode->length = end;
    }
    if (length > 0)
        memcpy(inode->at + offset, bytes, length);
}

static void set_length(struct torture_inode *inode, uint64_t length) {
    if (length > inode->length)
        put_bytes(inode, length, NULL, 0);
    inode->length = (size_t)length;
}

static void log_change(struct torture *t, struct change change, const char *bytes) {
    if (t->change_count == t->change_capacity) {
        t->change_capacity = t->change_capacity * 2 + 256;
        t->changes = must(realloc(t->changes, t->change_capacity * sizeof *t->changes));
    }
    if (bytes != NULL) {
        change.bytes = must(malloc(change.length + 1));
        memcpy(change.bytes, bytes, change.length);
    }
    t->changes[t->change_count++] = change;
}

/* Does this changing call fail? */
static bool strikes(struct torture *t, bool write) {
    if (t->fault == TORTURE_FULL && !write)
        return false;
    if (t->fail_at > 0 && --t->fail_at == 0)
        t->failing = true;
    bool now = t->failing;
    t->failing = t->failing && t->for_ever;
    t->hits += now;
    return now;
}

/* The methods of an open file. */

static int file_close(sqlite3_file *file) {
    (void)file;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *to, int length, sqlite3_int64 offset) {
    struct torture_handle *h = (struct torture_handle *)file;
    const struct torture_inode *inode = &h->torture->inodes[h->inode];
    size_t have = (uint64_t)offset < inode->length ? inode->length - (size_t)offset : 0;
    if (have > (size_t)length)
        have = (size_t)length;
    if (have > 0)
        memcpy(to, inode->at + offset, have);
    memset((char *)to + have, 0, (size_t)length - have);
    return have == (size_t)length ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void do_write(struct torture_handle *h, const void *from, size_t length, uint64_t offset) {
    struct torture *t = h->torture;
    struct torture_inode *inode = &t->inodes[h->inode];
    size_t before = inode->length;
    put_bytes(inode, offset, from, length);
    t->bytes += inode->length - before;
    log_change(t,
               (struct change){ .kind = CHANGE_WRITE, .inode = h->inode, .offset = offset, .length = length },
               from);
}

static int file_write(sqlite3_file *file, const void *from, int length, sqlite3_int64 offset) {
    struct torture_handle *h = (struct torture_handle *)file;
    struct torture *t = h->torture;
    const struct torture_inode *inode = &t->inodes[h->inode];
    size_t end = (size_t)offset + (size_t)length;
    if (end > inode->length && t->bytes + (end - inode->length) > t->limit)
        return SQLITE_FULL;
    if (strikes(t, true)) {
        do_write(h, from, (size_t)length / 2, (uint64_t)offset);
        return t->fault == TORTURE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    do_write(h, from, (size_t)length, (uint64_t)offset);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 length) {
    struct torture_handle *h = (struct torture_handle *)file;
    struct torture *t = h->torture;
    struct torture_inode *inode = &t->inodes[h->inode];
    if (strikes(t, false))
        return SQLITE_IOERR_TRUNCATE;
    t->bytes += (uint64_t)length;
    t->bytes -= inode->length;
    set_length(inode, (uint64_t)length);
    log_change(t, (struct change){ .kind = CHANGE_TRUNCATE, .inode = h->inode, .offset = (uint64_t)length },
               NULL);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags) {
    struct torture_handle *h = (struct torture_handle *)file;
    struct torture *t = h->torture;
    (void)flags;
    bool fails = strikes(t, false);
    log_change(t,
               (struct change){ .kind = fails ? CHANGE_SYNC_FAILED : CHANGE_SYNC,
                                .inode = h->inode,
                                .directory = h->log_file },
               NULL);
    return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *length) {
    struct torture_handle *h = (struct torture_handle *)file;
    *length = (sqlite3_int64)h->torture->inodes[h->inode].length;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level) {
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *held) {
    (void)file;
    *held = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int what, void *argument) {
    (void)file;
    (void)what;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file) {
    (void)file;
    return 4096;
}

static int file_traits(sqlite3_file *file) {
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 1: no shared memory, so a log works under an exclusive lock only, which is how settle uses it. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

/* The methods of the disk. */

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out) {
    struct torture *t = torture_of(vfs);
    struct torture_handle *h = (struct torture_handle *)file;
    const char *name = path == NULL ? "unnamed" : base_name(path);
    size_t index = 0;
    file->pMethods = NULL;
    if (find_inode(t, name, &index) == NULL) {
        if (!(flags & SQLITE_OPEN_CREATE) || strikes(t, false))
            return SQLITE_CANTOPEN;
        index = add_inode(t, name);
        log_change(t, (struct change){ .kind = CHANGE_CREATE, .inode = index }, NULL);
    }
    h->torture = t;
    h->inode = index;
    h->log_file = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    file->pMethods = &methods;
    if (flags_out != NULL)
        *flags_out = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int sync_directory) {
    struct torture *t = torture_of(vfs);
    size_t index = 0;
    struct torture_inode *inode = find_inode(t, base_name(path), &index);
    if (inode == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    if (strikes(t, false)) {
        t->hits_removing++;
        return SQLITE_IOERR_DELETE;
    }
    inode->linked = false;
    t->bytes -= inode->length;
    log_change(t, (struct change){ .kind = CHANGE_DELETE, .inode = index, .directory = sync_directory != 0 },
               NULL);
    return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
    size_t index = 0;
    (void)flags;
    *out = find_inode(torture_of(vfs), base_name(path), &index) != NULL;
    return SQLITE_OK;
}

static int disk_path(sqlite3_vfs *vfs, const char *path, int size, char *out) {
    (void)vfs;
    snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

/* Random salts would make two runs differ; any bytes do. */
static int disk_random(sqlite3_vfs *vfs, int length, char *out) {
    uint64_t salt = torture_of(vfs)->change_count * UINT64_C(0x9e3779b97f4a7c15) + 7;
    for (int i = 0; i < length; i++)
        out[i] = (char)(salt >> (8 * (i % 8)));
    return length;
}

static int disk_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return us;
}

static int disk_time(sqlite3_vfs *vfs, double *out) {
    (void)vfs;
    *out = 2460000.5;
    return SQLITE_OK;
}

static int disk_error(sqlite3_vfs *vfs, int length, char *out) {
    (void)vfs;
    (void)length;
    (void)out;
    return 0;
}

struct torture *torture_new(void) {
    static unsigned number;
    struct torture *t = must(calloc(1, sizeof *t));
    snprintf(t->vfs_name, sizeof t->vfs_name, "settle-torture-%u", ++number);
    t->limit = UINT64_MAX;
    t->vfs = (sqlite3_vfs){ .iVersion = 1,
                            .szOsFile = sizeof(struct torture_handle),
                            .mxPathname = 512,
                            .zName = t->vfs_name,
                            .pAppData = t,
                            .xOpen = disk_open,
                            .xDelete = disk_delete,
                            .xAccess = disk_access,
                            .xFullPathname = disk_path,
                            .xRandomness = disk_random,
                            .xSleep = disk_sleep,
                            .xCurrentTime = disk_time,
                            .xGetLastError = disk_error };
    if (sqlite3_vfs_register(&t->vfs, 0) != SQLITE_OK)
        abort();
    return t;
}

void torture_free(struct torture *t) {
    if (t == NULL)
        return;
    sqlite3_vfs_unregister(&t->vfs);
    for (size_t i = 0; i < t->inode_count; i++)
        free(t->inodes[i].at);
    for (size_t i = 0; i < t->change_count; i++)
        free(t->changes[i].bytes);
    free(t->inodes);
    free(t->changes);
    free(t);
}

const char *torture_name(const struct torture *t) {
    return t->vfs_name;
}

void torture_fail(struct torture *t, enum torture_fault fault, uint64_t nth, bool for_ever) {
    t->fault = fault;
    t->fail_at = nth;
    t->for_ever = for_ever;
    t->failing = false;
    t->hits = 0;
    t->hits_removing = 0;
}

uint64_t torture_hits(const struct torture *t) {
    return t->hits;
}

uint64_t torture_hits_removing(const struct torture *t) {
    return t->hits_removing;
}

void torture_limit(struct torture *t, uint64_t bytes) {
    t->limit = bytes;
}

uint64_t torture_bytes(const struct torture *t) {
    return t->bytes;
}

uint64_t torture_moment(const struct torture *t) {
    return t->change_count;
}

bool torture_is_sync(const struct torture *t, uint64_t moment) {
    assert(moment > 0 && moment <= t->change_count);
    return t->changes[moment - 1].kind == CHANGE_SYNC;
}

static uint64_t draw(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool survives(enum torture_loss loss, uint64_t *seed) {
    return loss == TORTURE_KEEPS || (loss == TORTURE_SCRAMBLES && (draw(seed) & 1) == 0);
}

/* A write whose fate is open: each sector it touches for itself. */
static void put_sectors(struct torture_inode *inode, const struct change *change, enum torture_loss loss,
                        uint64_t *seed) {
    size_t done = 0;
    while (done < change->length) {
        uint64_t offset = change->offset + done;
        size_t part = SECTOR - (size_t)(offset % SECTOR);
        if (part > change->length - done)
            part = change->length - done;
        if (survives(loss, seed))
            put_bytes(inode, offset, change->bytes + done, part);
        done += part;
    }
}

/* Which changes reached the disk for certain: a write or truncate when a later sync of its file follows
 * before moment and none that failed comes first; a name when a sync of the directory follows. */
static bool *certain(const struct torture *t, uint64_t moment) {
    bool *sure = must(calloc(moment + 1, sizeof *sure));
    bool *synced = must(calloc(t->inode_count + 1, sizeof *synced));
    bool directory = false;
    for (uint64_t i = moment; i > 0; i--) {
        const struct change *change = &t->changes[i - 1];
        if (change->kind == CHANGE_SYNC || change->kind == CHANGE_SYNC_FAILED)
            synced[change->inode] = change->kind == CHANGE_SYNC;
        if (change->kind == CHANGE_SYNC || change->kind == CHANGE_DELETE)
            directory = directory || change->directory;
        bool named = change->kind == CHANGE_CREATE || change->kind == CHANGE_DELETE;
        sure[i - 1] = named ? directory : synced[change->inode];
    }
    free(synced);
    return sure;
}

static void apply(struct torture_inode *inode, const struct change *change, bool sure, enum torture_loss loss,
                  uint64_t *seed) {
    if (change->kind == CHANGE_WRITE)
        put_sectors(inode, change, sure ? TORTURE_KEEPS : loss, seed);
    else if (change->kind == CHANGE_TRUNCATE && (sure || survives(loss, seed)))
        set_length(inode, change->offset);
}

struct torture *torture_image(const struct torture *t, uint64_t moment, enum torture_loss loss,
                              uint64_t seed) {
    struct torture *image = torture_new();
    assert(moment <= t->change_count);
    bool *sure = certain(t, moment);
    for (size_t i = 0; i < t->inode_count; i++) {
        add_inode(image, t->inodes[i].name);
        image->inodes[i].linked = false;
    }
    for (uint64_t i = 0; i < moment; i++) {
        const struct change *change = &t->changes[i];
        struct torture_inode *inode = &image->inodes[change->inode];
        bool named = change->kind == CHANGE_CREATE || change->kind == CHANGE_DELETE;
        if (named && (sure[i] || survives(loss, &seed)))
            inode->linked = change->kind == CHANGE_CREATE;
        else if (!named)
            apply(inode, change, sure[i], loss, &seed);
    }
    free(sure);
    for (size_t i = 0; i < image->inode_count; i++)
        if (image->inodes[i].linked)
            image->bytes += image->inodes[i].length;
    return image;
}

uint64_t torture_rest(struct torture *t) {
    for (size_t i = 0; i < t->change_count; i++)
        free(t->changes[i].bytes);
    t->change_count = 0;
    for (size_t i = 0; i < t->inode_count; i++) {
        const struct torture_inode *inode = &t->inodes[i];
        if (!inode->linked)
            continue;
        log_change(t, (struct change){ .kind = CHANGE_CREATE, .inode = i }, NULL);
        log_change(t, (struct change){ .kind = CHANGE_WRITE, .inode = i, .length = inode->length },
                   inode->at == NULL ? "" : inode->at);
        log_change(t, (struct change){ .kind = CHANGE_SYNC, .inode = i, .directory = true }, NULL);
    }
    return t->change_count;
}

char *torture_file(struct torture *t, const char *name, size_t *length) {
    size_t index = 0;
    struct torture_inode *inode = find_inode(t, name, &index);
    if (inode == NULL)
        return NULL;
    *length = inode->length;
    return inode->at;
}

void torture_put(struct torture *t, const char *name, struct slice bytes) {
    size_t index = 0;
    struct torture_inode *inode = find_inode(t, name, &index);
    if (inode == NULL) {
        index = add_inode(t, name); /* may move them all */
        inode = &t->inodes[index];
    }
    t->bytes -= inode->length;
    inode->length = 0;
    put_bytes(inode, 0, bytes.at, bytes.length);
    t->bytes += inode->length;
}

void torture_remove(struct torture *t, const char *name) {
    size_t index = 0;
    struct torture_inode *inode = find_inode(t, name, &index);
    if (inode == NULL)
        return;
    inode->linked = false;
    t->bytes -= inode->length;
}
