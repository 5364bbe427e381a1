#include "sim/plan.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "sim/world.h"

void plan_fingerprint(uint8_t out[32], uint32_t number, uint32_t variant) {
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t mixed[3] = { number, variant, i };
        uint64_t hash = hash_stable(slice_of((const char *)mixed, sizeof mixed));

        memcpy(out + (size_t)i * 8, &hash, sizeof hash);
    }
}

static const char *role_path(uint8_t mode, uint8_t role) {
    return operation_word(mode, role);
}

static void make_endpoints(struct world *w, struct branch_request *b, uint8_t mode, uint16_t participant,
                           const uint32_t timeout_ms[ROLE_COUNT]) {
    for (uint8_t role = 0; role < ROLE_COUNT; role++) {
        if (role == ROLE_CONFIRM && mode != MODE_TCC)
            continue;
        b->to[role].url = world_text(w, "http://127.0.0.1:%u/%s", 9000u + participant, role_path(mode, role));
        b->to[role].timeout_ms = timeout_ms[role];
    }
}

static void follow(struct world *w, struct branch_request *b, const uint16_t *after, uint16_t count) {
    uint16_t *copy = world_take(w, count, sizeof *copy);

    if (count > 0)
        memcpy(copy, after, count * sizeof *copy);
    b->after = copy;
    b->after_count = count;
}

/* Whether branch `at` comes after `ancestor`, directly or not. Branches only come after earlier ones here. */
static bool descends(const struct branch_request *branches, uint16_t at, uint16_t ancestor) {
    for (uint16_t i = 0; i < branches[at].after_count; i++) {
        uint16_t before = branches[at].after[i];

        if (before == ancestor || (before > ancestor && descends(branches, before, ancestor)))
            return true;
    }
    return false;
}

static void draw_after(struct world *w, struct dice *d, struct branch_request *branches, uint16_t at,
                       uint64_t shape) {
    uint16_t after[8];
    uint16_t count = 0;

    if (shape == 0 && at > 0) { /* a chain */
        after[count++] = (uint16_t)(at - 1);
    } else if (shape == 1) { /* some graph */
        for (uint16_t i = 0; i < at && count < 8; i++)
            if (dice_below(d, 3) == 0)
                after[count++] = i;
    }
    follow(w, &branches[at], after, count);
}

static void draw_retry(struct dice *d, struct retry_policy *retry) {
    retry->first_ms = (uint32_t)dice_between(d, 10, 2000);
    retry->factor_percent = (uint32_t)dice_between(d, 150, 300);
    retry->max_ms = (uint32_t)dice_between(d, 60000, 240000);
    retry->for_ms = dice_below(d, 4) == 0 ? (uint32_t)dice_between(d, 500, 20000) : 0;
    retry->then = dice_below(d, 2) == 0 ? GIVE_UP_ROLLBACK : GIVE_UP_ATTENTION;
}

static uint32_t draw_timeout(struct dice *d) {
    static const uint32_t timeouts_ms[] = { 50, 300, 1000, 5000, 5000, 20000 };

    return timeouts_ms[dice_below(d, 6)];
}

static struct slice bulky_body(struct world *w, uint64_t length) {
    char *at = world_take(w, length, 1);

    memset(at, ' ', length);
    at[0] = '{';
    at[length - 1] = '}';
    return slice_of(at, length);
}

static void draw_branch(struct world *w, struct plan *p, struct branch_request *branches, uint16_t at,
                        uint64_t shape) {
    struct dice *d = world_dice(w, DICE_WORKLOAD);
    struct branch_request *b = &branches[at];
    struct deed *deed = &p->deeds[at];
    uint32_t timeouts_ms[ROLE_COUNT];

    deed->participant = (uint16_t)dice_below(d, w->participant_count);
    for (int role = 0; role < ROLE_COUNT; role++)
        timeouts_ms[role] = draw_timeout(d);
    make_endpoints(w, b, p->request.mode, deed->participant, timeouts_ms);
    b->id = world_text(w, "b%u", at);
    b->body = dice_below(d, 8) == 0
                  ? SLICE_NONE
                  : world_text(w, "{\"gid\":\"%.*s\",\"step\":%u}", SLICE_PRINT(p->gid), at);
    if (dice_chance(d, w->swarm.bulk))
        b->body = bulky_body(w, dice_between(d, 50000, 250000));
    draw_after(w, d, branches, at, shape);
    b->cancel_always = dice_below(d, 10) == 0;
    draw_retry(d, &b->retry);
    if (dice_below(d, 12) == 0 && p->request.mode == MODE_SAGA)
        b->to[ROLE_BACKWARD] = (struct endpoint){ 0 }; /* nothing to undo */
}

/* Two legs of a transfer: the same amount leaves one account and reaches another (I-G7). */
static void draw_transfer(struct world *w, struct plan *p, struct branch_request *branches) {
    struct dice *d = world_dice(w, DICE_WORKLOAD);
    int64_t amount = (int64_t)dice_between(d, 1, 60);

    for (uint16_t i = 0; i < 2; i++) {
        struct deed *deed = &p->deeds[i];

        deed->kind = i == 0 ? DEED_DEBIT : DEED_CREDIT;
        deed->account = (uint8_t)dice_below(d, SIM_ACCOUNTS);
        deed->amount = amount;
        if (branches[i].to[ROLE_BACKWARD].url.length == 0)
            branches[i].to[ROLE_BACKWARD] =
                (struct endpoint){ world_text(w, "http://127.0.0.1:%u/compensate", 9000u + deed->participant),
                                   5000 };
    }
}

/* Branch `at` carries a value of an ancestor's answer. */
static void draw_reference(struct world *w, struct plan *p, struct branch_request *branches, uint16_t at) {
    struct dice *d = world_dice(w, DICE_WORKLOAD);
    bool missing = dice_chance(d, w->swarm.missing);
    uint16_t ancestor = (uint16_t)dice_below(d, at);

    if (!descends(branches, at, ancestor))
        return;
    branches[at].body = world_text(w, "{\"from\":\"${b%u#/%s}\",\"text\":\"n=${b%u#/n} $${x}\"}", ancestor,
                                   missing ? "nothing" : "ref", ancestor);
    branches[at].has_references = true;
    branches[ancestor].referenced = true;
    p->missing_pointer |= missing;
}

static bool all_related(const struct branch_request *branches, uint16_t count, uint16_t pivot) {
    for (uint16_t i = 0; i < count; i++)
        if (i != pivot && !descends(branches, i, pivot) && !(i < pivot && descends(branches, pivot, i)))
            return false;
    return true;
}

static void draw_special(struct world *w, struct plan *p, struct branch_request *branches) {
    struct dice *d = world_dice(w, DICE_WORKLOAD);
    uint16_t pivot = (uint16_t)dice_below(d, p->branch_count);
    bool wants_pivot = dice_below(d, 5) < 2;

    if (p->request.drive == DRIVE_CLIENT)
        return;
    if (p->request.mode == MODE_SAGA && wants_pivot && all_related(branches, p->branch_count, pivot)) {
        branches[pivot].pivot = true;
        if (dice_below(d, 3) > 0 && p->deeds[pivot].kind == DEED_PLAIN)
            branches[pivot].to[ROLE_BACKWARD] = (struct endpoint){ 0 }; /* a point of no return indeed */
    }
    for (uint16_t i = 1; i < p->branch_count; i++)
        if (dice_below(d, 3) == 0)
            draw_reference(w, p, branches, i);
}

static void take_identity(struct world *w, struct plan *p, uint32_t number) {
    p->number = number;
    p->request.namespace_name = SLICE("default");
    p->request.gid = p->gid;
    p->request.principal = SLICE("client");
    plan_fingerprint(p->request.fingerprint, number, 0);
    (void)w;
}

/* The other request for the same gid differs in what it carries. */
static void make_other(struct world *w, struct plan *p) {
    p->other = p->request;
    p->other.name = world_text(w, "other");
    plan_fingerprint(p->other.fingerprint, p->number, 1);
}

static void make_room(struct world *w, struct plan *p, uint16_t branch_count) {
    p->branch_count = branch_count;
    p->deeds = world_take(w, branch_count, sizeof *p->deeds);
    p->branch_fingerprints = world_take(w, branch_count + 1u, sizeof *p->branch_fingerprints);
    for (uint16_t i = 0; i <= branch_count; i++)
        plan_fingerprint(p->branch_fingerprints[i], p->number, 100u + i);
}

static void give_branches(struct world *w, struct plan *p, struct branch_request *branches) {
    struct branch_request *late = &branches[p->branch_count];

    *late = branches[0];
    late->id = world_text(w, "late");
    late->after_count = 0;
    p->branches = branches;
    p->request.branches = branches;
    p->request.branch_count = p->request.drive == DRIVE_CLIENT ? 0 : p->branch_count;
}

static uint16_t draw_branch_count(struct dice *d) {
    uint64_t size = dice_below(d, 100);

    if (size < 15)
        return 1;
    if (size < 65)
        return 2;
    if (size < 95)
        return (uint16_t)dice_between(d, 3, 5);
    return (uint16_t)dice_between(d, 6, 12);
}

void plan_draw(struct world *w, struct plan *p, uint32_t number) {
    struct dice *d = world_dice(w, DICE_WORKLOAD);
    struct branch_request *branches;
    bool transfer;
    uint64_t shape;

    p->gid = world_text(w, "g%u", number);
    p->request.mode = dice_below(d, 100) < 55 ? MODE_SAGA : MODE_TCC;
    p->request.drive = dice_below(d, 5) == 0 ? DRIVE_CLIENT : DRIVE_SERVER;
    take_identity(w, p, number);
    p->request.deadline_ms =
        (uint32_t)(dice_below(d, 5) < 2 ? dice_between(d, 100, 5000) : dice_between(d, 5000, 90000));
    p->start_us = dice_below(d, w->swarm.faults_ms * 600);
    if (swarm_has(&w->swarm, SWARM_bulk))
        p->start_us = p->start_us % 50000; /* all at once */
    transfer = dice_below(d, 5) < 2;
    make_room(w, p, transfer ? 2 : draw_branch_count(d));
    shape = dice_below(d, 10);
    shape = p->request.mode == MODE_SAGA ? (shape < 6 ? 0 : shape < 8 ? 1 : 2) : (shape < 7 ? 2 : 1);
    branches = world_take(w, p->branch_count + 1u, sizeof *branches);
    for (uint16_t i = 0; i < p->branch_count; i++)
        draw_branch(w, p, branches, i, shape);
    if (transfer)
        draw_transfer(w, p, branches);
    draw_special(w, p, branches);
    give_branches(w, p, branches);
    make_other(w, p);
}

void plan_shape(struct world *w, struct plan *p, uint32_t number, const struct plan_shape *shape) {
    struct branch_request *branches;
    const uint32_t timeouts_ms[ROLE_COUNT] = { 1000, 1000, 1000 };

    p->gid = world_text(w, "%s", shape->gid);
    p->request.mode = shape->mode;
    p->request.drive = shape->drive;
    take_identity(w, p, number);
    p->request.deadline_ms = shape->deadline_ms;
    make_room(w, p, shape->branch_count);
    branches = world_take(w, p->branch_count + 1u, sizeof *branches);
    for (uint16_t i = 0; i < p->branch_count; i++) {
        struct branch_request *b = &branches[i];
        uint16_t before = (uint16_t)(i - 1);

        p->deeds[i].participant = (uint16_t)(i % w->participant_count);
        make_endpoints(w, b, shape->mode, p->deeds[i].participant, timeouts_ms);
        b->id = world_text(w, "b%u", i);
        follow(w, b, &before, i > 0 && shape->mode == MODE_SAGA && !shape->parallel ? 1 : 0);
        b->body = world_text(w, "{\"step\":%u}", i);
        if (shape->references && i > 0) {
            b->body = world_text(w, "{\"from\":\"${b%u#/ref}\"}", before);
            b->has_references = true;
            branches[before].referenced = true;
        }
        b->pivot = shape->pivot == i;
        b->cancel_always = shape->cancel_always;
        b->retry = (struct retry_policy){ .first_ms = 100, .factor_percent = 200, .max_ms = 60000 };
    }
    give_branches(w, p, branches);
    make_other(w, p);
}

struct plan *plan_find(struct world *w, struct slice gid) {
    for (uint32_t i = 0; i < w->plan_count; i++)
        if (slice_equal(w->plans[i].gid, gid))
            return &w->plans[i];
    return NULL;
}

/* An id may be used again once its row was purged: then it is the newer one's. */
struct plan *plan_of_id(struct world *w, uint64_t id) {
    struct plan *purged = NULL;

    for (uint32_t i = 0; i < w->plan_count; i++) {
        if (w->plans[i].witness.id != id)
            continue;
        if (w->plans[i].purged_id != id)
            return &w->plans[i];
        purged = &w->plans[i];
    }
    return purged;
}
