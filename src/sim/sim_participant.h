/* Participants: services with a barrier, a ledger of truth and a bad temper.
 *
 * Each does what a participant of settle must do (reliability.md G6): the effect and its barrier row commit
 * together; a repeated call returns the recorded result; an undo that comes before its action leaves a marker
 * and does nothing; an action that comes after its undo is refused; a refusal is final. Around that they
 * fail in every way the swarm or a scenario asks for.
 *
 * Some branches move money: an account's balance plus what is held on it, against which I-G7 is checked. */
#ifndef SIM_SIM_PARTICIPANT_H
#define SIM_SIM_PARTICIPANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "model/call.h"

struct world;
struct plan;

#define SIM_ACCOUNTS 2
#define SIM_OPENING_BALANCE 100

struct sim_account {
    int64_t balance;
    int64_t held; /* reserved by a try, not yet confirmed or released */
};

struct sim_participant {
    uint16_t number;
    uint64_t down_until_us;
    uint64_t clogged_until_us; /* the link to it stands still */
    struct sim_account accounts[SIM_ACCOUNTS];
};

/* What a participant says to one call. */
struct sim_answer {
    uint8_t verdict;
    uint16_t http;
    uint32_t retry_after_ms;
    uint64_t delay_us; /* how long it takes */
    bool cut;          /* the answer never gets back */
    struct slice body;
};

/* A call arrives. reaction: enum reaction, drawn by the caller's network or prescribed. */
struct sim_answer sim_participant_receive(struct world *w, struct plan *p, uint16_t branch, uint8_t role,
                                          struct slice body, uint32_t timeout_ms, uint8_t reaction);
/* The reaction to the next call of this operation: prescribed or drawn. */
uint8_t sim_participant_reaction(struct world *w, struct plan *p, uint16_t branch, uint8_t role);

#endif
