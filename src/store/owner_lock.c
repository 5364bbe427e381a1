#include "store/owner_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/disk.h"

static void read_line(int fd, char *to, size_t size) {
    ssize_t got = pread(fd, to, size - 1, 0);
    to[got > 0 ? got : 0] = '\0';
    to[strcspn(to, "\n")] = '\0';
}

static void write_owner(int fd) {
    char boot[64] = "";
    char text[128];
    int from = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (from >= 0) {
        read_line(from, boot, sizeof boot);
        close(from);
    }
    int length = snprintf(text, sizeof text, "process %ld of boot %s\n", (long)getpid(), boot);
    /* Only words: the lock holds without them. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) < 0)
        errno = 0;
}

int owner_lock_take(struct owner_lock *lock, const char *directory, struct why *why) {
    char path[PATH_MAX];
    char owner[128];
    lock->fd = -1;
    int code = disk_path(path, directory, "lock", why);
    if (code != 0)
        return code;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT)
        return why_set(why, ERR_NOT_FOUND, "there is no directory %s", directory);
    if (fd < 0)
        return disk_fail(why, "open", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        write_owner(fd);
        lock->fd = fd;
        return 0;
    }
    code = errno == EWOULDBLOCK ? ERR_LOCKED : ERR_IO;
    if (code == ERR_LOCKED) {
        read_line(fd, owner, sizeof owner);
        why_set(why, code, "%s is in use by %s; one directory has one settled", directory,
                owner[0] == '\0' ? "another process" : owner);
    } else {
        why_set(why, code, "cannot lock %s: %s", path, strerror(errno));
    }
    close(fd);
    return code;
}

void owner_lock_release(struct owner_lock *lock) {
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
