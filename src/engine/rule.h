/* Rules: in STATUS, ON what happened, IF a guard holds, DO an act, become NEXT. A pattern is a table of these
 * and nothing else; the first row that fits is obeyed. saga.c and tcc.c hold the two patterns, decision.c the
 * race for the one decision that both share.
 *
 * Acts make records; the record's own effect on the state must agree with NEXT (asserted). */
#ifndef ENGINE_RULE_H
#define ENGINE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct step;

enum on {
    ON_STEP_DONE,    /* a forward operation (action, try) succeeded */
    ON_STEP_REFUSED, /* it was refused */
    ON_STEP_UNKNOWN, /* anything else came of it */
    ON_STEP_SETTLED, /* an operator says it has happened */
    ON_END_DONE,     /* a confirm, cancel or compensate succeeded */
    ON_END_REFUSED,
    ON_END_UNKNOWN,
    ON_NOTHING_OWED, /* nothing is out, waiting, or can be started */
    ON_DEADLINE,
    ON_COMMIT,   /* the client says so */
    ON_ROLLBACK, /* the client or an operator says so */
    ON_END,
};

struct rule {
    uint8_t status; /* enum status */
    uint8_t on;     /* enum on */
    bool (*guard)(const struct step *s);
    void (*act)(struct step *s);
    uint8_t next;
};

enum {
    RULES_ROWS_MAX = 128, /* of all tables together */
};

/* How often each row was obeyed: for coverage. Rows count through saga, tcc, message, notification, decision
 * in this order. */
struct rule_hits {
    uint64_t row[RULES_ROWS_MAX];
};

struct rule_table {
    const char *name;
    const struct rule *rules;
    size_t count;
};

extern const struct rule_table saga_table;
extern const struct rule_table tcc_table;
extern const struct rule_table message_table;
extern const struct rule_table notice_table;
extern const struct rule_table decision_table;

/* Obey the first row that fits. False when none does. */
bool rule_obey(struct step *s, enum on on);
const char *on_word(uint8_t on);
/* The tables, for manuals and tests: index 0..4, NULL beyond. first is the number of the table's first row
 * among all. */
const struct rule_table *rule_tables(size_t index, size_t *first);
/* Words for a row's guard and act: the names under which the tables are read aloud. */
const char *rule_guard_word(const struct rule *rule);
const char *rule_act_word(const struct rule *rule);

/* Guards. */
bool always(const struct step *s);
bool is_pivot(const struct step *s);       /* the step is the saga's point of no return */
bool pivot_in_doubt(const struct step *s); /* the pivot may have happened and cannot be undone */
bool out_of_patience(
    const struct step *s); /* the step's own retry.for is at its end, and it says roll back */
bool server_drives(const struct step *s);
bool client_drives(const struct step *s);        /* or it is a message, which its producer decides */
bool refusal_is_wanted(const struct step *s);    /* the subscription names a topic for refusals */
bool out_of_attempts(const struct step *s);      /* a notification's schedule is at its end */
bool something_is_missing(const struct step *s); /* an operator settled something as not done */

/* Acts. */
void note(struct step *s);   /* record the outcome: this operation is over */
void retry(struct step *s);  /* record it, and when the next attempt is due */
void insist(struct step *s); /* refused, but it must be: next attempt at the cap, attention */
void commit(struct step *s); /* the one decision */
void roll_back(struct step *s);
void note_and_commit(struct step *s);
void note_and_roll_back(struct step *s);
void give_up_and_roll_back(struct step *s);
void note_and_commit_as_checked(struct step *s);
void note_and_roll_back_as_checked(struct step *s);
void note_and_report(struct step *s);         /* the consumer's no goes back to the producer */
void set_aside(struct step *s);               /* a dead delivery: nothing is sent until somebody looks */
void note_gone_and_roll_back(struct step *s); /* 410: the endpoint is disabled, too */
void finish(struct step *s);                  /* become NEXT for good */
void go_on(struct step *s);                   /* nothing more to do here */
void agree(struct step *s);                   /* it is so already */
void too_late(struct step *s);                /* the opposite was decided */
void not_yours(struct step *s);               /* settled drives this one: it decides by itself */
void wait_for_pivot(struct step *s);          /* only the pivot's answer can decide now */

#endif
