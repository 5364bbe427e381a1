#include "cli/demo_message.h"

#include <stdio.h>
#include <string.h>

#include "demo/business.h"

#define CHECK_AFTER_MS 300 /* soon enough to watch; the default is 10 s */

void demo_message_redelivery(struct show *show, const char *gid) {
    struct show_message sent;
    char line[160];
    snprintf(line, sizeof line, "  What the warehouse says to the message of %s, until it opens:", gid);
    show_say(show, PAINT_NONE, line);
    show_find_message(show, gid, true, &sent);
    show_expect(show, strcmp(sent.delivery, "acked") == 0, "the message of %s to be delivered", gid);
    if (sent.id[0] != '\0')
        show_attempts(show, sent.id);
    show_expect(show, sent.attempts == DEMO_CLOSED_CALLS + 1, "%d attempts for %s, not %lld",
                DEMO_CLOSED_CALLS + 1, gid, (long long)sent.attempts);
}

void demo_message_once(struct show *show, const char *gid, uint32_t packed) {
    struct show_message sent;
    struct buffer text;
    uint32_t now = participant_confirmed(scene_participant(&show->scene, "warehouse"));
    show_find_message(show, gid, true, &sent);
    if (sent.id[0] != '\0')
        show_picture(show, "/v1/messages", sent.id);
    buffer_init(&text, 4096);
    buffer_add_format(&text, "  the warehouse was told %lld times and packed %u parcel: it knows the id\n",
                      (long long)sent.attempts, now - packed);
    cli_print(show->cli, &text);
    show_expect(show, strcmp(sent.delivery, "acked") == 0 && sent.attempts == 2,
                "the message of %s to be acked at the 2nd attempt", gid);
    show_expect(show, now - packed == 1, "one parcel for %s, not %u", gid, now - packed);
}

void demo_message_none(struct show *show, const char *gid) {
    struct show_message sent;
    struct buffer text;
    show_find_message(show, gid, false, &sent);
    buffer_init(&text, 4096);
    if (sent.id[0] == '\0')
        buffer_add_text(&text, "  warehouse: there is no message, nothing is packed\n");
    cli_print(show->cli, &text);
    show_expect(show, sent.id[0] == '\0', "no message for %s, not %s", gid, sent.id);
}

/* ---- check-back -------------------------------------------------------------------------------------- */

/* Announce a gift to the warehouse, as a half message. Not 0: counted and told. */
static int announce(struct show *show, char id[32]) {
    static const char body[] = "{\"sku\":\"" BUSINESS_GIFT "\",\"qty\":1,\"user\":\"u9\"}";
    char check[128];
    stl_err e = { .code = STL_EMEMORY };
    snprintf(id, 32, "gift-%d", ++show->gifts);
    snprintf(check, sizeof check, "%s/check", participant_url(scene_participant(&show->scene, "order")));
    stl_msg *m = stl_msg_new(SCENE_TOPIC, id);
    if (m == NULL)
        return show_failed(show, &e);
    stl_msg_key(m, id);
    stl_msg_body(m, NULL, body, sizeof body - 1);
    stl_msg_check_http(m, check);
    stl_msg_check_times(m, CHECK_AFTER_MS, CHECK_AFTER_MS, 0, 0);
    int code = stl_msg_half(show->cli->client, m, &e);
    stl_msg_free(m);
    return code == 0 ? 0 : show_failed(show, &e);
}

/* The producer never says commit or rollback: as if it had died. What its file says decides. */
static void silent_producer(struct show *show, bool commits, const char *expected) {
    char id[32];
    struct why why;
    struct show_message sent;
    if (announce(show, id) != 0)
        return;
    if (commits && participant_promise(show->scene.folder, id, "u9", &why) != 0) {
        show_expect(show, false, "%s to be promised: %s", id, why.text);
        return;
    }
    show_read_message(show, id, true, &sent);
    show_expect(show, strcmp(sent.status, expected) == 0, "%s to be %s, not %s", id, expected, sent.status);
    show_picture(show, "/v1/messages", id);
}

void demo_message_check_back(struct show *show) {
    show_say(show, PAINT_BOLD,
             "Now producers announce a message (half) and are never heard of again: settled asks their file");
    show_say(show, PAINT_NONE, "  one falls silent after its own commit: the gift is promised");
    silent_producer(show, true, "committed");
    show_say(show, PAINT_NONE, "  one falls silent before it: nothing was promised");
    silent_producer(show, false, "rolled_back");
}
