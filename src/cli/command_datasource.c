/* Datasources: applications' databases that settled asks what became of a transaction. */
#include "cli/command_list.h"
#include "cli/errand.h"
#include "cli/listing.h"
#include "cli/view.h"

#define DATASOURCES "/v1/datasources"

static const struct listing_column datasource_columns[] = {
    { "NAME", NULL, "name", NULL },       { "TO", NULL, "to", NULL }, { "BY", NULL, "by", NULL },
    { "CHANGED", NULL, "changed", NULL }, { NULL, NULL, NULL, NULL },
};

static enum paint finding_paint(struct json_value item, struct arena *arena) {
    return paint_of_status(cli_text(item, "state", arena));
}

static const struct listing_column finding_columns[] = {
    { "CHECK", NULL, "id", NULL },
    { "STATE", NULL, "state", finding_paint },
    { "WHY", NULL, "why", NULL },
    { NULL, NULL, NULL, NULL },
};

int command_ds_list(struct cli *cli) {
    struct listing listing = { .columns = datasource_columns,
                               .shown = "NAME,TO,CHANGED,BY",
                               .name = "name",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "no datasources; settle ds add NAME URL" };
    struct errand errand;
    errand_begin(&errand, cli, DATASOURCES, NULL, NULL);
    errand_filter(&errand, "limit", "limit");
    errand_filter(&errand, "cursor", "cursor");
    return errand_list(&errand, &listing);
}

/* The findings as a table; a failed one makes the command fail, as a doctor's does. */
static int print_checks(struct cli *cli, struct cli_answer *answer) {
    struct listing listing = { .columns = finding_columns, .name = "id", .empty = "nothing was checked" };
    struct json_value checks, item, state;
    bool failed = false;
    int code;
    if (!json_member(answer->root, "checks", &checks) || checks.kind != JSON_ARRAY) {
        code = view_print(cli, answer);
        cli_release(answer);
        return code;
    }
    struct json_cursor cursor = json_cursor_of(checks);
    while (json_element_next(&cursor, &item))
        failed = failed || (json_member(item, "state", &state) && json_is(state, "fail"));
    struct cli_answer list = { .response = answer->response, .root = checks, .body = answer->body };
    code = listing_print(cli, &listing, &list);
    cli_release(answer);
    return code != 0 ? code : failed ? EXIT_FAILED : EXIT_DONE;
}

int command_ds_add(struct cli *cli) {
    struct cli_answer answer;
    struct errand errand;
    errand_begin(&errand, cli, DATASOURCES, cli_word(cli, 0), NULL);
    json_put_text(errand_body(&errand), "url", cli_word(cli, 1));
    errand_put_flag(&errand, "password-file", "password_file");
    int code = errand_put_number(&errand, "connections", "connections", 1, 32);
    if (code != 0) {
        errand_drop(&errand);
        return code;
    }
    code = errand_ask(&errand, "PUT", 0, &answer);
    return code != 0 || answer.response == NULL ? code : print_checks(cli, &answer);
}

int command_ds_check(struct cli *cli) {
    struct cli_answer answer;
    struct errand errand;
    errand_begin(&errand, cli, DATASOURCES, cli_word(cli, 0), "/check");
    int code = errand_ask(&errand, "POST", 0, &answer);
    return code != 0 || answer.response == NULL ? code : print_checks(cli, &answer);
}

int command_ds_delete(struct cli *cli) {
    return errand_delete(cli, DATASOURCES, "Delete the datasource");
}
