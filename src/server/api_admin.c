/* Administration: settings, tokens, the signing secret. Acts stand in the audit before they are done.
 *
 * Tokens and the signing secret live in files of their own, so an act on them and its audit line cannot be
 * one batch. Under an Idempotency-Key the line's batch therefore holds a mark by which a repeat finds out
 * whether the act was done: the id that the token was to get, or what the secret was before. Their answers
 * hold a secret, which no store may hold (reliability.md H11): the repeat gets them without it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/command_form.h"
#include "protocol/render.h"
#include "server/api.h"
#include "server/crash_point.h"
#include "server/endpoint_secrets.h"
#include "server/keyed.h"
#include "server/logs.h"
#include "server/outbound.h"

static const char json[] = "application/json";

enum {
    KEPT_BYTES_MAX = 4096,
};

/* --- settings --- */

static const char *const origin_words[] = { "default", "file", "environment", "flag" };

static void put_setting(struct json_writer *w, const struct settings *s, enum setting_id id) {
    const struct setting *row = setting_row(id);
    struct buffer origin;
    buffer_init(&origin, 8192);
    json_put_object(w, NULL);
    json_put_text(w, "name", row->name);
    json_put_text(w, "value", settings_shown(s, id));
    json_put_text(w, "default", row->fallback);
    if (s->values[id].origin != SETTING_ORIGIN_DEFAULT) {
        buffer_add_format(&origin, "%s ", origin_words[s->values[id].origin]);
        settings_origin(s, id, &origin);
        json_put_string(w, "origin", buffer_slice(&origin));
    } else {
        json_put_text(w, "origin", "default");
    }
    json_put_text(w, "change", row->reload == SETTING_RELOAD_LIVE ? "live" : "restart");
    json_put_text(w, "help", row->help);
    json_put_end(w);
    buffer_done(&origin);
}

void api_config(struct visit *v) {
    const struct daemon *d = v->daemon;
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_text(&w, "file", d->config_path[0] == '\0' ? NULL : d->config_path);
    json_put_array(&w, "items");
    for (int i = 0; i < SETTING_COUNT; i++)
        put_setting(&w, &d->settings, (enum setting_id)i);
    json_put_end(&w);
    json_put_end(&w);
    visit_answer(v, 200, json);
}

/* The report's lines are "name: old -> new" and "name: needs a restart". */
static void put_lines(struct json_writer *w, const char *name, struct slice report, bool restart) {
    json_put_array(w, name);
    while (report.length > 0) {
        size_t end = slice_find(report, '\n');
        struct slice line = slice_upto(report, end);
        if (slice_ends(line, ": needs a restart") == restart)
            json_put_string(w, NULL, restart ? slice_upto(line, slice_find(line, ':')) : line);
        report = slice_from(report, end + 1);
    }
    json_put_end(w);
}

void api_reload(struct visit *v) {
    struct buffer report;
    struct why why = { .text = "" };
    struct problem p;
    struct json_writer w;
    buffer_init(&report, 65536);
    if (daemon_reload(v->daemon, slice_text(v->who), &report, &why) != 0) {
        PROBLEM_SAY(&p, PROBLEM_INVALID_VALUE, "nothing was changed: %s", why.text);
        visit_refuse(v, &p);
    } else {
        json_writer_init(&w, visit_scratch(v));
        json_put_object(&w, NULL);
        put_lines(&w, "changed", buffer_slice(&report), false);
        put_lines(&w, "needs_restart", buffer_slice(&report), true);
        json_put_end(&w);
        visit_answer_sealed(v, 200, json);
    }
    buffer_done(&report);
}

/* --- tokens --- */

static void put_principal(struct json_writer *w, const struct principal *p, bool built_in) {
    json_put_text(w, "id", p->id);
    json_put_text(w, "name", p->name);
    json_put_array(w, "roles");
    for (uint32_t role = ACCESS_VIEWER; role <= ACCESS_ADMIN; role <<= 1)
        if ((p->roles & role) != 0)
            json_put_text(w, NULL, access_role_word(role));
    json_put_end(w);
    render_time(w, "created", p->created_ms);
    render_time(w, "expires", p->expires_ms);
    json_put_bool(w, "built_in", built_in);
}

void api_token_list(struct visit *v) {
    const struct access *a = v->daemon->access;
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_array(&w, "items");
    const struct principal *p;
    for (size_t i = 0; (p = access_at(a, i)) != NULL; i++) {
        json_put_object(&w, NULL);
        put_principal(&w, p, access_is_built_in(a, p));
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    visit_answer(v, 200, json);
}

static void refuse_busy(struct visit *v) {
    struct problem p;
    PROBLEM_SAY(&p, PROBLEM_BUSY, "out of memory");
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

/* The note is stepped; the act follows when it is durable (reliability.md H12). */
static void noted(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    (void)reply;
    if (keyed_mark(v, v->mark) != 0)
        refuse_busy(v);
    else
        driver_seal(v->daemon->driver, &v->seal);
}

/* v->mark: by what a repeat finds out whether the act was done. */
static void note_first(struct visit *v, void (*act)(struct driver_seal *seal), const char *text) {
    struct slice kept = SLICE_NONE;
    if (arena_copy(&v->exchange.arena, slice_text(text), &kept) != 0)
        kept = SLICE("an act whose note found no memory");
    v->seal.open = act;
    v->ask.event.kind = EVENT_NOTE;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.event.who = slice_text(v->who);
    v->ask.event.text = kept;
    v->ask.answer = noted;
    driver_ask(v->daemon->driver, &v->ask);
}

static void refuse_access(struct visit *v, int code, const struct why *why) {
    struct problem p;
    enum problem_type type = code == ERR_NOT_FOUND                       ? PROBLEM_NOT_FOUND
                             : code == ERR_DENIED || code == ERR_INVALID ? PROBLEM_CONFLICT
                             : code == ERR_LIMIT                         ? PROBLEM_OVER_LIMIT
                                                                         : PROBLEM_STORE_UNAVAILABLE;
    PROBLEM_SAY(&p, type, "%s", why->text);
    visit_refuse_sealed(v, &p);
}

/* The answer in scratch, and kept: the same without the secret. Without memory for that the mark stays. */
static void answer_once(struct visit *v, uint16_t status, struct buffer *kept) {
    struct daemon *d = v->daemon; /* the visit may be over when it is answered */
    if (buffer_failed(kept) != 0)
        buffer_clear(kept);
    visit_answer_once(v, status, json, buffer_slice(kept));
    digest_wipe(d->scratch.at, d->scratch.length);
    buffer_done(kept);
}

/* bearer NULL: as a repeat gets it. */
static void put_token(struct buffer *to, const struct principal *p, const char *bearer) {
    struct json_writer w;
    json_writer_init(&w, to);
    json_put_object(&w, NULL);
    put_principal(&w, p, false);
    json_put_text(&w, "token", bearer);
    if (bearer == NULL)
        json_put_text(
            &w, "shown_once",
            "the token stood in the first answer to this Idempotency-Key only, and settled keeps its "
            "hash alone; if that answer was lost, revoke this token by its id and make another one "
            "under a fresh key");
    json_put_end(&w);
}

static void create_token(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct daemon *d = v->daemon;
    char bearer[ACCESS_BEARER_BYTES];
    const struct principal *made = NULL;
    struct why why = { .text = "" };
    struct buffer kept;
    char id[ACCESS_ID_BYTES];
    uint64_t now = daemon_now_ms(d);
    uint32_t lasts = v->part.token.expires_ms;
    snprintf(id, sizeof id, "%.*s", SLICE_PRINT(v->mark));
    int code = access_create(d->access, id, v->part.token.name, v->part.token.roles,
                             lasts == 0 ? 0 : now + lasts, now, bearer, &made, &why);
    if (code != 0) {
        refuse_access(v, code, &why);
        return;
    }
    CRASH_POINT(TOKEN_SAVED);
    logs_say(LOG_TOKEN_CREATED, "%s by %s", made->id, v->who);
    buffer_init(&kept, KEPT_BYTES_MAX);
    put_token(&kept, made, NULL);
    put_token(visit_scratch(v), made, bearer);
    digest_wipe(bearer, sizeof bearer);
    answer_once(v, 201, &kept);
}

/* The key's first request made this token and was interrupted before it could say so. */
static void answer_made_before(struct visit *v, const struct principal *made) {
    struct buffer kept;
    buffer_init(&kept, KEPT_BYTES_MAX);
    put_token(&kept, made, NULL);
    put_token(visit_scratch(v), made, NULL);
    keyed_say_replayed(v);
    answer_once(v, 201, &kept);
}

/* 0, or the visit was refused. */
static int mark_token(struct visit *v) {
    struct why why = { .text = "" };
    char id[ACCESS_ID_BYTES];
    int code = access_new_id(id, &why);
    if (code != 0)
        refuse_access(v, code, &why);
    else if ((code = arena_copy(&v->exchange.arena, slice_text(id), &v->mark)) != 0)
        refuse_busy(v);
    return code;
}

static bool read_command(struct visit *v, enum command_kind kind, struct command *command) {
    struct problem p;
    if (command_form_decode(v->exchange.body, kind, &v->exchange.arena, command, &p) == 0)
        return true;
    visit_refuse(v, &p);
    return false;
}

void api_token_create(struct visit *v) {
    struct command command;
    char text[512];
    if (!read_command(v, COMMAND_TOKEN, &command))
        return;
    const struct principal *made = v->known ? access_by_id(v->daemon->access, v->mark) : NULL;
    if (made != NULL) {
        answer_made_before(v, made);
        return;
    }
    if (v->mark.length == 0 && mark_token(v) != 0)
        return;
    v->part.token.name = command.name;
    v->part.token.roles = command.roles;
    v->part.token.expires_ms = command.expires_ms;
    snprintf(text, sizeof text, "token create %.*s", SLICE_PRINT(command.name));
    note_first(v, create_token, text);
}

static void revoke_token(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct why why = { .text = "" };
    int code = access_revoke(v->daemon->access, slice_text(v->match.gid), &why);
    if (code != 0) {
        refuse_access(v, code, &why);
        return;
    }
    logs_say(LOG_TOKEN_REVOKED, "%s by %s", v->match.gid, v->who);
    (void)visit_scratch(v);
    visit_answer(v, 204, NULL);
}

void api_token_revoke(struct visit *v) {
    char text[512];
    snprintf(text, sizeof text, "token revoke %s", v->match.gid);
    note_first(v, revoke_token, text);
}

/* --- signing secrets: the daemon's own, and each endpoint's --- */

static bool is_endpoints(const struct visit *v) {
    return v->match.route->id == ROUTE_ENDPOINT_ROTATE;
}

static uint64_t overlap_until(const struct visit *v) {
    return is_endpoints(v)
               ? endpoint_secrets_overlap_until(v->daemon->endpoint_secrets, slice_text(v->match.gid))
               : access_overlap_until(v->daemon->access);
}

/* secret empty: as a repeat gets it. */
static void put_rotated(const struct visit *v, struct buffer *to, struct slice secret) {
    struct json_writer w;
    json_writer_init(&w, to);
    json_put_object(&w, NULL);
    if (secret.length > 0)
        json_put_string(&w, "secret", secret);
    else
        json_put_null(&w, "secret");
    render_time(&w, "overlap_until", overlap_until(v));
    if (secret.length == 0)
        json_put_text(
            &w, "shown_once",
            is_endpoints(v)
                ? "the secret stood in the first answer to this Idempotency-Key only; if that answer "
                  "was lost, rotate again under a fresh key"
                : "the secret stood in the first answer to this Idempotency-Key only; if that answer "
                  "was lost, read the first line of the file signing-secret in the data directory, or "
                  "rotate again under a fresh key");
    json_put_end(&w);
}

static void answer_rotated(struct visit *v, struct slice secret) {
    struct buffer kept;
    buffer_init(&kept, KEPT_BYTES_MAX);
    put_rotated(v, &kept, SLICE_NONE);
    put_rotated(v, visit_scratch(v), secret);
    answer_once(v, 200, &kept);
}

static void rotate_own(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct daemon *d = v->daemon;
    struct why why = { .text = "" };
    struct slice current, previous;
    int code = access_rotate(d->access, v->part.token.expires_ms, daemon_now_ms(d), &why);
    if (code != 0) {
        refuse_access(v, code, &why);
        return;
    }
    CRASH_POINT(SECRET_SAVED);
    outbound_secrets(d);
    logs_say(LOG_SECRET_ROTATED, "by %s", v->who);
    access_secrets(d->access, daemon_now_ms(d), &current, &previous);
    answer_rotated(v, current);
}

static void rotate_endpoints(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct daemon *d = v->daemon;
    struct why why = { .text = "" };
    struct slice secret = SLICE_NONE;
    int code = endpoint_secrets_rotate(d->endpoint_secrets, slice_text(v->match.gid),
                                       v->part.token.expires_ms, daemon_now_ms(d), &secret, &why);
    if (code != 0) {
        refuse_access(v, code, &why);
        return;
    }
    logs_say(LOG_SECRET_ROTATED, "of endpoint %s by %s", v->match.gid, v->who);
    answer_rotated(v, secret);
}

/* Whether the key's first request has rotated already; else what the secret is now becomes the mark. */
static int look_rotated(struct visit *v, bool *rotated) {
    struct buffer now;
    buffer_init(&now, 64);
    if (is_endpoints(v))
        endpoint_secrets_mark(v->daemon->endpoint_secrets, slice_text(v->match.gid), v->fingerprint, &now);
    else
        access_secret_mark(v->daemon->access, v->fingerprint, &now);
    *rotated = v->mark.length > 0 && !slice_equal(v->mark, buffer_slice(&now));
    int code = buffer_failed(&now);
    if (code == 0 && !*rotated)
        code = arena_copy(&v->exchange.arena, buffer_slice(&now), &v->mark);
    buffer_done(&now);
    return code;
}

static void rotate(struct visit *v, void (*act)(struct driver_seal *seal), const char *note) {
    struct command command;
    bool rotated = false;
    if (!read_command(v, COMMAND_ROTATE, &command))
        return;
    int code = look_rotated(v, &rotated);
    v->part.token.expires_ms = command.overlap_ms;
    if (code != 0) {
        refuse_busy(v);
    } else if (rotated) {
        keyed_say_replayed(v);
        answer_rotated(v, SLICE_NONE);
    } else {
        note_first(v, act, note);
    }
}

void api_secret_rotate(struct visit *v) {
    rotate(v, rotate_own, "signing secret rotate");
}

void api_endpoint_rotate(struct visit *v) {
    char text[512];
    snprintf(text, sizeof text, "endpoint secret rotate %s", v->match.gid);
    rotate(v, rotate_endpoints, text);
}
