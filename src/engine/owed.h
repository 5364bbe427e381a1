/* What is owed: questions about a transaction that every pattern asks, and that only its state can answer.
 * The order of things (reliability.md G7) is decided here and nowhere else. Pure; nothing is changed. */
#ifndef ENGINE_OWED_H
#define ENGINE_OWED_H

#include <stdbool.h>

#include "base/limits.h"
#include "model/transaction.h"

/* Allowed and not over: running, waiting or retrying. */
bool owed_in_progress(const struct operation *o);
/* Whether any operation is in progress, dead, or its call still out. */
bool owed_anything(const struct transaction *t);

/* Whether the branch's forward operation may have left something behind that its backward operation must
 * undo: done, or refused or given up after an attempt of which nobody knows (design.md 4 (10)). */
bool owed_undo(const struct transaction *t, const struct branch *b);
/* A pivot without a compensation that was called and has not answered: neither rolling back nor committing
 * would be true. */
bool owed_pivot_in_doubt(const struct transaction *t);

/* Reverse order (I-S4): set held[i] for every branch that must wait because something after it, directly or
 * through others, is not undone yet. held is all false before. */
void owed_hold(const struct transaction *t, bool held[LIMIT_BRANCHES]);
/* Whether the first attempt of this operation may be allowed now; held is the branch's mark of owed_hold. */
bool owed_may_start(const struct transaction *t, const struct branch *b, uint8_t role, bool held);

#endif
