#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/confinement.h"
#include "server/logs.h"
#include "sink/database/datasource_test.h"

/* Every trial runs in a child: confinement is for life. The child exits 0 when all went as it should, with
 * the line of the first surprise otherwise, and UNSUPPORTED when this kernel or build has no confinement. */
enum {
    UNSUPPORTED = 77,
};

#define EXPECT(condition)                   \
    do {                                    \
        if (!(condition)) {                 \
            dprintf(2, "%s\n", #condition); \
            _exit(1);                       \
        }                                   \
    } while (0)

static char data[64];
static const char *writable[1]; /* a folder of datasource.directories */

static int status_of(void (*trial)(void)) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        trial();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNSUPPORTED)
        skip();
    return status;
}

static void expect_well(void (*trial)(void)) {
    int status = status_of(trial);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_killed(void (*trial)(void)) {
    int status = status_of(trial);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void confine_files(void) {
    static const char *const readable[] = { "/usr", "/etc/hosts", "", "/no/such/path" };
    struct confinement_paths paths = { .data = data,
                                       .readable = readable,
                                       .count = sizeof readable / sizeof readable[0],
                                       .writable = writable,
                                       .writable_count = writable[0] == NULL ? 0 : 1 };
    struct why why = { .text = "" };
    int code = confinement_files(&paths, &why);
    if (code == ERR_UNSUPPORTED)
        _exit(UNSUPPORTED);
    EXPECT(code == 0);
}

static void confine_calls(void) {
    struct why why = { .text = "" };
    int code = confinement_calls(&why);
    if (code == ERR_UNSUPPORTED)
        _exit(UNSUPPORTED);
    EXPECT(code == 0);
}

static void join(char *to, size_t room, const char *name) {
    snprintf(to, room, "%s/%s", data, name);
}

/* --- files --- */

static void work_in_data(void) {
    char one[128];
    char two[128];
    char folder[128];
    char inside[160];
    join(one, sizeof one, "one");
    join(two, sizeof two, "two");
    join(folder, sizeof folder, "backup-1");
    snprintf(inside, sizeof inside, "%s/file", folder);
    confine_files();
    int fd = open(one, O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT(write(fd, "x", 1) == 1);
    EXPECT(ftruncate(fd, 0) == 0);
    EXPECT(fsync(fd) == 0);
    EXPECT(close(fd) == 0);
    EXPECT(rename(one, two) == 0);
    EXPECT(mkdir(folder, 0700) == 0);
    EXPECT(rename(two, inside) == 0);
    EXPECT(open(folder, O_RDONLY | O_DIRECTORY) >= 0);
    EXPECT(unlink(inside) == 0);
    EXPECT(rmdir(folder) == 0);
}

static void stay_out_of_the_rest(void) {
    char link[128];
    join(link, sizeof link, "link");
    bool reads_shadow = access("/etc/shadow", R_OK) == 0;
    int before = open("/etc/hostname", O_RDONLY);
    char byte;
    confine_files();
    EXPECT(open("/etc/shadow", O_RDONLY) < 0);
    EXPECT(!reads_shadow || errno == EACCES);
    EXPECT(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
    EXPECT(open("/etc", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
    EXPECT(open("/tmp/settle-confinement", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
    EXPECT(open("/usr/settle-confinement", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
    EXPECT(open("/usr/bin/env", O_WRONLY) < 0);
    EXPECT(open("/usr/bin/env", O_RDONLY) >= 0);
    EXPECT(open("/etc/hosts", O_RDONLY) >= 0 || errno == ENOENT);
    EXPECT(symlink("/etc/shadow", link) < 0 && errno == EACCES);
    EXPECT(mkfifo(link, 0600) < 0 && errno == EACCES);
    EXPECT(before < 0 || read(before, &byte, 1) >= 0); /* what is open stays open */
    /* Not even something that may be read can be started. */
    execl("/usr/bin/env", "env", NULL);
    EXPECT(errno == EACCES);
}

static void *open_shadow(void *context) {
    int *result = context;
    *result = open("/etc/shadow", O_RDONLY) < 0 ? errno : 0;
    return NULL;
}

static void threads_are_bound_too(void) {
    pthread_t thread;
    int result = 0;
    confine_files();
    EXPECT(pthread_create(&thread, NULL, open_shadow, &result) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(result == EACCES);
}

/* --- calls --- */

static void start_a_program(void) {
    confine_calls();
    execl("/bin/true", "true", NULL);
}

static void start_a_program_by_handle(void) {
    int fd = open("/bin/true", O_RDONLY);
    char *const words[] = { (char[]){ "true" }, NULL };
    confine_calls();
    fexecve(fd, words, words + 1);
}

static void trace_another(void) {
    confine_calls();
    ptrace(PTRACE_ATTACH, getppid(), 0, 0);
}

static void mount_something(void) {
    confine_calls();
    mount("none", "/mnt", "tmpfs", 0, NULL);
}

static void load_a_module(void) {
    confine_calls();
    syscall(SYS_finit_module, -1, "", 0);
}

static void call_bpf(void) {
    confine_calls();
    syscall(SYS_bpf, 0, NULL, 0);
}

static void read_another_process(void) {
    confine_calls();
    syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static void use_keys(void) {
    confine_calls();
    syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

/* A thread that was there before is bound as well. */
static int door[2];

static void *wait_then_start(void *context) {
    char byte;
    if (read(door[0], &byte, 1) == 1)
        execl("/bin/true", "true", NULL);
    return context;
}

static void start_from_an_older_thread(void) {
    pthread_t thread;
    EXPECT(pipe(door) == 0);
    EXPECT(pthread_create(&thread, NULL, wait_then_start, NULL) == 0);
    confine_calls();
    EXPECT(write(door[1], "x", 1) == 1);
    pthread_join(thread, NULL);
}

static void be_refused(void) {
    confine_calls();
    EXPECT(fork() < 0);
    EXPECT(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS);
    EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT);
    EXPECT(kill(getppid(), 0) < 0 && errno == EPERM);
    EXPECT(kill(getpid(), 0) == 0);
    EXPECT(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0) < 0 && errno == EPERM);
    EXPECT(setuid(65534) < 0);
}

static void *think(void *context) {
    struct addrinfo *found = NULL;
    int *result = context;
    *result = getaddrinfo("127.0.0.1", "80", NULL, &found);
    if (*result == 0)
        freeaddrinfo(found);
    return NULL;
}

static void work_on(void) {
    pthread_t threads[4];
    int results[4];
    char path[128];
    join(path, sizeof path, "three");
    confine_files();
    confine_calls();
    for (size_t i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, think, &results[i]) == 0);
    for (size_t i = 0; i < 4; i++)
        EXPECT(pthread_join(threads[i], NULL) == 0 && results[i] == 0);
    void *large = malloc(64 * 1024 * 1024);
    EXPECT(large != NULL);
    memset(large, 1, 64 * 1024 * 1024);
    free(large);
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL && fputs("x", file) >= 0 && fclose(file) == 0);
    EXPECT(remove(path) == 0);
    EXPECT(socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno == EAFNOSUPPORT);
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    EXPECT(raise(SIGCHLD) == 0);
}

static void abort_as_ever(void) {
    confine_calls();
    abort();
}

/* --- as settled does it --- */

static void by_settings(void) {
    struct settings s;
    EXPECT(settings_init(&s) == 0);
    confinement_begin(&s, data, "/usr/share/settled.conf");
    if (open("/var", O_RDONLY | O_DIRECTORY) >= 0)
        _exit(UNSUPPORTED);
    confinement_seal(&s);
    struct addrinfo *found = NULL;
    EXPECT(getaddrinfo("localhost", NULL, NULL, &found) == 0);
    freeaddrinfo(found);
    EXPECT(open("/etc/hosts", O_RDONLY) >= 0);
    EXPECT(open("/proc/self/statm", O_RDONLY) >= 0);
    EXPECT(open("/proc/1/environ", O_RDONLY) < 0);
    EXPECT(open("/root", O_RDONLY | O_DIRECTORY) < 0);
    EXPECT(open("/etc/shadow", O_RDONLY) < 0);
    settings_done(&s);
}

static void switched_off(void) {
    struct settings s;
    EXPECT(settings_init(&s) == 0);
    EXPECT(settings_set(&s, SETTING_CONFINEMENT, SLICE("false"), SETTING_ORIGIN_FLAG, 0, NULL) == 0);
    confinement_begin(&s, data, "");
    confinement_seal(&s);
    EXPECT(open("/var", O_RDONLY | O_DIRECTORY) >= 0);
    settings_done(&s);
    execl("/bin/true", "true", NULL);
}

/* --- */

static void data_is_for_work(void **state) {
    (void)state;
    expect_well(work_in_data);
}

/* What the clients of databases need is left: SQLite's journal beside its file, names, sockets, threads. */
static void ask_databases(void) {
    static struct rig rig;
    char path[128];
    char url[160];
    sqlite3 *db = NULL;
    rig_open(&rig);
    snprintf(path, sizeof path, "%s/db", rig.folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
    EXPECT(sqlite3_open(path, &db) == SQLITE_OK);
    EXPECT(sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) == SQLITE_OK);
    EXPECT(sqlite3_exec(db, marker_schema(DATABASE_SQLITE), NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    EXPECT(rig_put(&rig, "pay", url, NULL) == 0);
    EXPECT(rig_put(&rig, "pg", "postgresql://u@localhost:1/d", NULL) == 0);
    EXPECT(rig_put(&rig, "my", "mariadb://u@localhost:1/d", NULL) == 0);
    writable[0] = rig.folder;
    confine_files();
    confine_calls();
    EXPECT(rig_check_back(&rig, "datasource://pay/marker", "m") == VERDICT_REFUSED);
    EXPECT(rig_check(&rig, "pay", "marker_insert") == FINDING_OK);
    EXPECT(rig_check(&rig, "pg", "reachable") == FINDING_FAIL);
    EXPECT(strstr(rig_finding(&rig, "reachable")->say, "refused") != NULL);
    EXPECT(rig_check(&rig, "my", "reachable") == FINDING_FAIL);
    rig_close(&rig);
}

static void databases_can_be_asked(void **state) {
    (void)state;
    expect_well(ask_databases);
}

static void the_rest_is_closed(void **state) {
    (void)state;
    expect_well(stay_out_of_the_rest);
    expect_well(threads_are_bound_too);
}

static void hostile_calls_kill(void **state) {
    (void)state;
    expect_killed(start_a_program);
    expect_killed(start_a_program_by_handle);
    expect_killed(trace_another);
    expect_killed(mount_something);
    expect_killed(load_a_module);
    expect_killed(call_bpf);
    expect_killed(read_another_process);
    expect_killed(use_keys);
    expect_killed(start_from_an_older_thread);
}

static void other_calls_are_refused(void **state) {
    (void)state;
    expect_well(be_refused);
}

static void ordinary_work_goes_on(void **state) {
    (void)state;
    expect_well(work_on);
    int status = status_of(abort_as_ever);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void settings_decide(void **state) {
    (void)state;
    expect_well(switched_off);
    expect_well(by_settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_for_work),        cmocka_unit_test(the_rest_is_closed),
        cmocka_unit_test(databases_can_be_asked),  cmocka_unit_test(hostile_calls_kill),
        cmocka_unit_test(other_calls_are_refused), cmocka_unit_test(ordinary_work_goes_on),
        cmocka_unit_test(settings_decide),
    };
    logs_set(false, LOG_LEVEL_ERROR);
    snprintf(data, sizeof data, "/tmp/confinement_test_XXXXXX");
    if (mkdtemp(data) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(data);
    return failed;
}
