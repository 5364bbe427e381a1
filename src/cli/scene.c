#include "cli/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "/.settle-demo"

/* ---- the folder -------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place) {
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

int scene_clean(const char *folder, struct why *why) {
    char mark[1200];
    struct stat about;
    if (lstat(folder, &about) != 0)
        return errno == ENOENT ? 0 : why_set(why, ERR_IO, "%s: %s", folder, strerror(errno));
    if (snprintf(mark, sizeof mark, "%s" MARK, folder) >= (int)sizeof mark || access(mark, F_OK) != 0)
        return why_set(why, ERR_DENIED,
                       "%s was not made by settle demo, so it is left alone; name another with --data",
                       folder);
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return why_set(why, ERR_IO, "removing %s: %s", folder, strerror(errno));
    return 0;
}

static int make_folder(struct scene *s, const char *folder, struct why *why) {
    char mark[1200], absolute[PATH_MAX];
    if (mkdir(folder, 0700) != 0 || realpath(folder, absolute) == NULL)
        return why_set(why, ERR_IO, "%s: %s", folder, strerror(errno));
    if (strlen(absolute) >= sizeof s->folder)
        return why_set(why, ERR_IO, "the folder's name is too long");
    memcpy(s->folder, absolute, strlen(absolute) + 1);
    snprintf(mark, sizeof mark, "%s" MARK, s->folder);
    int file = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return why_set(why, ERR_IO, "%s: %s", mark, strerror(errno));
    close(file);
    snprintf(s->data, sizeof s->data, "%s/data", s->folder);
    snprintf(s->log, sizeof s->log, "%s/settled.log", s->folder);
    snprintf(s->token, sizeof s->token, "%s/token", s->data);
    return 0;
}

/* ---- settled and the participants -------------------------------------------------------------------- */

static int open_client(struct scene *s, struct cli *cli, struct why *why) {
    stl_err e;
    stl_opts opts = { .token_file = s->token, .no_token_search = 1 };
    cli_close(cli);
    if (stl_client_open(&cli->client, s->settled.url, &opts, &e) != 0)
        return why_set(why, ERR_IO, "%s", e.text);
    return 0;
}

/* Pauses between attempts are short enough to watch. */
static int subscribe(struct scene *s, struct cli *cli, struct why *why) {
    char body[512];
    stl_response *answer = NULL;
    stl_err e;
    int length = snprintf(body, sizeof body,
                          "{\"topic\":\"" SCENE_TOPIC "\",\"push\":\"%s/ship\","
                          "\"retry\":{\"first\":\"200ms\",\"factor\":2,\"max\":\"2s\"}}",
                          participant_url(scene_participant(s, "warehouse")));
    int code = stl_request(cli->client, "PUT", "/v1/subscriptions/warehouse", NULL, body, (size_t)length, 0,
                           &answer, &e);
    if (code == 0)
        code = stl_response_check(cli->client, answer, &e);
    stl_response_free(answer);
    return code == 0 ? 0 : why_set(why, ERR_IO, "subscribing the warehouse: %s", e.text);
}

int scene_open(struct scene *s, struct cli *cli, const char *folder, struct why *why) {
    *s = (struct scene){ .settled = { .output = -1 } };
    int result = scene_clean(folder, why);
    if (result == 0)
        result = make_folder(s, folder, why);
    for (size_t i = 0; i < SCENE_PARTICIPANTS && result == 0; i++)
        result = participant_open(&s->participants[i], participant_names[i], s->folder, why);
    if (result == 0)
        result = child_start(&s->settled, s->data, "127.0.0.1:0", s->log, why);
    if (result == 0)
        result = open_client(s, cli, why);
    if (result == 0)
        result = subscribe(s, cli, why);
    if (result != 0)
        scene_close(s, cli);
    return result;
}

void scene_close(struct scene *s, struct cli *cli) {
    cli_close(cli);
    child_stop(&s->settled);
    for (size_t i = 0; i < SCENE_PARTICIPANTS; i++) {
        participant_close(s->participants[i]);
        s->participants[i] = NULL;
    }
}

void scene_kill(struct scene *s) {
    child_kill(&s->settled);
}

int scene_restart(struct scene *s, struct cli *cli, struct why *why) {
    char address[sizeof s->settled.url];
    const char *host = strstr(s->settled.url, "://");
    snprintf(address, sizeof address, "%s", host == NULL ? "127.0.0.1:0" : host + 3);
    int result = child_start(&s->settled, s->data, address, s->log, why);
    return result == 0 ? open_client(s, cli, why) : result;
}

struct participant *scene_participant(const struct scene *s, const char *name) {
    for (size_t i = 0; i < SCENE_PARTICIPANTS; i++)
        if (strcmp(participant_names[i], name) == 0)
            return s->participants[i];
    return NULL;
}
