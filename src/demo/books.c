#include "demo/books.h"

#include <stdio.h>
#include <unistd.h>

#include "demo/business.h"
#include "demo/ledger.h"
#include "demo/participant.h"

/* The same statement over car, hotel and charge: gids that are not in the same state in all three. A gid that
 * one of them has never seen counts as undone there. */
#define STATE_IN(file) "coalesce((select state from " file ".bookings b where b.gid = g.gid), 'undone')"
#define TRIPS                                                                                   \
    "(select gid from car.bookings union select gid from hotel.bookings union select gid from " \
    "charge.bookings) g"

static const struct {
    size_t field;
    const char *sql;
} figures[] = {
    { offsetof(struct books, orders_confirmed),
      "select count(*) from \"order\".orders where state = 'confirmed'" },
    { offsetof(struct books, orders_cancelled),
      "select count(*) from \"order\".orders where state = 'cancelled'" },
    { offsetof(struct books, orders_pending),
      "select count(*) from \"order\".orders where state = 'pending'" },
    { offsetof(struct books, pieces_confirmed),
      "select sum(qty) from \"order\".orders where state = 'confirmed'" },
    { offsetof(struct books, available), "select sum(available) from stock.items" },
    { offsetof(struct books, reserved), "select sum(reserved) from stock.items" },
    { offsetof(struct books, sold), "select sum(sold) from stock.items" },
    { offsetof(struct books, stock_start), "select count(*) from stock.items" },
    { offsetof(struct books, points), "select sum(points) from points.accounts" },
    { offsetof(struct books, points_pending), "select sum(pending) from points.accounts" },
    { offsetof(struct books, parcels),
      "select count(*) from warehouse.parcels where sku <> '" BUSINESS_GIFT "'" },
    { offsetof(struct books, packed),
      "select sum(qty) from warehouse.parcels where sku <> '" BUSINESS_GIFT "'" },
    { offsetof(struct books, gifts), "select count(*) from \"order\".gifts" },
    { offsetof(struct books, gifts_packed),
      "select sum(qty) from warehouse.parcels where sku = '" BUSINESS_GIFT "'" },
    { offsetof(struct books, trips),
      "select count(*) from " TRIPS " where " STATE_IN("car") " = 'booked' and " STATE_IN(
          "hotel") " = 'booked' and " STATE_IN("charge") " = 'booked'" },
    { offsetof(struct books, trips_undone),
      "select count(*) from " TRIPS " where " STATE_IN("car") " = 'undone' and " STATE_IN(
          "hotel") " = 'undone' and " STATE_IN("charge") " = 'undone'" },
    { offsetof(struct books, trips_split),
      "select count(*) from " TRIPS
      " where " STATE_IN("car") " <> " STATE_IN("hotel") " or " STATE_IN("car") " <> " STATE_IN("charge") },
    { offsetof(struct books, paid), "select sum(price) from charge.bookings where state = 'booked'" },
    { offsetof(struct books, owed),
      "select (select coalesce(sum(price), 0) from car.bookings where state = 'booked')"
      " + (select coalesce(sum(price), 0) from hotel.bookings where state = 'booked')" },
};

static int attach_all(struct ledger *l, const char *folder, struct why *why) {
    int result = 0;
    for (size_t i = 0; participant_names[i] != NULL && result == 0; i++) {
        char path[4096], sql[64];
        snprintf(path, sizeof path, "%s/%s.db", folder, participant_names[i]);
        snprintf(sql, sizeof sql, "attach ? as \"%s\"", participant_names[i]);
        struct slice text = slice_text(path);
        if (access(path, R_OK) != 0)
            return why_set(why, ERR_IO, "%s is not there", path);
        result = ledger_change(l, NULL, why, sql, "t", &text);
    }
    return result;
}

int books_read(const char *folder, struct books *out, struct why *why) {
    struct ledger l = { .database = NULL };
    struct books books = { .orders_confirmed = 0 };
    int result = ledger_open(&l, ":memory:", "", why);
    if (result == 0)
        result = attach_all(&l, folder, why);
    for (size_t i = 0; i < sizeof figures / sizeof *figures && result == 0; i++)
        result =
            ledger_number(&l, (int64_t *)((char *)&books + figures[i].field), 0, why, figures[i].sql, "");
    ledger_close(&l);
    if (result != 0)
        return result;
    books.stock_start *= BUSINESS_STOCK;
    *out = books;
    return 0;
}

static int expect(struct buffer *to, const char *what, int64_t expected, int64_t there) {
    if (expected == there)
        return 0;
    buffer_add_format(to, "%s: expected %lld, found %lld\n", what, (long long)expected, (long long)there);
    return 1;
}

int books_differences(const struct books *b, struct buffer *to) {
    return expect(to, "orders still pending", 0, b->orders_pending) +
           expect(to, "pieces still reserved", 0, b->reserved) +
           expect(to, "points still pending", 0, b->points_pending) +
           expect(to, "pieces on the shelf, reserved and sold", b->stock_start,
                  b->available + b->reserved + b->sold) +
           expect(to, "pieces sold, against confirmed orders", b->pieces_confirmed, b->sold) +
           expect(to, "points, against confirmed orders", b->pieces_confirmed * BUSINESS_POINTS, b->points) +
           expect(to, "parcels, against confirmed orders", b->orders_confirmed, b->parcels) +
           expect(to, "pieces packed, against confirmed orders", b->pieces_confirmed, b->packed) +
           expect(to, "gifts packed, against gifts promised", b->gifts, b->gifts_packed) +
           expect(to, "trips booked here and not there", 0, b->trips_split) +
           expect(to, "paid, against what was booked", b->owed, b->paid);
}
