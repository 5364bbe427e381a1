/* What a picture is drawn from: the thing, its events, and the messages that it sent. */
#include "cli/errand.h"
#include "cli/picture.h"

#define SCRATCH_BYTES (1024 * 1024)
#define TEXT_BYTES (64 * 1024 * 1024)

static int fetch(struct cli *cli, const char *collection, const char *name, const char *verb,
                 struct cli_answer *answer) {
    struct errand errand;
    errand_begin(&errand, cli, collection, name, verb);
    return errand_ask(&errand, "GET", 0, answer);
}

/* Messages that cannot be had (their retention is over) are drawn from what the event says of them. */
static void fetch_sent(struct cli *cli, struct picture_source *source) {
    struct json_value items, item, id;
    struct arena arena;
    arena_init(&arena, 4096, SCRATCH_BYTES);
    if (json_member(source->events.root, "items", &items) && items.kind == JSON_ARRAY) {
        struct json_cursor cursor = json_cursor_of(items);
        while (json_element_next(&cursor, &item) && source->sent_count < PICTURE_SENT_MAX) {
            bool sent =
                json_member(item, "event", &id) && (json_is(id, "tx.sent") || json_is(id, "msg.sent"));
            if (!sent)
                continue;
            struct slice name = cli_text(item, "message", &arena);
            struct buffer text;
            stl_result *result = NULL;
            buffer_init(&text, 4096);
            buffer_add_slice(&text, name);
            buffer_add_byte(&text, '\0');
            if (name.length > 0 && !buffer_failed(&text) &&
                stl_msg_get(cli->client, text.at, &result, NULL) == 0)
                source->sent[source->sent_count++] = result;
            buffer_done(&text);
        }
    }
    arena_done(&arena);
}

int picture_fetch(struct cli *cli, const char *collection, const char *name, struct picture_source *source) {
    *source = (struct picture_source){ .transaction = { .response = NULL } };
    int code = fetch(cli, collection, name, NULL, &source->transaction);
    if (code == 0 && source->transaction.response != NULL)
        code = fetch(cli, collection, name, "/events", &source->events);
    if (code != 0)
        picture_release(source);
    else if (source->events.response != NULL)
        fetch_sent(cli, source);
    return code;
}

void picture_release(struct picture_source *source) {
    cli_release(&source->transaction);
    cli_release(&source->events);
    for (size_t i = 0; i < source->sent_count; i++)
        stl_result_free(source->sent[i]);
    source->sent_count = 0;
}

int picture_show(struct cli *cli, const char *collection) {
    struct picture_source source;
    struct errand errand;
    struct buffer text;
    if (cli->format != FORMAT_TABLE) {
        errand_begin(&errand, cli, collection, cli_word(cli, 0), NULL);
        return errand_run(&errand, "GET");
    }
    int code = picture_fetch(cli, collection, cli_word(cli, 0), &source);
    if (code != 0 || source.transaction.response == NULL)
        return code;
    buffer_init(&text, TEXT_BYTES);
    picture_draw(&text, &source, cli->width, cli->colour);
    picture_release(&source);
    return cli_print(cli, &text);
}
