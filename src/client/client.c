#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/url.h"

#define TOKEN_BYTES 4096 /* a longer first line is no token */
#define PLACES_BYTES 4096

static const char *const token_places[] = { "./settle-data/token", "/var/lib/settle/token" };

/* ---- the address ------------------------------------------------------------------------------------- */

static char *copy_text(struct slice s) {
    char *text = malloc(s.length + 1);
    if (text == NULL)
        return NULL;
    if (s.length > 0)
        memcpy(text, s.at, s.length);
    text[s.length] = '\0';
    return text;
}

static int set_address(stl_client *c, const char *text, bool *secure, stl_err *e) {
    struct slice whole = slice_text(text);
    struct url url;
    struct why why;
    char port[8];
    while (slice_ends(whole, "/"))
        whole.length--;
    if (url_decode(whole, &url, &why) != 0)
        return client_fail(e, STL_EINVALID, "\"%s\" is not a server address (http://HOST:PORT): %s", text,
                           why.text);
    if (!slice_is(url.target, "/"))
        return client_fail(e, STL_EINVALID, "\"%s\" is not a server address: it names a path", text);
    snprintf(port, sizeof port, "%u", (unsigned)url.port);
    *secure = url.secure;
    c->url = copy_text(whole);
    c->host = copy_text(url.host);
    c->authority = copy_text(url.authority);
    c->port = copy_text(slice_text(port));
    if (c->url == NULL || c->host == NULL || c->authority == NULL || c->port == NULL)
        return client_fail(e, STL_EMEMORY, "out of memory");
    return 0;
}

/* ---- the token --------------------------------------------------------------------------------------- */

/* source: for people; from: what stl_client_token_source will say, or NULL. */
static int use_token(stl_client *c, const char *source, const char *from, struct slice text, stl_err *e) {
    text = slice_trim(slice_upto(text, slice_find(text, '\n')));
    if (slice_ends(text, "\r"))
        text.length--;
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
            return client_fail(e, STL_EINVALID, "the token in %s holds characters that no token has", source);
    if (text.length == 0)
        return client_fail(e, STL_EINVALID, "the token in %s is empty", source);
    c->token = copy_text(text);
    c->token_source = from == NULL ? NULL : copy_text(slice_text(from));
    if (c->token == NULL || (from != NULL && c->token_source == NULL))
        return client_fail(e, STL_EMEMORY, "out of memory");
    buffer_add_format(&c->places, "%s: used\n", source);
    return 0;
}

/* 0 also when the file is not there and absence is allowed; c->token tells. */
static int try_file(stl_client *c, const char *source, const char *path, bool required, stl_err *e) {
    char text[TOKEN_BYTES];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text);
    int problem = errno, result = 0;
    if (length < 0 && required)
        result = client_fail(e, STL_EINVALID, "cannot read the token file %s (%s): %s", path, source,
                             strerror(problem));
    else if (length < 0)
        buffer_add_format(&c->places, "%s: %s\n", source, strerror(problem));
    else
        result = use_token(c, source, path, slice_of(text, (size_t)length), e);
    explicit_bzero(text, sizeof text);
    if (file >= 0)
        close(file);
    return result;
}

static void note_absent(stl_client *c, const char *source) {
    buffer_add_format(&c->places, "%s: not set\n", source);
}

static int find_token(stl_client *c, const stl_opts *opts, stl_err *e) {
    const char *variable = getenv("SETTLE_TOKEN"), *file = getenv("SETTLE_TOKEN_FILE");
    int result = 0;
    if (opts->token != NULL)
        return use_token(c, "the token given", NULL, slice_text(opts->token), e);
    if (opts->token_file != NULL)
        return try_file(c, opts->token_file, opts->token_file, true, e);
    note_absent(c, "--token-file");
    if (opts->no_token_search)
        return 0;
    if (variable != NULL && *variable != '\0')
        return use_token(c, "$SETTLE_TOKEN", "$SETTLE_TOKEN", slice_text(variable), e);
    note_absent(c, "$SETTLE_TOKEN");
    if (file != NULL && *file != '\0')
        return try_file(c, "$SETTLE_TOKEN_FILE", file, true, e);
    note_absent(c, "$SETTLE_TOKEN_FILE");
    for (size_t i = 0; i < sizeof token_places / sizeof *token_places && c->token == NULL && result == 0; i++)
        result = try_file(c, token_places[i], token_places[i], false, e);
    return result;
}

/* ---- open and close ---------------------------------------------------------------------------------- */

static const char *server_or_default(const char *url) {
    const char *variable = getenv("SETTLE_SERVER");
    if (url != NULL)
        return url;
    return variable != NULL && *variable != '\0' ? variable : "http://127.0.0.1:8711";
}

static int set_up(stl_client *c, const char *url, const stl_opts *opts, stl_err *e) {
    struct why why;
    bool secure = false;
    int result = set_address(c, server_or_default(url), &secure, e);
    if (result == 0)
        result = find_token(c, opts, e);
    if (result != 0 || !secure)
        return result;
    result = channel_tls_new(&c->tls, opts->ca_file, &why);
    return result == 0 ? 0
                       : client_fail(e, result == ERR_MEMORY ? STL_EMEMORY : STL_EINVALID, "%s", why.text);
}

int stl_client_open(stl_client **out, const char *url, const stl_opts *opts, stl_err *e) {
    static const stl_opts none;
    stl_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return client_fail(e, STL_EMEMORY, "out of memory");
    if (opts == NULL)
        opts = &none;
    buffer_init(&c->places, PLACES_BYTES);
    pthread_mutex_init(&c->lock, NULL);
    c->timeout_ms = opts->timeout_ms > 0 ? opts->timeout_ms : CLIENT_TIMEOUT_MS;
    int result = set_up(c, url, opts, e);
    buffer_add_byte(&c->places, '\0');
    if (result != 0) {
        stl_client_close(c);
        return result;
    }
    *out = c;
    return 0;
}

void stl_client_close(stl_client *c) {
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->idle_count; i++)
        channel_close(c->idle[i]);
    channel_tls_free(c->tls);
    if (c->token != NULL)
        explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    free(c->token_source);
    free(c->url);
    free(c->host);
    free(c->authority);
    free(c->port);
    buffer_done(&c->places);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const char *stl_client_url(const stl_client *c) {
    return c->url;
}

const char *stl_client_token(const stl_client *c) {
    return c->token;
}

const char *stl_client_token_source(const stl_client *c) {
    return c->token == NULL || c->token_source == NULL ? "" : c->token_source;
}

const char *stl_client_token_places(const stl_client *c) {
    return buffer_failed(&c->places) ? "" : c->places.at;
}

/* ---- the pool ---------------------------------------------------------------------------------------- */

static struct channel *pop_idle(stl_client *c) {
    struct channel *ch = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->idle_count > 0)
        ch = c->idle[--c->idle_count];
    pthread_mutex_unlock(&c->lock);
    return ch;
}

int client_take_channel(stl_client *c, bool fresh, struct channel **out, bool *kept, stl_err *e) {
    struct channel *ch;
    struct why why;
    while ((ch = pop_idle(c)) != NULL) {
        if (!fresh && channel_quiet(ch)) {
            *out = ch;
            *kept = true;
            return 0;
        }
        channel_close(ch);
    }
    int result = channel_open(out, c->host, c->port, c->tls, channel_now_ms() + c->timeout_ms, &why);
    *kept = false;
    if (result == 0)
        return 0;
    if (result == ERR_MEMORY)
        return client_fail(e, STL_EMEMORY, "out of memory");
    return client_fail(e, result == ERR_DENIED ? STL_ETLS : STL_EUNREACHABLE, "cannot reach %s: %s", c->url,
                       result == ERR_TIMEOUT ? "connecting took too long" : why.text);
}

void client_keep_channel(stl_client *c, struct channel *ch) {
    bool room;
    pthread_mutex_lock(&c->lock);
    room = c->idle_count < CLIENT_IDLE_CHANNELS;
    if (room)
        c->idle[c->idle_count++] = ch;
    pthread_mutex_unlock(&c->lock);
    if (!room)
        channel_close(ch);
}
