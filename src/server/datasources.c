#include "server/datasources.h"

#include <stdlib.h>

#include "protocol/datasource_form.h"
#include "server/daemon.h"
#include "server/logs.h"
#include "sink/database/database_place.h"

enum { CHECK_MS = 10000 };

static int read_source(struct slice source, struct arena *arena, struct datasource_definition *out) {
    struct datasource_form form;
    int code = datasource_form_reread(source, arena, &form);
    *out = (struct datasource_definition){
        .url = form.url,
        .user = form.user,
        .password_file = form.password_file,
        .connections = form.connections,
        .connect_ms = form.connect_ms,
        .idle_ms = form.idle_ms,
    };
    return code;
}

static int with_source(struct daemon *d, struct slice name, struct slice source, struct why *why,
                       int (*use)(struct datasource_book *b, struct slice name,
                                  const struct datasource_definition *definition, struct why *why)) {
    struct datasource_definition definition;
    struct arena arena;
    arena_init(&arena, 4096, SIZE_MAX / 2);
    int code = read_source(source, &arena, &definition);
    if (code == 0)
        code = use(d->datasources, name, &definition, why);
    else
        why_set(why, code, "the definition cannot be read");
    arena_done(&arena);
    return code;
}

int datasources_judge(struct daemon *d, struct slice name, struct slice source, struct why *why) {
    return with_source(d, name, source, why, datasource_book_judge);
}

void datasources_defined(struct daemon *d, const struct definition *definition) {
    struct why why = { .text = "" };
    if (with_source(d, definition->name, definition->source, &why, datasource_book_put) != 0)
        logs_say(LOG_DATASOURCE_OUT, "%.*s: %s", SLICE_PRINT(definition->name), why.text);
}

void datasources_undefined(struct daemon *d, struct slice name) {
    (void)datasource_book_remove(d->datasources, name); /* the book may have refused it */
}

void datasources_restore(struct daemon *d) {
    const struct channel *c = NULL;
    while ((c = engine_channel_next(d->engine, c)) != NULL)
        if (engine_definition(c)->kind == DEFINITION_DATASOURCE && engine_channel_id(c) != 0)
            datasources_defined(d, engine_definition(c));
}

void datasources_describe(struct slice source, struct buffer *to) {
    struct datasource_definition definition;
    struct database_place place;
    struct arena arena;
    arena_init(&arena, 4096, SIZE_MAX / 2);
    if (read_source(source, &arena, &definition) == 0 &&
        database_place_decode(definition.url, definition.user, &place, NULL) == 0)
        database_place_describe(&place, to);
    arena_done(&arena);
}

/* --- checks --- */

static void on_checked(void *context, const struct datasource_report *r) {
    struct datasource_ticket *ticket = context;
    chain_remove(&ticket->link);
    if (ticket->context != NULL)
        ticket->told(ticket->context, r);
    free(ticket);
}

int datasources_check(struct daemon *d, struct slice name,
                      void (*told)(void *context, const struct datasource_report *r), void *context,
                      struct datasource_ticket **out) {
    struct datasource_ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL)
        return ERR_MEMORY;
    *ticket = (struct datasource_ticket){ .told = told, .context = context };
    int code = datasource_book_check(d->datasources, name, CHECK_MS, on_checked, ticket);
    if (code != 0) {
        free(ticket);
        return code;
    }
    chain_add_last(&d->datasource_tickets, &ticket->link);
    *out = ticket;
    return 0;
}

void datasources_leave(struct datasource_ticket *ticket) {
    if (ticket != NULL)
        ticket->context = NULL;
}

void datasources_close(struct daemon *d) {
    while (!chain_empty(&d->datasource_tickets)) {
        struct datasource_ticket *ticket =
            CHAIN_OWNER(d->datasource_tickets.next, struct datasource_ticket, link);
        chain_remove(&ticket->link);
        free(ticket);
    }
}
