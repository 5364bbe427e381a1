/* The race for the one decision (reliability.md G1). Client, deadline and operator come through here;
 * participants' answers come through the pattern's own table. The first to be recorded wins; whoever comes
 * later is told what was decided. */
#include "engine/rule.h"

#include "model/transaction.h"

static const struct rule rules[] = {
    { STATUS_ACTIVE, ON_DEADLINE, pivot_in_doubt, wait_for_pivot, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_DEADLINE, always, roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_ROLLBACK, pivot_in_doubt, wait_for_pivot, STATUS_ACTIVE },
    { STATUS_ACTIVE, ON_ROLLBACK, always, roll_back, STATUS_ROLLING_BACK },
    { STATUS_ACTIVE, ON_COMMIT, client_drives, commit, STATUS_COMMITTING },
    { STATUS_ACTIVE, ON_COMMIT, always, not_yours, STATUS_ACTIVE },

    { STATUS_COMMITTING, ON_COMMIT, always, agree, STATUS_COMMITTING },
    { STATUS_COMMITTING, ON_ROLLBACK, always, too_late, STATUS_COMMITTING },
    { STATUS_COMMITTED, ON_COMMIT, always, agree, STATUS_COMMITTED },
    { STATUS_COMMITTED, ON_ROLLBACK, always, too_late, STATUS_COMMITTED },
    { STATUS_HEURISTIC_COMMIT, ON_COMMIT, always, agree, STATUS_HEURISTIC_COMMIT },
    { STATUS_HEURISTIC_COMMIT, ON_ROLLBACK, always, too_late, STATUS_HEURISTIC_COMMIT },

    { STATUS_ROLLING_BACK, ON_ROLLBACK, always, agree, STATUS_ROLLING_BACK },
    { STATUS_ROLLING_BACK, ON_COMMIT, always, too_late, STATUS_ROLLING_BACK },
    { STATUS_ROLLED_BACK, ON_ROLLBACK, always, agree, STATUS_ROLLED_BACK },
    { STATUS_ROLLED_BACK, ON_COMMIT, always, too_late, STATUS_ROLLED_BACK },
    { STATUS_HEURISTIC_ROLLBACK, ON_ROLLBACK, always, agree, STATUS_HEURISTIC_ROLLBACK },
    { STATUS_HEURISTIC_ROLLBACK, ON_COMMIT, always, too_late, STATUS_HEURISTIC_ROLLBACK },

    { STATUS_HEURISTIC_MIXED, ON_COMMIT, always, too_late, STATUS_HEURISTIC_MIXED },
    { STATUS_HEURISTIC_MIXED, ON_ROLLBACK, always, too_late, STATUS_HEURISTIC_MIXED },
};

const struct rule_table decision_table = { "decision", rules, sizeof rules / sizeof *rules };
