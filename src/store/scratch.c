#include "store/scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

int scratch_make(char path[SCRATCH_PATH_BYTES], bool fast) {
    const char *base = getenv("TMPDIR");
    if (base == NULL || strlen(base) > SCRATCH_PATH_BYTES / 2)
        base = "/tmp";
    if (fast && access("/dev/shm", W_OK) == 0)
        base = "/dev/shm";
    snprintf(path, SCRATCH_PATH_BYTES, "%s/settle-XXXXXX", base);
    return mkdtemp(path) == NULL ? ERR_IO : 0;
}

static int remove_entry(const char *path, const struct stat *found, int kind, struct FTW *where) {
    (void)found;
    (void)where;
    return kind == FTW_DP ? rmdir(path) : unlink(path);
}

void scratch_remove(const char *path) {
    if (path != NULL)
        nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int open_in(const char *directory, const char *name, int flags) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

int scratch_read(const char *directory, const char *name, char **out, size_t *length) {
    struct stat found;
    int fd = open_in(directory, name, O_RDONLY);
    if (fd < 0)
        return ERR_NOT_FOUND;
    char *bytes = NULL;
    if (fstat(fd, &found) == 0 && (bytes = malloc((size_t)found.st_size + 1)) != NULL &&
        read(fd, bytes, (size_t)found.st_size) == found.st_size) {
        close(fd);
        *out = bytes;
        *length = (size_t)found.st_size;
        return 0;
    }
    free(bytes);
    close(fd);
    return ERR_IO;
}

int scratch_write(const char *directory, const char *name, struct slice bytes) {
    int fd = open_in(directory, name, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return ERR_IO;
    ssize_t put = write(fd, bytes.at, bytes.length);
    close(fd);
    return put == (ssize_t)bytes.length ? 0 : ERR_IO;
}
