/* Administration: settings, tokens, the signing secret. Acts stand in the audit before they are done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/command_form.h"
#include "protocol/render.h"
#include "server/api.h"
#include "server/crash_point.h"
#include "server/logs.h"
#include "server/outbound.h"

static const char json[] = "application/json";

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

static void put_principal(struct json_writer *w, const struct principal *p, bool built_in,
                          const char *bearer) {
    json_put_object(w, NULL);
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
    if (bearer != NULL)
        json_put_text(w, "token", bearer);
    json_put_end(w);
}

void api_token_list(struct visit *v) {
    const struct access *a = v->daemon->access;
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_array(&w, "items");
    const struct principal *p;
    for (size_t i = 0; (p = access_at(a, i)) != NULL; i++)
        put_principal(&w, p, access_is_built_in(a, p), NULL);
    json_put_end(&w);
    json_put_end(&w);
    visit_answer(v, 200, json);
}

/* The note is stepped; the act follows when it is durable (reliability.md H12). */
static void noted(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    (void)reply;
    driver_seal(v->daemon->driver, &v->seal);
}

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
    visit_refuse(v, &p);
}

static void create_token(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct daemon *d = v->daemon;
    char bearer[ACCESS_BEARER_BYTES];
    const struct principal *made = NULL;
    struct why why = { .text = "" };
    struct json_writer w;
    uint64_t now = daemon_now_ms(d);
    uint32_t lasts = v->part.token.expires_ms;
    int code = access_create(d->access, v->part.token.name, v->part.token.roles, lasts == 0 ? 0 : now + lasts,
                             now, bearer, &made, &why);
    if (code != 0) {
        refuse_access(v, code, &why);
        return;
    }
    CRASH_POINT(TOKEN_SAVED);
    logs_say(LOG_TOKEN_CREATED, "%s by %s", made->id, v->who);
    json_writer_init(&w, visit_scratch(v));
    put_principal(&w, made, false, bearer);
    digest_wipe(bearer, sizeof bearer);
    visit_answer(v, 201, json);
    digest_wipe(d->scratch.at, d->scratch.length);
}

static bool read_command(struct visit *v, enum command_kind kind, struct command *command) {
    struct problem p;
    if (command_form_decode(v->exchange.body, kind, v->namespace_name, v->exchange.request.path,
                            &v->exchange.arena, command, &p) == 0)
        return true;
    visit_refuse(v, &p);
    return false;
}

void api_token_create(struct visit *v) {
    struct command command;
    char text[512];
    if (!read_command(v, COMMAND_TOKEN, &command))
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

/* --- the signing secret --- */

static void rotate_secret(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct daemon *d = v->daemon;
    struct why why = { .text = "" };
    struct json_writer w;
    struct slice current, previous;
    int code = access_rotate(d->access, v->part.token.expires_ms, daemon_now_ms(d), &why);
    if (code != 0) {
        refuse_access(v, code, &why);
        return;
    }
    outbound_secrets(d);
    logs_say(LOG_SECRET_ROTATED, "by %s", v->who);
    access_secrets(d->access, daemon_now_ms(d), &current, &previous);
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_string(&w, "secret", current);
    render_time(&w, "overlap_until", access_overlap_until(d->access));
    json_put_end(&w);
    visit_answer(v, 200, json);
    digest_wipe(d->scratch.at, d->scratch.length);
}

void api_secret_rotate(struct visit *v) {
    struct command command;
    if (!read_command(v, COMMAND_ROTATE, &command))
        return;
    v->part.token.expires_ms = command.overlap_ms;
    note_first(v, rotate_secret, "signing secret rotate");
}
