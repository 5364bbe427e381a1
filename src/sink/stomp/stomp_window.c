#include "sink/stomp/stomp_window.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

void stomp_window_init(struct stomp_window *w) {
    memset(w, 0, sizeof *w);
    w->oldest = w->next = 1;
}

bool stomp_window_full(const struct stomp_window *w) {
    return w->next - w->oldest == STOMP_WINDOW;
}

void stomp_window_add(struct stomp_window *w, struct stomp_flight *f) {
    assert(!stomp_window_full(w));
    f->receipt = w->next++;
    assert(!w->places[f->receipt % STOMP_WINDOW].open);
    w->places[f->receipt % STOMP_WINDOW].flight = f;
    w->places[f->receipt % STOMP_WINDOW].open = true;
    w->open++;
}

void stomp_window_abandon(struct stomp_window *w, struct stomp_flight *f) {
    assert(w->places[f->receipt % STOMP_WINDOW].flight == f);
    w->places[f->receipt % STOMP_WINDOW].flight = NULL;
    w->abandoned++;
}

static struct stomp_flight *close_place(struct stomp_window *w, uint64_t receipt) {
    struct stomp_flight *f = w->places[receipt % STOMP_WINDOW].flight;
    assert(w->places[receipt % STOMP_WINDOW].open);
    w->places[receipt % STOMP_WINDOW].open = false;
    w->places[receipt % STOMP_WINDOW].flight = NULL;
    w->open--;
    w->abandoned -= f == NULL;
    while (w->oldest < w->next && !w->places[w->oldest % STOMP_WINDOW].open)
        w->oldest++;
    return f;
}

int stomp_window_close(struct stomp_window *w, struct slice number, struct stomp_flight **out) {
    uint64_t receipt;
    if (slice_u64(number, &receipt) < 0 || receipt == 0 || receipt >= w->next)
        return ERR_NOT_FOUND;
    bool open = receipt >= w->oldest && w->places[receipt % STOMP_WINDOW].open;
    *out = open ? close_place(w, receipt) : NULL;
    return 0;
}

struct stomp_flight *stomp_window_take(struct stomp_window *w) {
    struct stomp_flight *f = NULL;
    while (f == NULL && w->open > 0)
        f = close_place(w, w->oldest);
    return f;
}
