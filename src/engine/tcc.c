/* TCC: tries together (or as `after` says), then all confirmed or all cancelled.
 *
 *             refused, deadline, rollback
 *   ACTIVE ------------------------------> ROLLING_BACK --> ROLLED_BACK
 *      | all tried
 *      v
 *   COMMITTING --> COMMITTED
 */
#include "engine/rule.h"

#include "model/transaction.h"

static const struct rule rules[] = {
    { STATUS_ACTIVE, ON_STEP_DONE, always, note, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_STEP_REFUSED, always, note_and_roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, out_of_patience, give_up_and_roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, always, retry, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_STEP_SETTLED, always, go_on, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_NOTHING_OWED, server_drives, commit, STATUS_COMMITTING },

    { STATUS_COMMITTING, ON_END_DONE, always, note, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_REFUSED, always, insist, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_UNKNOWN, always, retry, STATUS_COMMITTING },
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

const struct rule_table tcc_table = { "tcc", rules, sizeof rules / sizeof *rules };
