/* Notification: tried as its schedule says, never once more, and then honestly given up.
 *
 *             last attempt failed, 410, cancelled, too late
 *   ACTIVE ------------------------------------------------> ROLLING_BACK --> ROLLED_BACK (gave up,
 * cancelled) | an attempt succeeded
 *      v
 *   COMMITTING --> COMMITTED (delivered)
 */
#include "engine/rule.h"

#include "model/transaction.h"

static const struct rule rules[] = {
    { STATUS_ACTIVE, ON_STEP_DONE, always, note, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_STEP_REFUSED, always, note_gone_and_roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, out_of_attempts, give_up_and_roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, always, retry, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_NOTHING_OWED, always, commit, STATUS_COMMITTING },

    { STATUS_COMMITTING, ON_NOTHING_OWED, always, finish, STATUS_COMMITTED },

    { STATUS_ROLLING_BACK, ON_STEP_DONE, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_REFUSED, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_UNKNOWN, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_NOTHING_OWED, always, finish, STATUS_ROLLED_BACK },
};

const struct rule_table notice_table = { "notification", rules, sizeof rules / sizeof *rules };
