#include "engine/rule.h"

#include <assert.h>

#include "engine/seat.h"

static const struct rule_table *const tables[] = { &saga_table, &tcc_table, &message_table, &notice_table,
                                                   &decision_table };

const struct rule_table *rule_tables(size_t index, size_t *first) {
    size_t before = 0;
    if (index >= sizeof tables / sizeof *tables)
        return NULL;
    for (size_t i = 0; i < index; i++)
        before += tables[i]->count;
    *first = before;
    return tables[index];
}

static size_t table_for(const struct step *s, enum on on) {
    if (on == ON_DEADLINE || on == ON_COMMIT || on == ON_ROLLBACK)
        return sizeof tables / sizeof *tables - 1;
    return s->transaction->mode - MODE_SAGA; /* the tables stand in the order of the modes */
}

bool rule_obey(struct step *s, enum on on) {
    size_t first = 0;
    const struct rule_table *table = rule_tables(table_for(s, on), &first);
    for (size_t i = 0; i < table->count; i++) {
        const struct rule *rule = &table->rules[i];
        if (rule->status != s->transaction->status || rule->on != on || !rule->guard(s))
            continue;
        assert(first + i < RULES_ROWS_MAX);
        s->engine->rule_hits.row[first + i]++;
        s->rule = rule;
        rule->act(s);
        s->rule = NULL;
        assert(s->transaction->status == rule->next); /* I-G5: only declared transitions */
        return true;
    }
    return false;
}

const char *on_word(uint8_t on) {
    static const char *const words[ON_END] = {
        [ON_STEP_DONE] = "step done",       [ON_STEP_REFUSED] = "step refused",
        [ON_STEP_UNKNOWN] = "step unknown", [ON_STEP_SETTLED] = "step settled by hand",
        [ON_END_DONE] = "end done",         [ON_END_REFUSED] = "end refused",
        [ON_END_UNKNOWN] = "end unknown",   [ON_NOTHING_OWED] = "nothing owed",
        [ON_DEADLINE] = "deadline",         [ON_COMMIT] = "commit",
        [ON_ROLLBACK] = "rollback",
    };
    return on < ON_END ? words[on] : "?";
}

struct guard_name {
    bool (*guard)(const struct step *s);
    const char *word;
};

struct act_name {
    void (*act)(struct step *s);
    const char *word;
};

const char *rule_guard_word(const struct rule *rule) {
    static const struct guard_name names[] = {
        { always, "always" },
        { is_pivot, "it is the pivot" },
        { pivot_in_doubt, "the pivot is in doubt" },
        { out_of_patience, "its patience is over" },
        { server_drives, "settled drives" },
        { client_drives, "the client drives" },
        { refusal_is_wanted, "a topic wants refusals" },
        { out_of_attempts, "it was the last attempt" },
        { something_is_missing, "something was settled as not done" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].guard == rule->guard)
            return names[i].word;
    return "?";
}

const char *rule_act_word(const struct rule *rule) {
    static const struct act_name names[] = {
        { note, "note it" },
        { retry, "retry later" },
        { insist, "insist, raise attention" },
        { commit, "decide commit" },
        { roll_back, "decide rollback" },
        { note_and_commit, "note it, decide commit" },
        { note_and_roll_back, "note it, decide rollback" },
        { give_up_and_roll_back, "give up, decide rollback" },
        { note_and_commit_as_checked, "note it, decide commit" },
        { note_and_roll_back_as_checked, "note it, decide rollback" },
        { note_and_report, "note it, tell the producer" },
        { set_aside, "set it aside, raise attention" },
        { note_gone_and_roll_back, "note it, disable the endpoint, decide rollback" },
        { finish, "finish" },
        { go_on, "go on" },
        { agree, "agree" },
        { too_late, "refuse: decided otherwise" },
        { not_yours, "refuse: settled decides" },
        { wait_for_pivot, "wait for the pivot" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].act == rule->act)
            return names[i].word;
    return "?";
}
