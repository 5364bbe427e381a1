#include "sink/database/database_place.h"

#include <string.h>

#include "wire/sink_target.h"

#define PORT_POSTGRESQL 5432
#define PORT_MARIADB 3306

const char *database_kind_name(enum database_kind kind) {
    static const char *const names[] = {
        [DATABASE_POSTGRESQL] = "PostgreSQL",
        [DATABASE_MARIADB] = "MariaDB",
        [DATABASE_SQLITE] = "SQLite",
    };
    return names[kind];
}

static int keep(struct slice from, char *to, size_t room, const char *what, struct why *why) {
    if (from.length >= room)
        return why_set(why, ERR_LIMIT, "the datasource's %s is longer than %zu bytes", what, room - 1);
    for (size_t i = 0; i < from.length; i++)
        if ((unsigned char)from.at[i] < 0x20 || from.at[i] == 0x7f)
            return why_set(why, ERR_SYNTAX, "the datasource's %s has a control character", what);
    memcpy(to, from.at == NULL ? "" : from.at, from.length);
    to[from.length] = '\0';
    return 0;
}

/* One name for a file, so that what is judged is what is opened: absolute, and without "." and ".." in it. */
static int keep_path(struct slice from, char to[DATABASE_PATH_BYTES], const char *what, struct why *why) {
    if (!slice_starts(from, "/") || from.length < 2 || slice_ends(from, "/"))
        return why_set(why, ERR_INVALID, "the datasource's %s must be the absolute path of a file", what);
    for (struct slice rest = slice_from(from, 1); rest.length > 0;) {
        struct slice part = slice_upto(rest, slice_find(rest, '/'));
        if (part.length == 0 || slice_is(part, ".") || slice_is(part, ".."))
            return why_set(why, ERR_INVALID, "the datasource's %s must be a path without //, /./ and /../",
                           what);
        rest = slice_from(rest, part.length + 1);
    }
    return keep(from, to, DATABASE_PATH_BYTES, what, why);
}

static int read_mode(struct slice text, const char *name, enum database_tls *out, struct why *why) {
    if (slice_is(text, "disable"))
        *out = DATABASE_TLS_OFF;
    else if (slice_is(text, "require"))
        *out = DATABASE_TLS_REQUIRE;
    else if (slice_is(text, "verify-full"))
        *out = DATABASE_TLS_VERIFY;
    else
        return why_set(why, ERR_INVALID,
                       "the datasource's %s is \"%.*s\"; it may be disable, require or verify-full", name,
                       (int)(text.length < 40 ? text.length : 40), text.at == NULL ? "" : text.at);
    return 0;
}

static bool is_loopback(const struct sink_target_host *host) {
    static const struct address four = { .bytes = { [10] = 0xff, [11] = 0xff, [12] = 127 } };
    static const struct address six = { .bytes = { [15] = 1 } };
    if (!host->is_address)
        return slice_is_nocase(host->name, "localhost");
    return address_within(&host->address, &four, 104) || address_equal(&host->address, &six);
}

static int read_parameters(const struct sink_target *t, struct database_place *p, struct why *why) {
    const char *mode = p->kind == DATABASE_POSTGRESQL ? "sslmode" : "ssl";
    const char *ca = p->kind == DATABASE_POSTGRESQL ? "sslrootcert" : "ssl_ca";
    int code = 0;
    for (size_t i = 0; i < t->parameter_count && code == 0; i++) {
        const struct sink_target_parameter *parameter = &t->parameters[i];
        if (slice_is(parameter->name, mode))
            code = read_mode(parameter->value, mode, &p->tls, why);
        else if (slice_is(parameter->name, ca))
            code = keep_path(parameter->value, p->ca, ca, why);
        else
            code = why_set(why, ERR_INVALID,
                           "the datasource's URL has the parameter %.*s; it may have %s and %s",
                           SLICE_PRINT(parameter->name), mode, ca);
    }
    return code;
}

static int fill(const struct sink_target *t, struct slice user, struct database_place *p, struct why *why) {
    const struct sink_target_host *host = &t->hosts[0];
    if (t->host_count != 1)
        return why_set(why, ERR_INVALID, "a datasource has one host: the one that takes writes");
    if (slice_find(t->user, ':') < t->user.length)
        return why_set(why, ERR_INVALID,
                       "the datasource's URL holds a password or a colon in its user; a password belongs "
                       "into a file that password_file names");
    p->is_address = host->is_address;
    p->address = host->address;
    p->port = host->port;
    if (p->port == 0)
        p->port = p->kind == DATABASE_POSTGRESQL ? PORT_POSTGRESQL : PORT_MARIADB;
    p->tls = is_loopback(host) ? DATABASE_TLS_OFF : DATABASE_TLS_VERIFY;
    int code = keep(host->name, p->host, sizeof p->host, "host", why);
    if (code == 0)
        code = keep(user.length > 0 ? user : t->user, p->user, sizeof p->user, "user", why);
    if (code == 0)
        code = keep(t->path, p->database, sizeof p->database, "database", why);
    if (code == 0 && p->user[0] == '\0')
        code = why_set(why, ERR_INVALID, "the datasource names no user (user, or USER@ in the URL)");
    if (code == 0 && (p->database[0] == '\0' || strchr(p->database, '/') != NULL))
        code = why_set(why, ERR_INVALID, "the datasource's URL must end with /DATABASE");
    return code == 0 ? read_parameters(t, p, why) : code;
}

static int decode_server(struct slice url, struct slice user, struct database_place *p, struct why *why) {
    struct arena arena;
    struct sink_target target;
    arena_init(&arena, 1024, 16384);
    int code = sink_target_decode(url, &arena, &target, why);
    if (code == 0)
        code = fill(&target, user, p, why);
    arena_done(&arena);
    return code;
}

int database_place_decode(struct slice url, struct slice user, struct database_place *out, struct why *why) {
    struct database_place p = { .kind = DATABASE_SQLITE };
    int code;
    if (slice_starts(url, "sqlite:")) {
        code = user.length > 0 ? why_set(why, ERR_INVALID, "a SQLite file has no user")
                               : keep_path(slice_from(url, 7), p.path, "file", why);
    } else if (slice_starts(url, "postgresql://") || slice_starts(url, "postgres://")) {
        p.kind = DATABASE_POSTGRESQL;
        code = decode_server(url, user, &p, why);
    } else if (slice_starts(url, "mariadb://") || slice_starts(url, "mysql://")) {
        p.kind = DATABASE_MARIADB;
        code = decode_server(url, user, &p, why);
    } else {
        code =
            why_set(why, ERR_SYNTAX,
                    "the datasource's URL must begin with postgresql://, mariadb://, mysql:// or sqlite:/");
    }
    if (code == 0)
        *out = p;
    return code;
}

void database_place_describe(const struct database_place *p, struct buffer *to) {
    if (p->kind == DATABASE_SQLITE) {
        buffer_add_format(to, "sqlite:%s", p->path);
        return;
    }
    bool six = strchr(p->host, ':') != NULL;
    buffer_add_format(to, "%s://%s@%s%s%s:%u/%s", p->kind == DATABASE_POSTGRESQL ? "postgresql" : "mariadb",
                      p->user, six ? "[" : "", p->host, six ? "]" : "", p->port, p->database);
}
