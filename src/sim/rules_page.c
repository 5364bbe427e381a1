#include "sim/rules_page.h"

#include <assert.h>

#include "engine/rule.h"
#include "model/transaction.h"

static const char head[] =
    "# Rules\n\n"
    "Printed by `settle-sim --rules` from the rows that the engine obeys (`src/engine/saga.c`, `tcc.c`,\n"
    "`message.c`, `notice.c`, `decision.c`). *In* a status, *on* what happened, *if* a guard holds: *do* an "
    "act, *become* a status. "
    "The\n"
    "first row that fits is obeyed.\n\n"
    "- A *step* is a forward operation: action, try, check-back, attempt of a notification. An *end* is a\n"
    "  confirm, cancel, compensate or delivery.\n"
    "- *unknown* is everything but done and refused: timeouts, broken connections, 425, 429, 5xx.\n"
    "- *nothing owed*: no operation is out, waits for its next attempt, or may be started.\n"
    "- *note it*: the operation is over. *retry later*: with backoff; it may raise attention. *insist*: "
    "tried\n"
    "  again at the longest wait, with attention.\n"
    "- *settled as not done*: an operator resolved, as not done, something that the outcome needs.\n\n"
    "Which operations may start, and in which order, is the same for all patterns and stands in\n"
    "`src/engine/owed.c`; when to try again, in `src/engine/retry.c`.\n";

struct section {
    const char *title;
    const char *sentence;
};

/* In the order of rule_tables. */
static const struct section sections[] = {
    { "Saga", "Actions in order, compensated in reverse; after the pivot only forward." },
    { "TCC", "Tries, then all confirmed or all cancelled." },
    { "Message",
      "Half until it is decided, then delivered to every subscription. The step is the check-back, the "
      "ends are the deliveries." },
    { "Notification", "Tried as its schedule says, never once more. The step is the attempt." },
    { "The decision", "The race of deadline, client and operator for the one decision, in all patterns. "
                      "Participants' answers race through the tables above." },
};

static void add_status(struct buffer *to, uint8_t status) {
    buffer_add_byte(to, '`');
    buffer_add_text(to, status_word(status));
    buffer_add_byte(to, '`');
}

static void add_row(struct buffer *to, const struct rule *rule) {
    buffer_add_text(to, "| ");
    add_status(to, rule->status);
    buffer_add_format(to, " | %s | %s | %s | ", on_word(rule->on),
                      rule->guard == always ? "" : rule_guard_word(rule), rule_act_word(rule));
    if (rule->next == rule->status)
        buffer_add_text(to, "stays");
    else
        add_status(to, rule->next);
    buffer_add_text(to, " |\n");
}

void rules_page_print(struct buffer *to) {
    size_t first, index = 0;
    const struct rule_table *table;

    buffer_add_text(to, head);
    for (; (table = rule_tables(index, &first)) != NULL; index++) {
        assert(index < sizeof sections / sizeof *sections);
        buffer_add_format(to, "\n## %s\n\n%s\n\n", sections[index].title, sections[index].sentence);
        buffer_add_text(to, "| in | on | if | do | become |\n| --- | --- | --- | --- | --- |\n");
        for (size_t i = 0; i < table->count; i++)
            add_row(to, &table->rules[i]);
    }
}
