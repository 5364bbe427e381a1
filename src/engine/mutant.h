/* Mutants: deliberate mistakes, each compiled in alone, that prove the simulator can see. A normal build has
 * none of them: MUTANT(name) is the constant 0 and the compiler drops what hangs on it.
 *
 *     if (verdict == VERDICT_REFUSED || MUTANT(timeout_is_refusal)) ...
 *
 * tools/mutants builds settle-sim once per row with -DSETTLE_MUTANT=MUTANT_name and lets it run until an
 * invariant breaks (reliability.md section c: "The simulator is tested too"). A mutant that survives is a
 * hole in the invariants, not a curiosity. Keep each condition to one tiny expression, so that the product's
 * code stays readable.
 *
 * Rows marked sim live in the simulator's own driver or store, because the mistake they stand for would be
 * made there (server/driver.c, store/): the engine cannot answer before a sync. */
#ifndef ENGINE_MUTANT_H
#define ENGINE_MUTANT_H

/* name, what it gets wrong */
#define MUTANT_LIST(X)                                                                                 \
    X(canary, "sim: counts one effect twice, must always be caught")                                   \
    X(timeout_is_refusal, "takes an unknown outcome for the participant's no")                         \
    X(working_is_done, "takes 425 for success")                                                        \
    X(retry_limit_gives_up, "stops retrying after three attempts")                                     \
    X(hot_retry, "forgets the backoff")                                                                \
    X(retry_after_ignored, "does not wait as long as the participant asked")                           \
    X(attention_forgotten, "never asks anybody to look")                                               \
    X(racer_overwrites_decision, "lets a late decision replace the first")                             \
    X(deadline_after_decision, "lets the deadline fire although the decision has fallen")              \
    X(pivot_ignored, "does not commit at the pivot's success")                                         \
    X(pivot_doubt_ignored, "rolls back while a pivot that cannot be undone is in doubt")               \
    X(confirms_before_decision, "confirms without a commit decision")                                  \
    X(starts_too_early, "starts a step before what it comes after is done")                            \
    X(order_not_reversed, "undoes steps without waiting for those that depend on them")                \
    X(compensates_beside_open_call, "undoes a step while its call may still take effect")              \
    X(unknown_not_compensated, "takes a refusal after an unknown attempt for a clean one")             \
    X(cancel_always_ignored, "does not undo a clean refusal where that was asked for")                 \
    X(client_work_not_undone, "believes that a client did not run what it registered")                 \
    X(late_branch_accepted, "takes a branch after the decision")                                       \
    X(other_body_accepted, "answers a taken gid's other body as if it were a repeat")                  \
    X(suspended_still_calls, "goes on calling while suspended")                                        \
    X(fills_body_afresh, "fills references again on every attempt")                                    \
    X(answer_before_sync, "sim: lets replies go before their batch is durable")                        \
    X(send_before_log, "sim: sends calls before their batch is durable")                               \
    X(unknown_append_trusted, "sim: takes an append of unknown outcome for durable")                   \
    X(recovery_forgets_calls, "recovers a running call as if nothing had been sent")                   \
    X(interrupted_not_counted, "does not remember that a call was open when the daemon stopped")       \
    X(recovery_stops_at_rows, "recovers a row without the records that came after it")                 \
    X(fold_drops_unfinished, "tells the journal that unfolded records are no longer needed")           \
    X(fold_forgets_newer, "takes a row for complete although records came meanwhile")                  \
    X(half_is_sent, "delivers a message that is only half")                                            \
    X(lane_ignored, "sends what stands behind another of its key")                                     \
    X(dead_is_done, "takes a delivery that nobody took for delivered")                                 \
    X(notice_never_ends, "tries a notification more often than its schedule says")                     \
    X(taken_back_half, "takes back the first record of a transaction, not what followed")              \
    X(taken_back_called, "calls for a transaction that was taken back")                                \
    X(taken_back_remembered, "remembers the answer about a transaction that was taken back")           \
    X(taken_back_accepted, "sim: says accepted of a transaction that was taken back")                  \
    X(check_after_decision, "sends a check-back although the same turn brought the decision")          \
    X(check_unknown_rolls_back, "takes a check-back that brought nothing for a no")                    \
    X(notice_not_counted, "makes a notification's attempt again that was out when the daemon stopped") \
    X(notice_early, "does not wait before a notification's first attempt")                             \
    X(notice_body_ignored, "takes any 2xx for the success that the sender asked for")                  \
    X(lease_forgotten, "never takes back what a consumer holds")                                       \
    X(refusal_not_published, "does not tell the producer that its message was refused")                \
    X(sent_on_any_decision, "sends on rollback what was meant for the commit")                         \
    X(place_forgotten, "recovers queues in the order of their messages' ids")                          \
    X(place_restarts, "numbers the places in queues from the beginning after a restart")               \
    X(probe_forgotten, "never tries an endpoint in trouble again")                                     \
    X(gone_is_tried, "goes on trying an endpoint that said that it is gone")                           \
    X(lane_stops, "does not go on with a key when its first delivery is over")                         \
    X(park_ignored, "goes on with a key although its first delivery is dead")                          \
    X(dead_blocks_key, "keeps a key waiting behind a dead delivery where that was not asked for")      \
    X(concurrency_ignored, "sends more at a time than a subscription takes")                           \
    X(paused_is_sent, "sends to what is paused")                                                       \
    X(one_subscription_only, "owes a message to the first subscription and forgets the others")        \
    X(delay_ignored, "delivers a delayed message at once")                                             \
    X(patience_ignored, "tries a delivery for ever, whatever its subscription says")                   \
    X(later_definition_judges, "judges a push by a definition that came after it was sent")            \
    X(leased_twice, "hands out what another consumer holds")

enum mutant {
    MUTANT_none = 0,
#define X(name, sentence) MUTANT_##name,
    MUTANT_LIST(X)
#undef X
        MUTANT_COUNT,
};

#ifdef SETTLE_MUTANT
#define MUTANT(name) (SETTLE_MUTANT == MUTANT_##name)
#else
#define MUTANT(name) 0
#endif

#endif
