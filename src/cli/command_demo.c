/* settle demo: real services over real HTTP, watched while settled commits, cancels, compensates and
 * survives. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command_list.h"
#include "cli/demo_message.h"
#include "cli/demo_show.h"
#include "cli/moment.h"
#include "demo/books.h"
#include "demo/business.h"

#define TEXT_BYTES (1024 * 1024)
#define PLACE "/v1/transactions"
#define SLOW_ANSWER_MS 4000 /* how long the crash has to catch confirm and delivery */
#define AWAY_MS 700         /* how long settled stays dead */

/* ---- transactions ------------------------------------------------------------------------------------ */

static const char *url_of(const struct show *show, const char *name) {
    return participant_url(scene_participant(&show->scene, name));
}

static stl_tx *new_order(struct show *show, char gid[32]) {
    char order[128], stock[128], points[128], parcel[128];
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
    snprintf(parcel, sizeof parcel, "{\"order\":\"%s\",\"sku\":\"%s\",\"qty\":%d}", gid, sku, quantity);
    stl_tx_tcc(t, "order", url_of(show, "order"), order, strlen(order));
    stl_tx_tcc(t, "stock", url_of(show, "stock"), stock, strlen(stock));
    stl_tx_tcc(t, "points", url_of(show, "points"), points, strlen(points));
    stl_tx_on_commit_msg(t, SCENE_TOPIC, gid, parcel, strlen(parcel));
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

/* Submit, wait, tell; compare with what the story expects. delivered: wait for the message that it sent, too.
 */
static void play(struct show *show, stl_tx *t, const char *expected, bool delivered) {
    stl_result *result = NULL;
    stl_err e = { .code = STL_EMEMORY };
    struct show_message sent = { .id = "" };
    int64_t from_ms = moment_now_ms();
    int code = t == NULL ? STL_EMEMORY : stl_tx_submit(show->cli->client, t, SHOW_WAIT_MS, &result, &e);
    if (code != 0) {
        show_failed(show, &e);
    } else {
        int64_t took_ms = moment_now_ms() - from_ms;
        show_find_message(show, stl_result_gid(result), delivered, &sent);
        show_result(show, result, took_ms, &sent);
        show_expect(show, strcmp(stl_result_status(result), expected) == 0, "%s to be %s",
                    stl_result_gid(result), expected);
    }
    stl_result_free(result);
    stl_tx_free(t);
}

/* ---- the acts ---------------------------------------------------------------------------------------- */

static void act_good(struct show *show) {
    char order[32] = "", trip[32] = "";
    show_say(show, PAINT_BOLD,
             "Three orders (TCC: order, stock and points must agree; the warehouse gets a message)");
    for (int i = 0; i < 3; i++)
        play(show, new_order(show, order), "committed", true);
    show_picture(show, PLACE, order);
    show_say(show, PAINT_BOLD, "A trip (saga: car, hotel, charge)");
    play(show, new_trip(show, trip), "committed", false);
    show_picture(show, PLACE, trip);
}

static bool in_trip(const char *branch) {
    return strcmp(branch, "car") == 0 || strcmp(branch, "hotel") == 0 || strcmp(branch, "charge") == 0;
}

static void act_refusal(struct show *show, const char *branch) {
    char gid[32] = "", line[160];
    struct participant *p = scene_participant(&show->scene, branch);
    snprintf(line, sizeof line, "Now %s says no: what the others did is %s", branch,
             in_trip(branch) ? "compensated" : "cancelled");
    show_say(show, PAINT_BOLD, line);
    participant_trouble(p, true, 0);
    play(show, in_trip(branch) ? new_trip(show, gid) : new_order(show, gid), "rolled_back", false);
    participant_trouble(p, false, 0);
    show_picture(show, PLACE, gid);
    if (!in_trip(branch))
        demo_message_none(show, gid);
}

static void act_closed(struct show *show) {
    char gid[32] = "";
    show_say(
        show, PAINT_BOLD,
        "Now the warehouse is closed: the order goes on without it, its message is tried again and again");
    participant_close_for(scene_participant(&show->scene, "warehouse"), DEMO_CLOSED_CALLS);
    play(show, new_order(show, gid), "committed", false);
    demo_message_redelivery(show, gid);
    show_picture(show, PLACE, gid);
}

/* Wait until the participant has taken effect once more than before: its answer is held back. */
static bool wait_effect(const struct participant *p, uint32_t before) {
    for (int waited_ms = 0; waited_ms < SHOW_WAIT_MS; waited_ms++) {
        if (participant_confirmed(p) > before)
            return true;
        usleep(1000);
    }
    return false;
}

/* Both hold their answers back: what they did is done, and settled is not told. */
static void hold_answers(struct show *show, uint32_t delay_ms) {
    participant_trouble(scene_participant(&show->scene, "points"), false, delay_ms);
    participant_trouble(scene_participant(&show->scene, "warehouse"), false, delay_ms);
}

static int crash_and_recover(struct show *show, const char *gid, stl_result **result) {
    stl_err e;
    struct why why;
    scene_kill(&show->scene);
    hold_answers(show, 0);
    show_say(show, PAINT_RED,
             "  kill -9: settled is gone. The decision is in its log.\n"
             "  points has confirmed and the warehouse has packed, but settled was not told.");
    usleep(AWAY_MS * 1000);
    if (scene_restart(&show->scene, show->cli, &why) != 0)
        return cli_fail(show->cli, 1, "settled did not come back: %s", why.text);
    printf("  started again: %s\n\n", show->scene.settled.line);
    return stl_tx_wait(show->cli->client, gid, SHOW_WAIT_MS, result, &e) == 0 ? 0
                                                                              : cli_explain(show->cli, &e);
}

static void tell_recovered(struct show *show, const stl_result *result, int64_t took_ms, uint32_t packed) {
    const char *gid = stl_result_gid(result);
    struct show_message sent;
    show_find_message(show, gid, true, &sent);
    show_result(show, result, took_ms, &sent);
    show_expect(show, strcmp(stl_result_status(result), "committed") == 0, "%s to be committed", gid);
    show_picture(show, PLACE, gid);
    demo_message_once(show, gid, packed);
}

static void act_crash(struct show *show) {
    char gid[32] = "";
    stl_result *result = NULL;
    stl_err e = { .code = STL_EMEMORY };
    struct participant *points = scene_participant(&show->scene, "points"),
                       *warehouse = scene_participant(&show->scene, "warehouse");
    uint32_t confirmed = participant_confirmed(points), packed = participant_confirmed(warehouse);
    int64_t from_ms = moment_now_ms();
    show_say(show, PAINT_BOLD, "Now settled is killed between the decision and what follows from it");
    hold_answers(show, SLOW_ANSWER_MS);
    stl_tx *t = new_order(show, gid);
    if (t == NULL || stl_tx_submit(show->cli->client, t, 0, &result, &e) != 0) {
        show_failed(show, &e);
    } else if (!wait_effect(points, confirmed) || !wait_effect(warehouse, packed)) {
        show_expect(show, false, "points and warehouse to be called for %s", gid);
    } else {
        stl_result_free(result);
        result = NULL;
        if (crash_and_recover(show, gid, &result) == 0)
            tell_recovered(show, result, moment_now_ms() - from_ms, packed);
        else
            show->unexpected++;
    }
    hold_answers(show, 0);
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
    show_say(show, PAINT_BOLD, "The books, read from the services' own files");
    buffer_init(&text, TEXT_BYTES);
    buffer_add_format(&text, "  orders   %lld confirmed, %lld cancelled, %lld pieces\n",
                      (long long)b.orders_confirmed, (long long)b.orders_cancelled,
                      (long long)b.pieces_confirmed);
    buffer_add_format(&text, "  stock    %lld = %lld on the shelf + %lld reserved + %lld sold\n",
                      (long long)b.stock_start, (long long)b.available, (long long)b.reserved,
                      (long long)b.sold);
    buffer_add_format(&text, "  points   %lld = %d × %lld pieces\n", (long long)b.points, BUSINESS_POINTS,
                      (long long)b.pieces_confirmed);
    buffer_add_format(&text, "  parcels  %lld for %lld orders, %lld pieces; %lld of %lld gifts\n",
                      (long long)b.parcels, (long long)b.orders_confirmed, (long long)b.packed,
                      (long long)b.gifts_packed, (long long)b.gifts);
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

static void perform_acts(struct show *show, const char *fail) {
    const struct flags *flags = &show->cli->flags;
    bool all = flags_has(flags, "all"), crash = flags_has(flags, "crash"),
         check = flags_has(flags, "check-back"), closed = fail != NULL && strcmp(fail, "warehouse") == 0;
    if (all || (!crash && !check && fail == NULL))
        act_good(show);
    if (fail != NULL && !closed)
        act_refusal(show, fail);
    if (all && fail == NULL) {
        act_refusal(show, "points");
        act_refusal(show, "charge");
    }
    if (all || closed)
        act_closed(show);
    if (all || check)
        demo_message_check_back(show);
    if (all || crash)
        act_crash(show);
}

static int perform(struct show *show, const char *fail) {
    printf("%s\n", show->scene.settled.line);
    fflush(stdout);
    perform_acts(show, fail);
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
                            "--fail takes order, stock, points, warehouse, car, hotel or charge, not \"%s\"",
                            fail);
    show.cli = cli;
    if (scene_open(&show.scene, cli, folder, &why) != 0)
        return cli_fail(cli, EXIT_FAILED, "the demo cannot start: %s", why.text);
    int code = perform(&show, fail);
    scene_close(&show.scene, cli);
    cli_hint(cli, "files and log: %s · settle demo --clean removes them", folder);
    return code;
}
