/* Saga: actions one after another (or as `after` says), compensated in reverse when one is refused. After the
 * pivot only forward.
 *
 *             refused, deadline, rollback
 *   ACTIVE ------------------------------> ROLLING_BACK --> ROLLED_BACK
 *      | pivot done, or all done
 *      v
 *   COMMITTING --> COMMITTED
 */
#include "engine/rule.h"

#include "model/transaction.h"

static const struct rule rules[] = {
    { STATUS_ACTIVE, ON_STEP_DONE, is_pivot, note_and_commit, STATUS_COMMITTING },
    { STATUS_ACTIVE, ON_STEP_DONE, always, note, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_STEP_REFUSED, always, note_and_roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, out_of_patience, give_up_and_roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, always, retry, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_STEP_SETTLED, is_pivot, commit, STATUS_COMMITTING },
    { STATUS_ACTIVE, ON_STEP_SETTLED, always, go_on, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_NOTHING_OWED, server_drives, commit, STATUS_COMMITTING },

    { STATUS_COMMITTING, ON_STEP_DONE, always, note, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_STEP_REFUSED, always, insist, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_STEP_UNKNOWN, always, retry, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_STEP_SETTLED, always, go_on, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_NOTHING_OWED, something_is_missing, finish, STATUS_HEURISTIC_MIXED },
    { STATUS_COMMITTING, ON_NOTHING_OWED, always, finish, STATUS_COMMITTED },

    { STATUS_ROLLING_BACK, ON_STEP_DONE, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_REFUSED, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_UNKNOWN, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_SETTLED, always, go_on, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_END_DONE, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_END_REFUSED, always, insist, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_END_UNKNOWN, always, retry, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_NOTHING_OWED, something_is_missing, finish, STATUS_HEURISTIC_MIXED },
    { STATUS_ROLLING_BACK, ON_NOTHING_OWED, always, finish, STATUS_ROLLED_BACK },
};

const struct rule_table saga_table = { "saga", rules, sizeof rules / sizeof *rules };
