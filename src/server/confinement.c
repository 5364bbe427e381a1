#include "server/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/logs.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define CONFINEMENT_IN_BUILD 0
#else
#define CONFINEMENT_IN_BUILD 1
#endif

/* --- files --- */

/* Rights that came after the header of the oldest system we build on (include/uapi/linux/landlock.h). */
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)
#define RIGHT_IOCTL_DEVICE (UINT64_C(1) << 15)

enum {
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_IOCTL_DEVICE = 5,
};

static const uint64_t rights_reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
/* Plain files and folders; no sockets, devices, pipes or links, and nothing that could be started. */
static const uint64_t rights_data = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER | RIGHT_TRUNCATE;

/* Everything that this kernel can watch over is forbidden unless a rule allows it. */
static uint64_t rights_known(long abi) {
    uint64_t rights = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;
    if (abi >= ABI_REFER)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= ABI_TRUNCATE)
        rights |= RIGHT_TRUNCATE;
    if (abi >= ABI_IOCTL_DEVICE)
        rights |= RIGHT_IOCTL_DEVICE;
    return rights;
}

static int allow_path(int rules, const char *path, uint64_t rights) {
    struct stat status;
    int fd = path[0] == '\0' ? -1 : open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
    /* A file cannot be given rights of a folder. */
    if (fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE;
    long result = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(fd);
    return result == 0 ? 0 : ERR_IO;
}

int confinement_files(const struct confinement_paths *paths, struct why *why) {
    if (!CONFINEMENT_IN_BUILD)
        return why_set(why, ERR_UNSUPPORTED, "this is a sanitizer build");
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return why_set(why, ERR_UNSUPPORTED, "this kernel has no Landlock");
    uint64_t known = rights_known(abi);
    struct landlock_ruleset_attr attributes = { .handled_access_fs = known };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (rules < 0)
        return why_set(why, ERR_IO, "Landlock: %s", strerror(errno));
    int code = allow_path(rules, paths->data, rights_data & known);
    for (size_t i = 0; i < paths->count && code == 0; i++)
        code = allow_path(rules, paths->readable[i], rights_reading);
    for (size_t i = 0; i < paths->writable_count && code == 0; i++)
        code = allow_path(rules, paths->writable[i], rights_data & known);
    if (code == 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, rules, 0) != 0))
        code = ERR_IO;
    if (code != 0)
        why_set(why, code, "Landlock: %s", strerror(errno));
    close(rules);
    return code;
}

/* --- calls --- */

#if defined __x86_64__
#define CONFINEMENT_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define CONFINEMENT_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define CONFINEMENT_ARCHITECTURE 0
#endif

/* The calls that settled and libuv, OpenSSL, SQLite, the resolver and the C library make while it runs and
 * stops. */
static const uint16_t allowed[] = {
#define CALL(name) SYS_##name,
#define HOSTILE(name)
#include "server/confinement.def"
#undef CALL
#undef HOSTILE
};

/* Nothing of ours asks for these. */
static const uint16_t hostile[] = {
#define CALL(name)
#define HOSTILE(name) SYS_##name,
#include "server/confinement.def"
#undef CALL
#undef HOSTILE
};

enum {
    CALLS_ALLOWED = sizeof allowed / sizeof allowed[0],
    CALLS_HOSTILE = sizeof hostile / sizeof hostile[0],
    VERDICTS_MAX = 2 * (CALLS_ALLOWED + CALLS_HOSTILE) + 64,
};

struct program {
    struct sock_filter steps[VERDICTS_MAX];
    unsigned short count;
};

static void add(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    p->steps[p->count++] = (struct sock_filter){ .code = code, .jt = yes, .jf = no, .k = k };
}

static void load(struct program *p, size_t offset) {
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void verdict(struct program *p, uint32_t action) {
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

/* When the loaded word is this value: that verdict. */
static void when(struct program *p, uint32_t value, uint32_t action) {
    add(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    verdict(p, action);
}

/* A call that is allowed only with one of a few values as its first argument (both architectures are
 * little-endian: its low half comes first). */
static void add_limited(struct program *p, long call, const uint32_t *values, size_t count, int refusal) {
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, (uint8_t)(2 * count + 2));
    load(p, offsetof(struct seccomp_data, args[0]));
    for (size_t i = 0; i < count; i++)
        when(p, values[i], SECCOMP_RET_ALLOW);
    verdict(p, SECCOMP_RET_ERRNO | (uint32_t)refusal);
}

/* clone makes threads here and nothing else. clone3 hides its flags from a filter, so it is answered ENOSYS
 * and the C library takes this one. */
static void add_clone(struct program *p) {
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    load(p, offsetof(struct seccomp_data, args[0]));
    add(p, BPF_JMP | BPF_JSET | BPF_K, 0x00010000 /* CLONE_THREAD */, 0, 1);
    verdict(p, SECCOMP_RET_ALLOW);
    verdict(p, SECCOMP_RET_ERRNO | EPERM);
}

static void write_program(struct program *p) {
    static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
    static const uint32_t named[] = { PR_SET_NAME, PR_GET_NAME };
    const uint32_t self[] = { (uint32_t)getpid() };
    p->count = 0;
    load(p, offsetof(struct seccomp_data, arch));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, CONFINEMENT_ARCHITECTURE, 1, 0);
    verdict(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS_ALLOWED; i++)
        when(p, allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < CALLS_HOSTILE; i++)
        when(p, hostile[i], SECCOMP_RET_KILL_PROCESS);
    add_limited(p, SYS_socket, families, sizeof families / sizeof families[0], EAFNOSUPPORT);
    add_limited(p, SYS_prctl, named, sizeof named / sizeof named[0], EPERM);
    add_limited(p, SYS_kill, self, 1, EPERM);
    add_limited(p, SYS_tgkill, self, 1, EPERM);
    add_clone(p);
    verdict(p, SECCOMP_RET_ERRNO | ENOSYS);
}

int confinement_calls(struct why *why) {
    struct program p;
    if (!CONFINEMENT_IN_BUILD)
        return why_set(why, ERR_UNSUPPORTED, "this is a sanitizer build");
    if (CONFINEMENT_ARCHITECTURE == 0)
        return why_set(why, ERR_UNSUPPORTED, "no list of calls for this architecture");
    write_program(&p);
    struct sock_fprog filter = { .len = p.count, .filter = p.steps };
    /* Without SPEC_ALLOW kernels before 5.16 turn speculation off for the whole process. */
    unsigned long flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) == 0)
        return 0;
    int code = errno == ENOSYS || errno == EINVAL ? ERR_UNSUPPORTED : ERR_IO;
    return why_set(why, code, "seccomp: %s", strerror(errno));
}

/* --- what settled opens again --- */

/* Libraries that name look-ups load when they first need them, CA certificates, and what the store, the
 * metrics and random numbers read. */
static const char *const system_paths[] = {
    "/usr", "/lib", "/lib64", "/dev/urandom", "/dev/null", "/proc/self", "/proc/sys",
};

/* Of /etc, for a process that could read the password hashes in it. */
static const char *const resolver_paths[] = {
    "/etc/resolv.conf", "/etc/hosts",           "/etc/nsswitch.conf",   "/etc/host.conf",
    "/etc/gai.conf",    "/etc/services",        "/etc/protocols",       "/etc/networks",
    "/etc/localtime",   "/etc/ld.so.cache",     "/etc/ssl/certs",       "/etc/ssl/openssl.cnf",
    "/etc/pki",         "/etc/ca-certificates", "/etc/crypto-policies",
};

enum {
    PATHS_MAX = 128,
    WRITABLE_MAX = 32, /* as the setting's own limit */
};

struct collection {
    const char *paths[PATHS_MAX];
    char *owned[PATHS_MAX];
    const char *writable[WRITABLE_MAX];
    size_t count;
    size_t owned_count;
    size_t writable_count;
};

static void add_path(struct collection *c, const char *path) {
    if (c->count < PATHS_MAX)
        c->paths[c->count++] = path;
}

/* The folder of a file, so that a file renamed into its place is seen too; the root is no such folder. */
static void add_folder(struct collection *c, const char *file) {
    const char *slash = strrchr(file, '/');
    size_t length = slash == NULL ? 0 : slash == file ? strlen(file) : (size_t)(slash - file);
    char *folder =
        c->owned_count < PATHS_MAX ? strndup(slash == NULL ? "." : file, slash == NULL ? 1 : length) : NULL;
    if (folder == NULL)
        return;
    c->owned[c->owned_count++] = folder;
    add_path(c, folder);
}

/* SQLite writes its journal beside the file. */
static void add_datasources(struct collection *c, const struct settings *s) {
    const char *rest = NULL;
    struct slice item;
    while (settings_list_next(s, SETTING_DATASOURCE_DIRECTORIES, &rest, &item)) {
        char *folder = c->owned_count < PATHS_MAX && c->writable_count < WRITABLE_MAX
                           ? strndup(item.at, item.length)
                           : NULL;
        if (folder == NULL)
            return;
        c->owned[c->owned_count++] = folder;
        c->writable[c->writable_count++] = folder;
    }
}

/* Where a link leads, and that it is one. */
static bool follow(const char *path, char real[PATH_MAX]) {
    return realpath(path, real) != NULL && strcmp(real, path) != 0;
}

/* Both where the name stands and, for a link (certificates often are), where it leads. */
static void add_file(struct collection *c, const char *file) {
    char real[PATH_MAX];
    if (file == NULL || file[0] == '\0')
        return;
    add_folder(c, file);
    if (follow(file, real))
        add_folder(c, real);
}

static void add_resolver(struct collection *c) {
    char real[PATH_MAX];
    /* A file of /etc that is replaced by a rename is another file, and resolv.conf is replaced so. Who cannot
     * read /etc/shadow anyway may have all of /etc; who can (root) gets it piece by piece. */
    if (access("/etc/shadow", R_OK) != 0)
        add_path(c, "/etc");
    for (size_t i = 0; i < sizeof resolver_paths / sizeof resolver_paths[0]; i++) {
        add_path(c, resolver_paths[i]);
        if (follow(resolver_paths[i], real))
            add_folder(c, real);
    }
}

static void add_secrets(struct collection *c, const struct settings *s) {
    const char *rest = NULL;
    struct slice directory;
    while (settings_list_next(s, SETTING_SECRETS_DIRECTORIES, &rest, &directory)) {
        char *path = c->owned_count < PATHS_MAX ? strndup(directory.at, directory.length) : NULL;
        if (path == NULL)
            return;
        c->owned[c->owned_count++] = path;
        add_path(c, path);
    }
}

static void collect(struct collection *c, const struct settings *s, const char *config) {
    const char *folder = getenv("SSL_CERT_DIR");
    for (size_t i = 0; i < sizeof system_paths / sizeof system_paths[0]; i++)
        add_path(c, system_paths[i]);
    add_resolver(c);
    if (folder != NULL)
        add_path(c, folder);
    add_file(c, getenv("SSL_CERT_FILE"));
    add_file(c, config);
    add_secrets(c, s);
    add_datasources(c, s);
    for (int i = 0; i < SETTING_COUNT; i++) {
        enum setting_id id = (enum setting_id)i;
        if (setting_row(id)->kind == SETTING_KIND_PATH)
            add_file(c, settings_text(s, id));
        add_file(c, settings_file_of(s, id));
    }
}

void confinement_begin(const struct settings *s, const char *data, const char *config) {
    struct collection c = { .count = 0 };
    struct why why = { .text = "" };
    if (!settings_flag(s, SETTING_CONFINEMENT)) {
        logs_say(LOG_UNCONFINED, "(confinement = false)");
        return;
    }
    collect(&c, s, config);
    struct confinement_paths paths = {
        .data = data,
        .readable = c.paths,
        .count = c.count,
        .writable = c.writable,
        .writable_count = c.writable_count,
    };
    int code = confinement_files(&paths, &why);
    if (code == 0)
        logs_say(LOG_CONFINED, "files: %s and %zu paths to read", data, c.count);
    else
        logs_say(code == ERR_UNSUPPORTED ? LOG_CONFINEMENT_LACKS : LOG_CONFINEMENT_FAILED, "files: %s",
                 why.text);
    for (size_t i = 0; i < c.owned_count; i++)
        free(c.owned[i]);
}

void confinement_seal(const struct settings *s) {
    struct why why = { .text = "" };
    if (!settings_flag(s, SETTING_CONFINEMENT))
        return;
    int code = confinement_calls(&why);
    if (code == 0)
        logs_say(LOG_CONFINED, "calls: %d allowed", CALLS_ALLOWED);
    else
        logs_say(code == ERR_UNSUPPORTED ? LOG_CONFINEMENT_LACKS : LOG_CONFINEMENT_FAILED, "calls: %s",
                 why.text);
}
