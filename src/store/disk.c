#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int disk_fail(struct why *why, const char *doing, const char *path) {
    int code = errno == ENOSPC || errno == EDQUOT ? ERR_SPACE : ERR_IO;
    return why_set(why, code, "cannot %s %s: %s", doing, path, strerror(errno));
}

int disk_sync(const char *path, struct why *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = fd >= 0 && fsync(fd) == 0 ? 0 : disk_fail(why, "sync", path);
    if (fd >= 0)
        close(fd);
    return code;
}

int disk_path(char *to, const char *directory, const char *name, struct why *why) {
    if (snprintf(to, PATH_MAX, "%s/%s", directory, name) < PATH_MAX)
        return 0;
    return why_set(why, ERR_INVALID, "a directory's name is too long");
}

bool disk_has(const char *directory, const char *name) {
    char path[PATH_MAX];
    return disk_path(path, directory, name, NULL) == 0 && access(path, F_OK) == 0;
}
