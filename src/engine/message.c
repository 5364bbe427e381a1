/* Message: half until its producer or its check-back decides; once committed, delivered to every subscription
 * until each has acked, refused or been settled by hand.
 *
 *             rollback, or the check-back says so
 *   ACTIVE (half) ------------------------------> ROLLING_BACK --> ROLLED_BACK
 *      | commit, or the check-back says so
 *      v
 *   COMMITTING (deliveries) --> COMMITTED
 */
#include "engine/rule.h"

#include "model/transaction.h"

static const struct rule rules[] = {
    { STATUS_ACTIVE, ON_STEP_DONE, always, note_and_commit_as_checked, STATUS_COMMITTING },
    { STATUS_ACTIVE, ON_STEP_REFUSED, always, note_and_roll_back_as_checked, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_STEP_UNKNOWN, always, retry, STATUS_ACTIVE },

    { STATUS_COMMITTING, ON_STEP_DONE, always, note, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_STEP_REFUSED, always, note, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_STEP_UNKNOWN, always, note, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_DONE, always, note, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_REFUSED, refusal_is_wanted, note_and_report, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_REFUSED, always, set_aside, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_UNKNOWN, out_of_patience, set_aside, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_END_UNKNOWN, always, retry, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_NOTHING_OWED, always, finish, STATUS_COMMITTED },

    { STATUS_ROLLING_BACK, ON_STEP_DONE, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_REFUSED, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_STEP_UNKNOWN, always, note, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_NOTHING_OWED, always, finish, STATUS_ROLLED_BACK },
};

const struct rule_table message_table = { "message", rules, sizeof rules / sizeof *rules };
