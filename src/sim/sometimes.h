/* Named points that a simulation must reach now and then. A property that holds because its interesting case
 * never came up proves nothing; settle-sim --coverage lists how often each point was hit and is red when one
 * was not (reliability.md section c, "Coverage").
 *
 * The counters live where sometimes_hits points: normally a static array, in a campaign with several jobs a
 * mapping shared by all of them. */
#ifndef SIM_SOMETIMES_H
#define SIM_SOMETIMES_H

#include <stddef.h>
#include <stdint.h>

/* name, what happened */
#define SOMETIMES_LIST(X)                                                                   \
    X(submit_repeated, "a submit was repeated and answered with the state")                 \
    X(submit_before_answer, "a repeat arrived while the first was unanswered")              \
    X(other_body_refused, "a taken gid was refused to another body")                        \
    X(other_body_won, "the other body came first")                                          \
    X(history_asked, "an event needed the history to answer")                               \
    X(history_found, "a finished transaction was found in the history")                     \
    X(history_absent, "the history did not know a gid that the filter did")                 \
    X(commit_after_rollback, "a commit met a rollback decision")                            \
    X(rollback_after_commit, "a rollback met a commit decision")                            \
    X(decisions_in_one_turn, "commit and rollback of one gid in the same round")            \
    X(branch_refused_late, "a branch came after the decision and was refused")              \
    X(branch_registered, "a client registered a branch")                                    \
    X(branch_repeated, "a client registered the same branch again")                         \
    X(client_died, "a client died before the end")                                          \
    X(client_called, "a client called a participant itself")                                \
    X(deadline_decided, "a deadline decided")                                               \
    X(patience_decided, "a step's patience ran out and decided")                            \
    X(refusal_decided, "a refusal decided")                                                 \
    X(pivot_decided, "a pivot decided")                                                     \
    X(client_decided, "a client decided")                                                   \
    X(operator_forced, "an operator ended a transaction by hand")                           \
    X(operator_resolved, "an operator settled an operation by hand")                        \
    X(operator_nudged, "an operator asked for the next attempt now")                        \
    X(suspended, "a transaction was suspended")                                             \
    X(suspended_over_deadline, "a deadline passed while suspended")                         \
    X(resumed, "a suspended transaction was resumed")                                       \
    X(operator_refused, "an operator's command did not fit")                                \
    X(call_refused, "a participant refused an action")                                      \
    X(call_refused_after_unknown, "a refusal followed an unknown attempt")                  \
    X(call_working, "a participant asked for time (425)")                                   \
    X(call_slow_down, "a participant asked for a pause")                                    \
    X(call_error_before, "a participant failed before its local commit")                    \
    X(call_error_after, "a participant failed after its local commit")                      \
    X(call_late, "an answer came after the timeout")                                        \
    X(call_effect_late, "an action took effect after its timeout was recorded")             \
    X(call_lost, "a call was lost")                                                         \
    X(answer_lost, "an answer was lost")                                                    \
    X(call_twice, "a call arrived twice")                                                   \
    X(call_not_sent, "a call did not leave the host")                                       \
    X(call_stale, "a reused connection died before an answer")                              \
    X(call_forbidden, "an address was not allowed")                                         \
    X(participant_down, "a call found its participant down")                                \
    X(undo_refused, "a participant refused to undo or confirm")                             \
    X(undo_of_nothing, "a compensation came without its action: a marker")                  \
    X(action_after_undo, "an action came after its compensation and was refused")           \
    X(duplicate_absorbed, "a repeated call was answered from the record")                   \
    X(overdraft_refused, "an account had too little")                                       \
    X(reference_filled, "a body with references was filled")                                \
    X(reference_missing, "a reference pointed to nothing")                                  \
    X(attention, "an operation needed attention")                                           \
    X(full_refused, "a submit met the limit of unfinished transactions")                    \
    X(memory_refused, "a submit met the memory limit")                                      \
    X(crash_idle, "the coordinator died between turns")                                     \
    X(crash_in_turn, "the coordinator died in the middle of a turn")                        \
    X(crash_batch_kept, "a crash kept an unsynced batch")                                   \
    X(crash_batch_lost, "a crash lost an unsynced batch")                                   \
    X(crash_fold_kept, "a crash kept rows being folded")                                    \
    X(crash_fold_lost, "a crash lost rows being folded")                                    \
    X(crash_before_open, "the coordinator died after the sync, before the envelope")        \
    X(crash_in_envelope, "the coordinator died with the envelope half open")                \
    X(crash_in_recovery, "the coordinator died again while recovering")                     \
    X(crash_with_open_calls, "calls were out when the coordinator died")                    \
    X(answer_after_crash, "an answer came for a coordinator that had died")                 \
    X(append_unknown, "an append was neither yes nor no")                                   \
    X(append_unknown_kept, "an unknown append turned out durable")                          \
    X(append_unknown_lost, "an unknown append had to be offered again")                     \
    X(append_no_space, "an append met a full disk")                                         \
    X(taken_back, "a transaction was taken back because the disk had no room")              \
    X(taken_back_in_part, "the rest of a batch was offered again without it")               \
    X(taken_back_shown, "somebody else was to be shown what was taken back")                \
    X(taken_back_alone, "only the turn behind an unknown batch was taken back")             \
    X(append_failed, "a sync failed and the coordinator stopped")                           \
    X(fold_failed, "folding failed and was tried again")                                    \
    X(fold_unfinished, "an unfinished transaction was folded")                              \
    X(fold_replaced, "a row was replaced by a newer one")                                   \
    X(trimmed, "batches left the journal")                                                  \
    X(purged, "a finished row was purged")                                                  \
    X(submit_after_purge, "a purged gid was used again")                                    \
    X(recover_from_rows, "an unfinished transaction was recovered from a row")              \
    X(recover_row_and_entries, "a row and newer entries made one transaction")              \
    X(clock_jumped, "the clock stood elsewhere after a restart")                            \
    X(calls_waited, "due calls waited for the limit of open calls")                         \
    X(turn_full, "a batch took no more and the event came again")                           \
    X(turn_of_many, "one batch carried many events")                                        \
    X(heuristic, "a transaction ended by hand")                                             \
    X(key_replayed, "a remembered answer was given again")                                  \
    X(message_repeated, "a message was published again and answered with its state")        \
    X(other_message_won, "another message of the same id came first")                       \
    X(message_delayed, "a delivery waited for its delay")                                   \
    X(message_to_nobody, "a message was committed that nobody subscribes to")               \
    X(message_to_many, "a message was owed to several subscriptions")                       \
    X(message_decided_otherwise, "a late decision met the opposite one")                    \
    X(check_unknown, "a check-back brought no answer, or that it is not known yet")         \
    X(check_met_open, "a check-back met an open local transaction")                         \
    X(check_before_begin, "a check-back came before the local transaction began")           \
    X(check_fail_over, "a check-back met a database that had failed over")                  \
    X(check_committed, "a check-back committed")                                            \
    X(check_rolled_back, "a check-back rolled back")                                        \
    X(check_after_decision, "the answer of a check-back came after the decision")           \
    X(check_attention, "check-backs without an answer needed attention")                    \
    X(check_nudged, "an operator asked for a check-back now")                               \
    X(producer_died, "a producer died between two steps")                                   \
    X(producer_died_committed, "a producer died after its local commit, before it said so") \
    X(producer_died_open, "a producer died with its local transaction open")                \
    X(producer_gave_up, "a producer did without, because nobody answered")                  \
    X(pulled, "a consumer pulled a delivery")                                               \
    X(push_refused, "a consumer refused a push")                                            \
    X(nacked, "a consumer gave a delivery back")                                            \
    X(nack_refused, "a consumer refused a delivery by a call")                              \
    X(ack_late, "an ack came after its time")                                               \
    X(ack_of_dead, "a dead delivery was acked after all")                                   \
    X(ack_refused, "an ack of a refused or discarded delivery was turned down")             \
    X(consumer_vanished, "a consumer died holding a delivery")                              \
    X(delivered_again, "a consumer got a delivery again")                                   \
    X(inbox_absorbed, "an inbox absorbed a repeat")                                         \
    X(worked_twice, "a consumer without an inbox did its work twice")                       \
    X(delivery_dead, "a delivery's patience was over")                                      \
    X(delivery_refused_dead, "a refused delivery was set aside")                            \
    X(delivery_replayed, "a dead delivery was replayed")                                    \
    X(delivery_discarded, "a delivery was given up by hand")                                \
    X(delivery_edited, "a delivery was replaced by an edited message")                      \
    X(delivery_command_refused, "an operator's command about a delivery did not fit")       \
    X(refusal_published, "a refusal was published")                                         \
    X(sent_on_commit, "a commit sent what hung on it")                                      \
    X(sent_on_rollback, "a rollback sent what hung on it")                                  \
    X(redefined, "a subscription or endpoint was redefined")                                \
    X(undefined, "a subscription or endpoint was deleted")                                  \
    X(channel_paused, "a subscription or endpoint was paused")                              \
    X(order_kept, "a delivery waited for an earlier one of its key")                        \
    X(key_parked, "a key was parked behind a dead delivery")                                \
    X(notice_exhausted, "a notification's schedule came to its end")                        \
    X(notice_interrupted, "a notification's attempt was open when the coordinator died")    \
    X(notice_gone, "an endpoint was gone")                                                  \
    X(notice_cancelled, "a notification was cancelled")                                     \
    X(notice_too_late, "a notification's deadline passed")                                  \
    X(notice_wrong_body, "an endpoint's answer had the wrong body")                         \
    X(notice_wrong_status, "an endpoint's answer had the wrong status")

enum sometimes_point {
#define X(name, sentence) SOMETIMES_##name,
    SOMETIMES_LIST(X)
#undef X
        SOMETIMES_COUNT,
};

extern uint64_t *sometimes_hits; /* SOMETIMES_COUNT of them */

#define SOMETIMES(name) ((void)sometimes_hits[SOMETIMES_##name]++)

const char *sometimes_name(size_t point);
const char *sometimes_sentence(size_t point);

#endif
