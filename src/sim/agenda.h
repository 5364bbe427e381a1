/* The agenda: what will happen in the simulated world, ordered by (virtual time, order of entry), so that
 * two things at the same microsecond always happen in the same order.
 *
 * An item is a function, a subject and a number. The agenda owns none of them; whoever plans an item keeps
 * the subject alive (the world's arena does). Nothing is ever taken back: an item that has lost its meaning
 * finds that out itself when its time comes. */
#ifndef SIM_AGENDA_H
#define SIM_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;

typedef void agenda_act(struct world *w, void *subject, uint64_t number);

struct agenda_item {
    uint64_t at_us;
    uint64_t order;
    agenda_act *act;
    void *subject;
    uint64_t number;
};

struct agenda {
    struct agenda_item *items; /* a binary heap */
    size_t count;
    size_t capacity;
    uint64_t next_order;
};

void agenda_init(struct agenda *a);
void agenda_done(struct agenda *a);
void agenda_add(struct agenda *a, uint64_t at_us, agenda_act *act, void *subject, uint64_t number);
/* The earliest item, removed. False when there is none. */
bool agenda_next(struct agenda *a, struct agenda_item *out);

#endif
