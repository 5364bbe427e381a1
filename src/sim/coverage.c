#include "sim/coverage.h"

#include <inttypes.h>

#include "model/transaction.h"

static struct coverage own;
static struct coverage *current = &own;

void coverage_count_into(struct coverage *c) {
    current = c;
    sometimes_hits = c->points;
}

const struct coverage *coverage_current(void) {
    return current;
}

void coverage_take(const struct engine *e) {
    const struct rule_hits *hits;

    if (e == NULL)
        return;
    hits = engine_rule_hits(e);
    for (size_t i = 0; i < RULES_ROWS_MAX; i++)
        current->rules[i] += hits->row[i];
}

void coverage_add(struct coverage *to, const struct coverage *from) {
    for (size_t i = 0; i < RULES_ROWS_MAX; i++)
        to->rules[i] += from->rules[i];
    for (size_t i = 0; i < SOMETIMES_COUNT; i++)
        to->points[i] += from->points[i];
}

static unsigned print_rules(const struct coverage *c, FILE *to) {
    const struct rule_table *table;
    unsigned missing = 0;
    size_t first;

    for (size_t t = 0; (table = rule_tables(t, &first)) != NULL; t++)
        for (size_t i = 0; i < table->count; i++) {
            const struct rule *rule = &table->rules[i];
            uint64_t hits = c->rules[first + i];

            fprintf(to, "%12" PRIu64 "  %-8s %s, on %s, if %s: %s -> %s%s\n", hits, table->name,
                    status_word(rule->status), on_word(rule->on), rule_guard_word(rule), rule_act_word(rule),
                    status_word(rule->next), hits == 0 ? "   NEVER" : "");
            missing += hits == 0;
        }
    return missing;
}

unsigned coverage_print(const struct coverage *c, FILE *to) {
    unsigned missing = print_rules(c, to);

    for (size_t i = 0; i < SOMETIMES_COUNT; i++) {
        fprintf(to, "%12" PRIu64 "  %-26s %s%s\n", c->points[i], sometimes_name(i), sometimes_sentence(i),
                c->points[i] == 0 ? "   NEVER" : "");
        missing += c->points[i] == 0;
    }
    return missing;
}
