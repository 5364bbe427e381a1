/* settle demo: real services over real HTTP, watched while settled commits, cancels, compensates and
 * survives. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command_list.h"
#include "cli/glyph.h"
#include "cli/moment.h"
#include "cli/progress.h"
#include "cli/scene.h"
#include "cli/picture.h"
#include "cli/view.h"
#include "demo/books.h"
#include "demo/business.h"

#define TEXT_BYTES (1024 * 1024)
#define WAIT_MS 20000
#define SLOW_CONFIRM_MS 4000 /* how long the crash has to catch the confirm */
#define AWAY_MS 700          /* how long settled stays dead */

struct show {
    struct cli *cli;
    struct scene scene;
    int orders, trips;
    int unexpected; /* outcomes that the story did not foresee */
};

/* ---- speaking ---------------------------------------------------------------------------------------- */

static void say(struct show *show, enum paint paint, const char *text) {
    struct buffer line;
    buffer_init(&line, TEXT_BYTES);
    buffer_add_byte(&line, '\n');
    paint_begin(&line, paint, show->cli->colour);
    buffer_add_text(&line, text);
    paint_end(&line, paint, show->cli->colour);
    buffer_add_byte(&line, '\n');
    cli_print(show->cli, &line);
}

/* How a branch ended, by the last operation that was asked of it. */
static const char *branch_mark(struct json_value branch, enum paint *paint) {
    static const char *const back[] = { "compensate", "cancel" };
    static const char *const forward[] = { "action", "try" };
    struct json_value state;
    *paint = PAINT_DIM;
    for (int i = 0; i < 2; i++)
        if (json_member(branch, back[i], &state) && (json_is(state, "done") || json_is(state, "resolved"))) {
            *paint = PAINT_YELLOW;
            return "↩";
        }
    for (int i = 0; i < 2; i++) {
        if (!json_member(branch, forward[i], &state))
            continue;
        *paint = json_is(state, "done") ? PAINT_GREEN : json_is(state, "refused") ? PAINT_RED : PAINT_DIM;
        return json_is(state, "done") ? "✔" : json_is(state, "refused") ? "✘" : "–";
    }
    return "–";
}

static void add_branches(struct show *show, struct buffer *line, struct json_value root,
                         struct arena *arena) {
    struct json_value branches, branch;
    if (!json_member(root, "branches", &branches) || branches.kind != JSON_ARRAY)
        return;
    struct json_cursor cursor = json_cursor_of(branches);
    while (json_element_next(&cursor, &branch)) {
        enum paint paint;
        const char *mark = branch_mark(branch, &paint);
        buffer_add_byte(line, ' ');
        glyph_add_all(line, cli_text(branch, "id", arena));
        buffer_add_byte(line, ' ');
        paint_text(line, paint, show->cli->colour, mark);
    }
}

/* order-1  TCC  order ✔ stock ✔ points ✔ → committed 14 ms */
static void tell_result(struct show *show, const stl_result *result, int64_t took_ms) {
    struct buffer line, why;
    struct arena arena;
    struct json_value root;
    size_t length = 0;
    const char *json = stl_result_json(result, &length);
    if (json_check(slice_of(json, length), &root, NULL) != 0)
        return;
    buffer_init(&line, TEXT_BYTES);
    arena_init(&arena, 4096, TEXT_BYTES);
    enum paint paint = paint_of_status(slice_text(stl_result_status(result)));
    paint_text(&line, PAINT_BOLD, show->cli->colour, stl_result_gid(result));
    buffer_add_format(&line, "  %-4s", slice_is(cli_text(root, "mode", &arena), "tcc") ? "TCC" : "saga");
    add_branches(show, &line, root, &arena);
    buffer_add_text(&line, " → ");
    paint_text(&line, paint, show->cli->colour, stl_result_status(result));
    buffer_add_byte(&line, ' ');
    moment_add_span(&line, took_ms);
    buffer_init(&why, TEXT_BYTES);
    view_add_why(&why, root, &arena);
    if (why.length > 0) {
        buffer_add_text(&line, "   because ");
        glyph_add_all(&line, buffer_slice(&why));
    }
    buffer_done(&why);
    buffer_add_byte(&line, '\n');
    arena_done(&arena);
    cli_print(show->cli, &line);
}

static void draw(struct show *show, const char *gid) {
    struct picture_source source;
    struct buffer text;
    if (picture_fetch(show->cli, "/v1/transactions", gid, &source) != 0)
        return;
    buffer_init(&text, TEXT_BYTES);
    buffer_add_byte(&text, '\n');
    picture_draw(&text, &source, show->cli->width, show->cli->colour);
    picture_release(&source);
    cli_print(show->cli, &text);
}

/* ---- transactions ------------------------------------------------------------------------------------ */

static const char *url_of(const struct show *show, const char *name) {
    return participant_url(scene_participant(&show->scene, name));
}

static stl_tx *new_order(struct show *show, char gid[32]) {
    char order[128], stock[128], points[128];
    int n = ++show->orders, quantity = 1 + n % 3;
    const char *sku = n % 2 == 0 ? "B2" : "A1";
    snprintf(gid, 32, "order-%d", n);
    stl_tx *t = stl_tx_new("tcc", gid);
    if (t == NULL)
        return NULL;
    stl_tx_name(t, "place-order");
    stl_tx_label(t, "order", gid + 6);
    stl_tx_deadline(t, 10000);
    snprintf(order, sizeof order, "{\"sku\":\"%s\",\"qty\":%d,\"user\":\"u9\"}", sku, quantity);
    snprintf(stock, sizeof stock, "{\"sku\":\"%s\",\"qty\":%d}", sku, quantity);
    snprintf(points, sizeof points, "{\"user\":\"u9\",\"add\":%d}", quantity * BUSINESS_POINTS);
    stl_tx_tcc(t, "order", url_of(show, "order"), order, strlen(order));
    stl_tx_tcc(t, "stock", url_of(show, "stock"), stock, strlen(stock));
    stl_tx_tcc(t, "points", url_of(show, "points"), points, strlen(points));
    return t;
}

static void add_step(struct show *show, stl_tx *t, const char *name, const char *body) {
    char action[160], undo[160];
    snprintf(action, sizeof action, "%s/book", url_of(show, name));
    snprintf(undo, sizeof undo, "%s/undo", url_of(show, name));
    stl_tx_saga(t, name, action, undo, body, strlen(body));
}

static stl_tx *new_trip(struct show *show, char gid[32]) {
    snprintf(gid, 32, "trip-%d", ++show->trips);
    stl_tx *t = stl_tx_new("saga", gid);
    if (t == NULL)
        return NULL;
    stl_tx_name(t, "book-trip");
    stl_tx_label(t, "traveller", "u9");
    stl_tx_deadline(t, 30000);
    add_step(show, t, "car", "{\"days\":3}");
    add_step(show, t, "hotel", "{\"nights\":2}");
    add_step(show, t, "charge", "{\"car\":\"${car#/price}\",\"hotel\":\"${hotel#/price}\"}");
    return t;
}

static int told(struct show *show, const stl_err *e) {
    show->unexpected++;
    return cli_explain(show->cli, e);
}

/* Submit, wait, tell; compare with what the story expects. */
static void play(struct show *show, stl_tx *t, const char *expected) {
    stl_result *result = NULL;
    stl_err e = { .code = STL_EMEMORY };
    int64_t from_ms = moment_now_ms();
    int code = t == NULL ? STL_EMEMORY : stl_tx_submit(show->cli->client, t, WAIT_MS, &result, &e);
    if (code != 0) {
        told(show, &e);
    } else {
        tell_result(show, result, moment_now_ms() - from_ms);
        if (strcmp(stl_result_status(result), expected) != 0) {
            show->unexpected++;
            cli_fail(show->cli, 0, "expected %s to be %s", stl_result_gid(result), expected);
        }
    }
    stl_result_free(result);
    stl_tx_free(t);
}

/* ---- the three acts ---------------------------------------------------------------------------------- */

static void act_good(struct show *show) {
    char order[32] = "", trip[32] = "";
    say(show, PAINT_BOLD,
        "Three orders (TCC: order, stock and points must agree) and a trip (saga: car, hotel, charge)");
    for (int i = 0; i < 3; i++)
        play(show, new_order(show, order), "committed");
    play(show, new_trip(show, trip), "committed");
    draw(show, order);
    draw(show, trip);
}

static bool in_trip(const char *branch) {
    return strcmp(branch, "car") == 0 || strcmp(branch, "hotel") == 0 || strcmp(branch, "charge") == 0;
}

static void act_refusal(struct show *show, const char *branch) {
    char gid[32] = "", line[160];
    struct participant *p = scene_participant(&show->scene, branch);
    snprintf(line, sizeof line, "Now %s says no: what the others did is %s", branch,
             in_trip(branch) ? "compensated" : "cancelled");
    say(show, PAINT_BOLD, line);
    participant_trouble(p, true, 0);
    play(show, in_trip(branch) ? new_trip(show, gid) : new_order(show, gid), "rolled_back");
    participant_trouble(p, false, 0);
    draw(show, gid);
}

/* Wait until the participant has confirmed once more than before: its effect is there, its answer held back.
 */
static bool wait_confirm(const struct participant *p, uint32_t before) {
    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms++) {
        if (participant_confirmed(p) > before)
            return true;
        usleep(1000);
    }
    return false;
}

static int crash_and_recover(struct show *show, struct participant *slow, const char *gid,
                             stl_result **result) {
    stl_err e;
    struct why why;
    scene_kill(&show->scene);
    participant_trouble(slow, false, 0);
    say(show, PAINT_RED,
        "  kill -9: settled is gone. The decision is in its log, points has confirmed but nobody knows.");
    usleep(AWAY_MS * 1000);
    if (scene_restart(&show->scene, show->cli, &why) != 0)
        return cli_fail(show->cli, 1, "settled did not come back: %s", why.text);
    printf("  started again: %s\n\n", show->scene.settled.line);
    if (stl_tx_wait(show->cli->client, gid, WAIT_MS, result, &e) != 0)
        return told(show, &e);
    return 0;
}

static void act_crash(struct show *show) {
    char gid[32] = "";
    stl_result *result = NULL;
    stl_err e = { .code = STL_EMEMORY };
    struct participant *points = scene_participant(&show->scene, "points");
    uint32_t before = participant_confirmed(points);
    int64_t from_ms = moment_now_ms();
    say(show, PAINT_BOLD, "Now settled is killed between the decision and the confirms");
    participant_trouble(points, false, SLOW_CONFIRM_MS);
    stl_tx *t = new_order(show, gid);
    if (t == NULL || stl_tx_submit(show->cli->client, t, 0, &result, &e) != 0) {
        told(show, &e);
    } else if (!wait_confirm(points, before)) {
        show->unexpected++;
        cli_fail(show->cli, 0, "points was never asked to confirm %s", gid);
    } else {
        stl_result_free(result);
        result = NULL;
        if (crash_and_recover(show, points, gid, &result) != 0) {
            show->unexpected++;
        } else {
            tell_result(show, result, moment_now_ms() - from_ms);
            show->unexpected += strcmp(stl_result_status(result), "committed") != 0;
            draw(show, gid);
        }
    }
    participant_trouble(points, false, 0);
    stl_result_free(result);
    stl_tx_free(t);
}

/* ---- the books --------------------------------------------------------------------------------------- */

static int check_books(struct show *show) {
    struct books b;
    struct buffer text;
    struct why why;
    if (books_read(show->scene.folder, &b, &why) != 0)
        return cli_fail(show->cli, EXIT_FAILED, "the books cannot be read: %s", why.text);
    say(show, PAINT_BOLD, "The books, read from the services' own files");
    buffer_init(&text, TEXT_BYTES);
    buffer_add_format(&text, "  orders   %lld confirmed, %lld cancelled, %lld pieces\n",
                      (long long)b.orders_confirmed, (long long)b.orders_cancelled,
                      (long long)b.pieces_confirmed);
    buffer_add_format(&text, "  stock    %lld = %lld on the shelf + %lld reserved + %lld sold\n",
                      (long long)b.stock_start, (long long)b.available, (long long)b.reserved,
                      (long long)b.sold);
    buffer_add_format(&text, "  points   %lld = %d × %lld pieces\n", (long long)b.points, BUSINESS_POINTS,
                      (long long)b.pieces_confirmed);
    buffer_add_format(&text, "  trips    %lld booked, %lld undone, %lld paid for %lld\n", (long long)b.trips,
                      (long long)b.trips_undone, (long long)b.paid, (long long)b.owed);
    size_t before = text.length;
    int differences = books_differences(&b, &text);
    if (differences == 0) {
        buffer_cut(&text, before);
        paint_text(&text, PAINT_GREEN, show->cli->colour, "books in balance");
    } else {
        paint_text(&text, PAINT_RED, show->cli->colour, "books differ");
    }
    buffer_add_byte(&text, '\n');
    int code = cli_print(show->cli, &text);
    return differences != 0 ? EXIT_FAILED : code;
}

static int perform(struct show *show, const char *fail) {
    bool all = flags_has(&show->cli->flags, "all"), crash = flags_has(&show->cli->flags, "crash");
    printf("%s\n", show->scene.settled.line);
    fflush(stdout);
    if (all || (!crash && fail == NULL))
        act_good(show);
    if (fail != NULL)
        act_refusal(show, fail);
    if (all && fail == NULL) {
        act_refusal(show, "points");
        act_refusal(show, "charge");
    }
    if (all || crash)
        act_crash(show);
    int code = check_books(show);
    if (show->unexpected > 0)
        code = cli_fail(show->cli, EXIT_FAILED, "%d of the outcomes above should not be; the log is %s",
                        show->unexpected, show->scene.log);
    return code;
}

int command_demo(struct cli *cli) {
    static struct show show;
    struct why why;
    const char *folder = flags_value(&cli->flags, "data"), *fail = flags_value(&cli->flags, "fail");
    folder = folder != NULL ? folder : "./settle-demo";
    cli->curl = cli->dry_run = false;
    cli->format = FORMAT_TABLE;
    if (flags_has(&cli->flags, "clean"))
        return scene_clean(folder, &why) == 0 ? EXIT_DONE : cli_fail(cli, EXIT_FAILED, "%s", why.text);
    for (size_t i = 0; fail != NULL && strcmp(fail, participant_names[i]) != 0; i++)
        if (participant_names[i + 1] == NULL)
            return cli_fail(cli, EXIT_USAGE,
                            "--fail takes order, stock, points, car, hotel or charge, not \"%s\"", fail);
    show.cli = cli;
    if (scene_open(&show.scene, cli, folder, &why) != 0)
        return cli_fail(cli, EXIT_FAILED, "the demo cannot start: %s", why.text);
    int code = perform(&show, fail);
    scene_close(&show.scene, cli);
    cli_hint(cli, "files and log: %s · settle demo --clean removes them", folder);
    return code;
}
