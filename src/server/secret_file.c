#include "server/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* systemd hands credentials over with an access list, which shows as a mode of 0440; the folder is ours
 * alone. */
static mode_t forbidden_bits(const char *path) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    size_t length = folder == NULL ? 0 : strlen(folder);
    bool credential = length > 1 && strncmp(path, folder, length) == 0 && path[length] == '/' &&
                      strstr(path, "/../") == NULL;
    return credential ? 037 : 077;
}

static int open_private(const char *path, int *fd, struct why *why) {
    struct stat status;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (opened < 0)
        return why_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
    if (fstat(opened, &status) != 0) {
        int code = why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
        close(opened);
        return code;
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & forbidden_bits(path)) != 0) {
        close(opened);
        return why_set(why, ERR_DENIED, "%s can be read by its group or others; chmod 600 it", path);
    }
    *fd = opened;
    return 0;
}

int secret_file_check(const char *path, struct why *why) {
    int fd;
    int code = open_private(path, &fd, why);
    if (code == 0)
        close(fd);
    return code;
}

int secret_file_load(const char *path, struct buffer *to, struct why *why) {
    int fd;
    int code = open_private(path, &fd, why);
    if (code != 0)
        return code;
    char piece[4096];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            code = got == 0 ? 0 : why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
            break;
        }
        buffer_add(to, piece, (size_t)got);
        if (buffer_failed(to) != 0) {
            code = why_set(why, ERR_LIMIT, "%s is too long", path);
            break;
        }
    }
    explicit_bzero(piece, sizeof piece);
    close(fd);
    return code;
}

int secret_file_read(const char *path, char *to, size_t room, size_t *length, struct why *why) {
    struct buffer content;
    buffer_init(&content, 65536);
    int code = secret_file_load(path, &content, why);
    if (code == 0) {
        struct slice line = buffer_slice(&content);
        line = slice_upto(line, slice_find(line, '\n'));
        line = slice_upto(line, slice_find(line, '\r'));
        if (line.length == 0) {
            code = why_set(why, ERR_INVALID, "%s is empty", path);
        } else if (line.length >= room) {
            code = why_set(why, ERR_LIMIT, "%s: the secret is longer than %zu bytes", path, room - 1);
        } else {
            memcpy(to, line.at, line.length);
            to[line.length] = '\0';
            *length = line.length;
        }
    }
    if (content.at != NULL)
        explicit_bzero(content.at, content.length);
    buffer_done(&content);
    return code;
}

static int write_all(int fd, struct slice content) {
    while (content.length > 0) {
        ssize_t put = write(fd, content.at, content.length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -1;
        content = slice_from(content, (size_t)put);
    }
    return fsync(fd);
}

static int sync_directory(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

int secret_file_write(const char *path, struct slice content, struct why *why) {
    char copy[PATH_MAX];
    char fresh[PATH_MAX + 8];
    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return why_set(why, ERR_INVALID, "%s: the path is too long", path);
    const char *directory = dirname(copy);
    snprintf(fresh, sizeof fresh, "%s/~fresh", directory);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return why_set(why, ERR_IO, "%s: %s", fresh, strerror(errno));
    int result = fchmod(fd, 0600) != 0 ? -1 : write_all(fd, content);
    int cause = errno;
    if (close(fd) != 0 && result == 0) {
        result = -1;
        cause = errno;
    }
    if (result == 0 && rename(fresh, path) != 0) {
        result = -1;
        cause = errno;
    }
    if (result != 0) {
        unlink(fresh);
        return why_set(why, ERR_IO, "%s: %s", path, strerror(cause));
    }
    if (sync_directory(directory) != 0)
        return why_set(why, ERR_IO, "%s: cannot sync its directory: %s", path, strerror(errno));
    return 0;
}
