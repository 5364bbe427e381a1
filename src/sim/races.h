/* Every interleaving of a producer, its check-back and a crash, one by one: nothing is drawn.
 *
 * A half message with each form of check-back, a local transaction that commits or rolls back, a producer
 * that stops after any of its steps, up to three check-backs, each split into leaving, looking at the
 * database and coming back, or lost; and up to two crashes, before or after any batch became durable. What
 * must hold at the end is what must hold everywhere (post_invariants.h), and a late opposite decision is
 * refused (I-M4). */
#ifndef SIM_RACES_H
#define SIM_RACES_H

/* Returns the exit code of campaign.h. */
int races_run(unsigned jobs);

#endif
