#include "store/watermark.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "store/disk.h"

#define LINE_BYTES 64
#define FILE_BYTES (LINE_BYTES * (1 + LIMIT_SHARDS))

_Static_assert(512 % LINE_BYTES == 0, "a line never crosses a sector");
_Static_assert(LIMIT_SHARDS <= 100, "a shard has two digits");

static const char heading[] = "settle watermark 1: shard, epoch, batch, check";

static int failure(struct why *why, const char *doing) {
    return disk_fail(why, doing, "the watermark");
}

static uint64_t check_of(unsigned shard, struct watermark_line line) {
    const uint64_t numbers[3] = { shard, line.epoch, line.seq };
    return XXH3_64bits(numbers, sizeof numbers);
}

static void encode(char to[LINE_BYTES], unsigned shard, struct watermark_line line) {
    char text[LINE_BYTES + 1];
    int length =
        snprintf(text, sizeof text, "%02u %020llu %020llu %016llx", shard, (unsigned long long)line.epoch,
                 (unsigned long long)line.seq, (unsigned long long)check_of(shard, line));
    assert(length > 0 && length < LINE_BYTES);
    memset(to, ' ', LINE_BYTES);
    memcpy(to, text, (size_t)length);
    to[LINE_BYTES - 1] = '\n';
}

/* A line is right when writing its numbers again gives the same bytes. */
static int decode(const char from[LINE_BYTES], unsigned shard, struct watermark_line *out) {
    struct watermark_line line;
    char again[LINE_BYTES];
    if (slice_u64(slice_of(from + 3, 20), &line.epoch) != 0 ||
        slice_u64(slice_of(from + 24, 20), &line.seq) != 0)
        return ERR_CORRUPT;
    encode(again, shard, line);
    if (memcmp(from, again, LINE_BYTES) != 0)
        return ERR_CORRUPT;
    *out = line;
    return 0;
}

int watermark_open(struct watermark *w, const char *directory, struct why *why) {
    char path[PATH_MAX];
    w->fd = -1;
    int code = disk_path(path, directory, "watermark", why);
    if (code != 0)
        return code;
    w->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (w->fd >= 0)
        return 0;
    if (errno == ENOENT)
        return why_set(why, ERR_NOT_FOUND, "%s does not exist", path);
    return failure(why, "open");
}

static int write_new(int fd, struct why *why) {
    char bytes[FILE_BYTES];
    memset(bytes, ' ', LINE_BYTES);
    memcpy(bytes, heading, sizeof heading - 1);
    bytes[LINE_BYTES - 1] = '\n';
    for (unsigned shard = 0; shard < LIMIT_SHARDS; shard++)
        encode(bytes + LINE_BYTES * (1 + shard), shard, (struct watermark_line){ 0, 0 });
    errno = ENOSPC;
    if (pwrite(fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return failure(why, "write");
    if (fsync(fd) != 0)
        return failure(why, "sync");
    return 0;
}

int watermark_create(struct watermark *w, const char *directory, struct why *why) {
    char path[PATH_MAX];
    char fresh[PATH_MAX];
    w->fd = -1;
    int code = disk_path(path, directory, "watermark", why);
    if (code == 0)
        code = disk_path(fresh, directory, "watermark.new", why);
    if (code != 0)
        return code;
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failure(why, "create");
    code = write_new(fd, why);
    if (code == 0 && rename(fresh, path) != 0)
        code = failure(why, "put in place");
    if (code == 0)
        code = disk_sync(directory, why);
    if (code == 0)
        w->fd = fd;
    else
        close(fd);
    return code;
}

void watermark_close(struct watermark *w) {
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

int watermark_get(const struct watermark *w, unsigned shard, struct watermark_line *out, struct why *why) {
    char line[LINE_BYTES];
    assert(shard < LIMIT_SHARDS);
    ssize_t got = pread(w->fd, line, sizeof line, LINE_BYTES * (1 + (off_t)shard));
    if (got < 0)
        return failure(why, "read");
    if (got != LINE_BYTES || decode(line, shard, out) != 0)
        return why_set(why, ERR_CORRUPT, "watermark: the line of shard %u is damaged", shard);
    return 0;
}

int watermark_set(const struct watermark *w, unsigned shard, struct watermark_line line, struct why *why) {
    char bytes[LINE_BYTES];
    assert(shard < LIMIT_SHARDS);
    encode(bytes, shard, line);
    errno = ENOSPC;
    if (pwrite(w->fd, bytes, sizeof bytes, LINE_BYTES * (1 + (off_t)shard)) != LINE_BYTES)
        return failure(why, "write");
    return 0;
}

int watermark_sync(const struct watermark *w, struct why *why) {
    return fdatasync(w->fd) == 0 ? 0 : failure(why, "sync");
}
