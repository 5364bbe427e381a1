#include "store/tar.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMBERS_MAX 16
#define OCTAL_MAX ((UINT64_C(1) << 33) - 1) /* eleven octal digits */

/* Offsets of POSIX ustar. */
enum {
    AT_NAME = 0,
    AT_MODE = 100,
    AT_UID = 108,
    AT_GID = 116,
    AT_SIZE = 124,
    AT_TIME = 136,
    AT_CHECK = 148,
    AT_TYPE = 156,
    AT_MAGIC = 257,
    AT_USER = 265,
    AT_GROUP = 297,
};

static void put_octal(char *to, int digits, uint64_t number) {
    char text[32];
    snprintf(text, sizeof text, "%0*llo", digits, (unsigned long long)number);
    memcpy(to, text, (size_t)digits);
}

static void put_size(char *to, uint64_t number) {
    if (number <= OCTAL_MAX) {
        put_octal(to, 11, number);
        return;
    }
    to[0] = (char)0x80;
    for (int i = 0; i < 8; i++)
        to[4 + i] = (char)(number >> (8 * (7 - i)));
}

static int get_size(const char *from, uint64_t *out) {
    uint64_t number = 0;
    if ((unsigned char)from[0] == 0x80) {
        for (int i = 1; i < 12; i++) {
            if (i < 4 && from[i] != 0)
                return ERR_CORRUPT;
            number = number << 8 | (unsigned char)from[i];
        }
    } else {
        int i = 0;
        while (i < 12 && from[i] == ' ')
            i++;
        for (; i < 12 && from[i] != ' ' && from[i] != '\0'; i++) {
            if (from[i] < '0' || from[i] > '7')
                return ERR_CORRUPT;
            number = number << 3 | (uint64_t)(from[i] - '0');
        }
    }
    if (number > INT64_MAX)
        return ERR_CORRUPT;
    *out = number;
    return 0;
}

/* The sum of all bytes, those of the sum itself taken as blanks. */
static unsigned check_of(const char block[TAR_BLOCK]) {
    unsigned sum = 8 * ' ';
    for (int i = 0; i < TAR_BLOCK; i++)
        if (i < AT_CHECK || i >= AT_CHECK + 8)
            sum += (unsigned char)block[i];
    return sum;
}

void tar_header_encode(char block[TAR_BLOCK], const struct tar_header *header) {
    size_t length = strlen(header->name);
    assert(header->regular);
    assert(length > 0 && length < 100);
    memset(block, 0, TAR_BLOCK);
    memcpy(block + AT_NAME, header->name, length);
    put_octal(block + AT_MODE, 7, 0600);
    put_octal(block + AT_UID, 7, 0);
    put_octal(block + AT_GID, 7, 0);
    put_size(block + AT_SIZE, header->bytes);
    put_octal(block + AT_TIME, 11, header->modified_s & OCTAL_MAX);
    block[AT_TYPE] = '0';
    memcpy(block + AT_MAGIC,
           "ustar\0"
           "00",
           8);
    memcpy(block + AT_USER, "settle", 6);
    memcpy(block + AT_GROUP, "settle", 6);
    put_octal(block + AT_CHECK, 6, check_of(block));
    block[AT_CHECK + 7] = ' ';
}

int tar_header_decode(const char block[TAR_BLOCK], struct tar_header *out) {
    static const char nothing[TAR_BLOCK];
    struct tar_header header = { .regular = block[AT_TYPE] == '0' || block[AT_TYPE] == '\0' };
    uint64_t check = 0;
    char digits[12] = { 0 };
    if (memcmp(block, nothing, TAR_BLOCK) == 0)
        return ERR_NOT_FOUND;
    memcpy(digits, block + AT_CHECK, 7);
    if (get_size(digits, &check) != 0 || check != check_of(block) ||
        get_size(block + AT_SIZE, &header.bytes) != 0 || get_size(block + AT_TIME, &header.modified_s) != 0)
        return ERR_CORRUPT;
    size_t length = strnlen(block, 100);
    const char *name = block;
    for (size_t i = 0; i < length; i++)
        if (block[i] == '/')
            name = block + i + 1;
    memcpy(header.name, name, (size_t)(block + length - name));
    *out = header;
    return 0;
}

struct tar_pack {
    char directory[PATH_MAX - 128];
    struct tar_header members[MEMBERS_MAX];
    size_t count;
    size_t member; /* being read; count: the end marks */
    uint64_t at;   /* within the member: heading, content, padding */
    int fd;
    uint64_t total;
};

static uint64_t padded(uint64_t bytes) {
    return (bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

int tar_pack_open(struct tar_pack **out, const char *directory, const char *const *names, size_t count,
                  struct why *why) {
    assert(count <= MEMBERS_MAX);
    struct tar_pack *p = calloc(1, sizeof *p);
    if (p == NULL)
        return why_set(why, ERR_MEMORY, "no memory to pack");
    p->fd = -1;
    p->count = count;
    p->total = 2 * TAR_BLOCK;
    int code = 0;
    if (snprintf(p->directory, sizeof p->directory, "%s", directory) >= (int)sizeof p->directory)
        code = why_set(why, ERR_INVALID, "a directory's name is too long");
    for (size_t i = 0; i < count && code == 0; i++) {
        struct tar_header *member = &p->members[i];
        char path[PATH_MAX];
        struct stat found;
        snprintf(path, sizeof path, "%s/%s", p->directory, names[i]);
        if (stat(path, &found) != 0 || !S_ISREG(found.st_mode)) {
            code = why_set(why, ERR_IO, "cannot pack %s: %s", path, strerror(errno));
            break;
        }
        snprintf(member->name, sizeof member->name, "%s", names[i]);
        member->bytes = (uint64_t)found.st_size;
        member->modified_s = (uint64_t)found.st_mtime;
        member->regular = true;
        p->total += TAR_BLOCK + padded(member->bytes);
    }
    if (code != 0) {
        free(p);
        return code;
    }
    *out = p;
    return 0;
}

uint64_t tar_pack_bytes(const struct tar_pack *p) {
    return p->total;
}

static int open_member(struct tar_pack *p, struct why *why) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", p->directory, p->members[p->member].name);
    p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return p->fd >= 0 ? 0 : why_set(why, ERR_IO, "cannot pack %s: %s", path, strerror(errno));
}

/* A piece of the member at p->at: heading, content or padding, whatever comes next. */
static int read_piece(struct tar_pack *p, char *to, size_t capacity, size_t *got, struct why *why) {
    const struct tar_header *member = &p->members[p->member];
    uint64_t content_end = TAR_BLOCK + member->bytes;
    char block[TAR_BLOCK];
    size_t left;
    if (p->at < TAR_BLOCK) {
        tar_header_encode(block, member);
        left = TAR_BLOCK - (size_t)p->at;
        *got = left < capacity ? left : capacity;
        memcpy(to, block + p->at, *got);
    } else if (p->at < content_end) {
        int code = p->fd < 0 ? open_member(p, why) : 0;
        if (code != 0)
            return code;
        left = content_end - p->at < capacity ? (size_t)(content_end - p->at) : capacity;
        ssize_t read = pread(p->fd, to, left, (off_t)(p->at - TAR_BLOCK));
        if (read <= 0)
            return why_set(why, ERR_IO, "cannot pack %s: %s", member->name,
                           read == 0 ? "it became shorter" : strerror(errno));
        *got = (size_t)read;
    } else {
        left = (size_t)(TAR_BLOCK + padded(member->bytes) - p->at);
        *got = left < capacity ? left : capacity;
        memset(to, 0, *got);
    }
    p->at += *got;
    return 0;
}

int tar_pack_read(struct tar_pack *p, char *to, size_t capacity, size_t *got, struct why *why) {
    size_t done = 0;
    while (done < capacity) {
        size_t piece = 0;
        if (p->member == p->count) { /* two empty blocks end the archive */
            piece = 2 * TAR_BLOCK - (size_t)p->at < capacity - done ? 2 * TAR_BLOCK - (size_t)p->at
                                                                    : capacity - done;
            memset(to + done, 0, piece);
            p->at += piece;
            done += piece;
            break;
        }
        int code = read_piece(p, to + done, capacity - done, &piece, why);
        if (code != 0)
            return code;
        done += piece;
        if (p->at < TAR_BLOCK + padded(p->members[p->member].bytes))
            continue;
        if (p->fd >= 0)
            close(p->fd);
        p->fd = -1;
        p->member++;
        p->at = 0;
    }
    *got = done;
    return 0;
}

void tar_pack_close(struct tar_pack *p) {
    if (p == NULL)
        return;
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

/* All of it, or ERR_CORRUPT when the stream ends first. */
static int read_all(int fd, char *to, size_t length, struct why *why) {
    size_t done = 0;
    while (done < length) {
        ssize_t got = read(fd, to + done, length - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return why_set(why, ERR_IO, "cannot read the archive: %s", strerror(errno));
        if (got == 0)
            return why_set(why, ERR_CORRUPT, "the archive is cut");
        done += (size_t)got;
    }
    return 0;
}

/* Copy a member's content and padding to fd_out; -1: skip it. */
static int copy_member(int fd, int fd_out, const struct tar_header *member, struct why *why) {
    char piece[64 * 1024];
    uint64_t left = member->bytes;
    uint64_t padding = padded(member->bytes) - member->bytes;
    while (left > 0 || padding > 0) {
        uint64_t some = left > 0 ? left : padding;
        size_t part = some < sizeof piece ? (size_t)some : sizeof piece;
        int code = read_all(fd, piece, part, why);
        if (code != 0)
            return code;
        errno = ENOSPC;
        if (left > 0 && fd_out >= 0 && write(fd_out, piece, part) != (ssize_t)part)
            return why_set(why, errno == ENOSPC || errno == EDQUOT ? ERR_SPACE : ERR_IO,
                           "cannot write %s: %s", member->name, strerror(errno));
        if (left > 0)
            left -= part;
        else
            padding -= part;
    }
    return 0;
}

static int unpack_member(int fd, const char *directory, const struct tar_header *member, struct why *why) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, member->name) >= (int)sizeof path)
        return why_set(why, ERR_INVALID, "a directory's name is too long");
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return why_set(why, errno == ENOSPC ? ERR_SPACE : ERR_IO, "cannot create %s: %s", path,
                       strerror(errno));
    int code = copy_member(fd, out, member, why);
    if (code == 0 && fsync(out) != 0)
        code = why_set(why, ERR_IO, "cannot sync %s: %s", path, strerror(errno));
    close(out);
    return code;
}

static int choose(const char *const *names, size_t count, const char *name, bool *seen, struct why *why) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        if (seen[i])
            return why_set(why, ERR_INVALID, "the archive has %s twice", name);
        seen[i] = true;
        return 0;
    }
    return why_set(why, ERR_INVALID, "the archive has %s, which is not part of a backup", name);
}

int tar_unpack(int fd, const char *directory, const char *const *names, size_t count, struct why *why) {
    bool seen[MEMBERS_MAX] = { false };
    char block[TAR_BLOCK];
    struct tar_header member;
    int code;
    assert(count <= MEMBERS_MAX);
    while ((code = read_all(fd, block, sizeof block, why)) == 0) {
        code = tar_header_decode(block, &member);
        if (code != 0)
            break;
        if (member.regular)
            code = choose(names, count, member.name, seen, why);
        if (code == 0)
            code = member.regular ? unpack_member(fd, directory, &member, why)
                                  : copy_member(fd, -1, &member, why);
        if (code != 0)
            return code;
    }
    if (code == ERR_CORRUPT)
        return why_set(why, code, "the archive is cut or damaged");
    if (code != ERR_NOT_FOUND)
        return code;
    for (size_t i = 0; i < count; i++)
        if (!seen[i])
            return why_set(why, ERR_CORRUPT, "the archive has no %s", names[i]);
    return 0;
}
