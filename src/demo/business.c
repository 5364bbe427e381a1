#include "demo/business.h"

static struct slice text_of(struct json_value body, const char *name, struct arena *arena) {
    struct json_value value;
    struct slice text;
    if (!json_member(body, name, &value) || json_string(value, arena, &text) != 0)
        return SLICE("");
    return text;
}

static int64_t number_of(struct json_value body, const char *name) {
    struct json_value value;
    int64_t number = 0;
    if (!json_member(body, name, &value) || json_i64(value, &number) != 0)
        return 0;
    return number;
}

/* ---- the shop ---------------------------------------------------------------------------------------- */

static int place_order(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                       struct why *why) {
    struct arena arena;
    arena_init(&arena, 1024, 64 * 1024);
    struct slice sku = text_of(body, "sku", &arena), buyer = text_of(body, "user", &arena);
    int64_t quantity = number_of(body, "qty");
    int result = quantity <= 0 ? why_set(why, ERR_CONFLICT, "an order is for at least one piece") : 0;
    if (result == 0)
        result = ledger_change(
            l, NULL, why, "insert into orders (gid, sku, qty, buyer, state) values (?, ?, ?, ?, 'pending')",
            "ttit", &gid, &sku, quantity, &buyer);
    arena_done(&arena);
    buffer_add_format(answer, "{\"qty\":%lld}", (long long)quantity);
    return result;
}

static int reserve_stock(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                         struct why *why) {
    struct arena arena;
    int64_t quantity = number_of(body, "qty"), left = 0;
    int rows = 0;
    arena_init(&arena, 1024, 64 * 1024);
    struct slice sku = text_of(body, "sku", &arena);
    int result = ledger_change(l, &rows, why,
                               "update items set available = available - ?1, reserved = reserved + ?1"
                               " where sku = ?2 and available >= ?1 and ?1 > 0",
                               "it", quantity, &sku);
    if (result == 0 && rows == 0) {
        result = ledger_number(l, &left, 0, why, "select available from items where sku = ?", "t", &sku);
        if (result == 0)
            result = why_set(why, ERR_CONFLICT, "only %lld of %.*s left", (long long)left, SLICE_PRINT(sku));
    }
    if (result == 0)
        result = ledger_change(l, NULL, why,
                               "insert into reservations (gid, sku, qty, state) values (?, ?, ?, 'pending')",
                               "tti", &gid, &sku, quantity);
    arena_done(&arena);
    buffer_add_text(answer, "{\"reserved\":true}");
    return result;
}

static int add_points(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                      struct why *why) {
    struct arena arena;
    int64_t points = number_of(body, "add");
    arena_init(&arena, 1024, 64 * 1024);
    struct slice user = text_of(body, "user", &arena);
    int result = ledger_change(l, NULL, why,
                               "insert into accounts (user, points, pending) values (?2, 0, ?1)"
                               " on conflict (user) do update set pending = pending + ?1",
                               "it", points, &user);
    if (result == 0)
        result = ledger_change(l, NULL, why,
                               "insert into additions (gid, user, points, state) values (?, ?, ?, 'pending')",
                               "tti", &gid, &user, points);
    arena_done(&arena);
    buffer_add_text(answer, "{\"noted\":true}");
    return result;
}

static const char *const no_confirm[] = { NULL };
static const char *const confirm_order[] = { "update orders set state = 'confirmed' where gid = ?1", NULL };
static const char *const cancel_order[] = { "update orders set state = 'cancelled' where gid = ?1", NULL };

#define RESERVATION(column) "(select " column " from reservations where gid = ?1)"
static const char *const confirm_stock[] = {
    "update items set reserved = reserved - " RESERVATION("qty") ", sold = sold + " RESERVATION("qty") //
    " where sku = " RESERVATION("sku"),
    "update reservations set state = 'confirmed' where gid = ?1",
    NULL,
};
static const char *const cancel_stock[] = {
    "update items set reserved = reserved - " RESERVATION("qty") ", available = available + " RESERVATION(
        "qty") //
    " where sku = " RESERVATION("sku"),
    "update reservations set state = 'cancelled' where gid = ?1",
    NULL,
};

#define ADDITION(column) "(select " column " from additions where gid = ?1)"
static const char *const confirm_points[] = {
    "update accounts set pending = pending - " ADDITION("points") ", points = points + " ADDITION("points") //
    " where user = " ADDITION("user"),
    "update additions set state = 'confirmed' where gid = ?1",
    NULL,
};
static const char *const cancel_points[] = {
    "update accounts set pending = pending - " ADDITION("points") " where user = " ADDITION("user"),
    "update additions set state = 'cancelled' where gid = ?1",
    NULL,
};

/* ---- the warehouse ----------------------------------------------------------------------------------- */

/* Here gid is the message's id: what is packed for it is packed once, however often the message comes. */
static int pack_parcel(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                       struct why *why) {
    struct arena arena;
    int64_t quantity = number_of(body, "qty");
    arena_init(&arena, 1024, 64 * 1024);
    struct slice sku = text_of(body, "sku", &arena);
    int result = quantity <= 0 ? why_set(why, ERR_CONFLICT, "a parcel holds at least one piece") : 0;
    if (result == 0)
        result = ledger_change(l, NULL, why, "insert into parcels (message, sku, qty) values (?, ?, ?)",
                               "tti", &gid, &sku, quantity);
    arena_done(&arena);
    buffer_add_text(answer, "{\"packed\":true}");
    return result;
}

/* ---- the trip ---------------------------------------------------------------------------------------- */

static int book(struct ledger *l, struct slice gid, const char *what, int64_t price, struct buffer *answer,
                struct why *why) {
    int64_t number = 0;
    int result = ledger_change(
        l, NULL, why, "insert into bookings (gid, price, state) values (?, ?, 'booked')", "ti", &gid, price);
    if (result == 0)
        result = ledger_number(l, &number, 0, why, "select count(*) from bookings", "");
    buffer_add_format(answer, "{\"ref\":\"%s-%lld\",\"price\":%lld}", what, (long long)number,
                      (long long)price);
    return result;
}

static int book_car(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                    struct why *why) {
    return book(l, gid, "car", 40 * number_of(body, "days"), answer, why);
}

static int book_hotel(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                      struct why *why) {
    return book(l, gid, "hotel", 90 * number_of(body, "nights"), answer, why);
}

static int charge_card(struct ledger *l, struct slice gid, struct json_value body, struct buffer *answer,
                       struct why *why) {
    int64_t sum = number_of(body, "car") + number_of(body, "hotel");
    if (sum > BUSINESS_CARD)
        return why_set(why, ERR_CONFLICT, "%lld is over the card's limit of %d", (long long)sum,
                       BUSINESS_CARD);
    return book(l, gid, "charge", sum, answer, why);
}

static const char *const undo_booking[] = { "update bookings set state = 'undone' where gid = ?1", NULL };
static const char bookings[] = "create table if not exists bookings"
                               " (gid text primary key, price integer not null, state text not null);";

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

const struct business business_table[] = {
    { "order", "/tcc",
      "create table if not exists orders (gid text primary key, sku text not null, qty integer not null,"
      " buyer text not null, state text not null);"
      "create table if not exists gifts (message text primary key, buyer text not null);",
      "the shop takes no orders now", place_order, confirm_order, cancel_order },
    { "stock", "/tcc",
      "create table if not exists items (sku text primary key, available integer not null check (available "
      ">= 0),"
      " reserved integer not null check (reserved >= 0), sold integer not null);"
      "create table if not exists reservations (gid text primary key, sku text not null, qty integer not "
      "null,"
      " state text not null);"
      "insert or ignore into items values ('A1', " TEXT_OF(BUSINESS_STOCK) ", 0, 0), ('B2', " TEXT_OF(
          BUSINESS_STOCK) ", 0, 0);",
      "nothing left on the shelf", reserve_stock, confirm_stock, cancel_stock },
    { "points", "/tcc",
      "create table if not exists accounts (user text primary key, points integer not null,"
      " pending integer not null);"
      "create table if not exists additions (gid text primary key, user text not null, points integer not "
      "null,"
      " state text not null);",
      "the account is closed", add_points, confirm_points, cancel_points },
    { "warehouse", "",
      "create table if not exists parcels (message text primary key, sku text not null, qty integer not "
      "null);",
      "the warehouse takes no parcels", pack_parcel, no_confirm, no_confirm },
    { "car", "", bookings, "no cars", book_car, no_confirm, undo_booking },
    { "hotel", "", bookings, "no rooms", book_hotel, no_confirm, undo_booking },
    { "charge", "", bookings, "the card is blocked", charge_card, no_confirm, undo_booking },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};
