#include "server/endpoint_secrets.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "server/logs.h"
#include "server/signing_secret.h"
#include "sink/http/http_sink.h"

struct holder {
    char name[LIMIT_TOPIC_BYTES + 1];
    struct signing_secret secret;
};

struct endpoint_secrets {
    char directory[PATH_MAX - LIMIT_TOPIC_BYTES - 16];
    struct http_sink *sink;
    struct holder **holders; /* sorted by name */
    size_t count;
};

static bool is_name(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > LIMIT_TOPIC_BYTES || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") == length;
}

static void path_of(const struct endpoint_secrets *s, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", s->directory, name);
}

/* The first holder whose name is not before this one. */
static size_t place_of(const struct endpoint_secrets *s, struct slice name) {
    size_t low = 0;
    for (size_t high = s->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        struct slice at = slice_text(s->holders[middle]->name);
        size_t shorter = at.length < name.length ? at.length : name.length;
        int order = memcmp(at.at, name.at, shorter);
        if (order < 0 || (order == 0 && at.length < name.length))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct holder *find(const struct endpoint_secrets *s, struct slice name) {
    size_t place = place_of(s, name);
    if (place == s->count || !slice_is(name, s->holders[place]->name))
        return NULL;
    return s->holders[place];
}

static int tell_sink(struct endpoint_secrets *s, const struct holder *h, uint64_t now_ms) {
    struct signature_secret secrets[2];
    struct slice current, previous;
    size_t count = 0;
    signing_secret_now(&h->secret, now_ms, &current, &previous);
    count += signature_secret_decode(current, &secrets[count], NULL) == 0;
    if (previous.length > 0)
        count += signature_secret_decode(previous, &secrets[count], NULL) == 0;
    int code = http_sink_set_signer(s->sink, slice_text(h->name), secrets, count);
    signature_wipe(secrets, count);
    return code;
}

static struct holder *holder_new(struct slice name) {
    struct holder *h = calloc(1, sizeof *h);
    if (h != NULL)
        memcpy(h->name, name.at, name.length);
    return h;
}

static void holder_free(struct holder *h) {
    if (h == NULL)
        return;
    signing_secret_wipe(&h->secret);
    free(h);
}

/* Into its place; the holder is freed on failure. */
static int enter(struct endpoint_secrets *s, struct holder *h, uint64_t now_ms, struct why *why) {
    size_t place = place_of(s, slice_text(h->name));
    struct holder **grown = realloc(s->holders, (s->count + 1) * sizeof *grown);
    if (grown != NULL)
        s->holders = grown;
    if (grown == NULL || tell_sink(s, h, now_ms) != 0) {
        holder_free(h);
        return why_set(why, ERR_MEMORY, "no memory for one more endpoint's secret");
    }
    memmove(&s->holders[place + 1], &s->holders[place], (s->count - place) * sizeof *s->holders);
    s->holders[place] = h;
    s->count++;
    return 0;
}

static int read_one(struct endpoint_secrets *s, const char *name, uint64_t now_ms, struct why *why) {
    char path[PATH_MAX];
    struct holder *h = holder_new(slice_text(name));
    if (h == NULL)
        return why_set(why, ERR_MEMORY, "out of memory");
    path_of(s, name, path);
    int code = signing_secret_load(&h->secret, path, why);
    if (code == 0)
        return enter(s, h, now_ms, why);
    holder_free(h);
    return code;
}

static int read_all(struct endpoint_secrets *s, uint64_t now_ms, struct why *why) {
    DIR *directory = opendir(s->directory);
    int code = 0;
    if (directory == NULL)
        return why_set(why, ERR_IO, "%s: %s", s->directory, strerror(errno));
    for (struct dirent *at; code == 0 && (at = readdir(directory)) != NULL;)
        if (is_name(at->d_name))
            code = read_one(s, at->d_name, now_ms, why);
    closedir(directory);
    return code;
}

int endpoint_secrets_open(struct endpoint_secrets **out, const char *data, struct http_sink *sink,
                          uint64_t now_ms, struct why *why) {
    struct endpoint_secrets *s = calloc(1, sizeof *s);
    int code = 0;
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "out of memory");
    s->sink = sink;
    if (snprintf(s->directory, sizeof s->directory, "%s/endpoints", data) >= (int)sizeof s->directory)
        code = why_set(why, ERR_INVALID, "%s: the path is too long", data);
    else if (mkdir(s->directory, 0700) != 0 && errno != EEXIST)
        code = why_set(why, errno == ENOSPC ? ERR_SPACE : ERR_IO, "%s: %s", s->directory, strerror(errno));
    else
        code = read_all(s, now_ms, why);
    if (code != 0) {
        endpoint_secrets_close(s);
        return code;
    }
    *out = s;
    return 0;
}

void endpoint_secrets_close(struct endpoint_secrets *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        holder_free(s->holders[i]);
    free(s->holders);
    free(s);
}

int endpoint_secrets_need(struct endpoint_secrets *s, struct slice name, uint64_t now_ms, bool *made,
                          struct slice *text, struct why *why) {
    char path[PATH_MAX];
    struct holder *h = find(s, name);
    *made = h == NULL;
    if (h == NULL) {
        if (s->count >= LIMIT_DEFINITIONS)
            return why_set(why, ERR_LIMIT, "there are %d endpoints with secrets already", LIMIT_DEFINITIONS);
        h = holder_new(name);
        int code = h == NULL ? ERR_MEMORY : signing_secret_make(&h->secret, why);
        if (code == 0) {
            path_of(s, h->name, path);
            code = signing_secret_save(&h->secret, path, why);
        }
        if (code != 0) {
            holder_free(h);
            return code;
        }
        code = enter(s, h, now_ms, why);
        if (code != 0)
            return code;
    }
    *text = slice_text(h->secret.current);
    return 0;
}

int endpoint_secrets_rotate(struct endpoint_secrets *s, struct slice name, uint64_t overlap_ms,
                            uint64_t now_ms, struct slice *text, struct why *why) {
    char path[PATH_MAX];
    struct holder *h = find(s, name);
    if (h == NULL)
        return why_set(why, ERR_NOT_FOUND, "the endpoint %.*s has no secret", SLICE_PRINT(name));
    path_of(s, h->name, path);
    int code = signing_secret_rotate(&h->secret, path, overlap_ms, now_ms, why);
    if (code == 0)
        code = tell_sink(s, h, now_ms);
    *text = slice_text(h->secret.current);
    return code;
}

void endpoint_secrets_mark(const struct endpoint_secrets *s, struct slice name, const uint8_t salt[32],
                           struct buffer *to) {
    const struct holder *h = find(s, name);
    if (h != NULL)
        signing_secret_mark(&h->secret, salt, to);
}

void endpoint_secrets_forget(struct endpoint_secrets *s, struct slice name) {
    char path[PATH_MAX];
    struct holder *h = find(s, name);
    if (h == NULL)
        return;
    size_t place = place_of(s, name);
    path_of(s, h->name, path);
    unlink(path);
    (void)http_sink_set_signer(s->sink, name, NULL, 0);
    memmove(&s->holders[place], &s->holders[place + 1], (s->count - place - 1) * sizeof *s->holders);
    s->count--;
    holder_free(h);
}

int endpoint_secrets_match(struct endpoint_secrets *s, const struct engine *e, uint64_t now_ms,
                           struct why *why) {
    const struct channel *c = NULL;
    int code = 0;
    while (code == 0 && (c = engine_channel_next(e, c)) != NULL) {
        const struct definition *d = engine_definition(c);
        struct slice text;
        bool made = false;
        if (d->kind != DEFINITION_ENDPOINT || engine_channel_id(c) == 0)
            continue;
        code = endpoint_secrets_need(s, d->name, now_ms, &made, &text, why);
        if (code == 0 && made)
            logs_say(LOG_ENDPOINT_SECRET_MADE, "endpoint %.*s", SLICE_PRINT(d->name));
    }
    for (size_t i = s->count; code == 0 && i > 0; i--)
        endpoint_secrets_unneed(s, e, slice_text(s->holders[i - 1]->name));
    return code;
}

void endpoint_secrets_unneed(struct endpoint_secrets *s, const struct engine *e, struct slice name) {
    if (!engine_defined(e, DEFINITION_ENDPOINT, name))
        endpoint_secrets_forget(s, name);
}

uint64_t endpoint_secrets_overlap_until(const struct endpoint_secrets *s, struct slice name) {
    const struct holder *h = find(s, name);
    return h == NULL || h->secret.before[0] == '\0' ? 0 : h->secret.before_until_ms;
}

void endpoint_secrets_second(struct endpoint_secrets *s, uint64_t now_ms) {
    for (size_t i = 0; i < s->count; i++) {
        struct signing_secret *secret = &s->holders[i]->secret;
        if (secret->before[0] == '\0' || secret->before_until_ms > now_ms)
            continue;
        /* The file keeps the old line until the next rotation; its time is over, so it says nothing. */
        if (tell_sink(s, s->holders[i], now_ms) == 0)
            explicit_bzero(secret->before, sizeof secret->before);
    }
}
