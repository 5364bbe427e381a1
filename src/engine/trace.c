/* One line a step: what happened to whom, which records it made, what is to be sent and said. The same line
 * serves transcripts and the simulator's timeline. */
#include "engine/seat.h"

static struct buffer *page(const struct step *s) {
    return s->effects->trace;
}

static const char *event_word(uint8_t kind) {
    static const char *const words[EVENT_KIND_END] = {
        [EVENT_SUBMIT] = "submit",     [EVENT_SHOW] = "show",         [EVENT_REGISTER] = "register",
        [EVENT_COMMIT] = "commit",     [EVENT_ROLLBACK] = "rollback", [EVENT_RETRY] = "retry",
        [EVENT_SUSPEND] = "suspend",   [EVENT_RESUME] = "resume",     [EVENT_FORCE] = "force",
        [EVENT_RESOLVE] = "resolve",   [EVENT_OUTCOME] = "outcome",   [EVENT_TICK] = "tick",
        [EVENT_NOTE] = "note",         [EVENT_ACK] = "ack",           [EVENT_NACK] = "nack",
        [EVENT_REPLAY] = "replay",     [EVENT_DISCARD] = "discard",   [EVENT_EDIT] = "edit",
        [EVENT_AGAIN] = "again",       [EVENT_PULL] = "pull",         [EVENT_DEFINE] = "define",
        [EVENT_UNDEFINE] = "undefine", [EVENT_PAUSE] = "pause",
    };
    return kind < EVENT_KIND_END && words[kind] != NULL ? words[kind] : "?";
}

static const char *reply_word(uint8_t kind) {
    static const char *const words[] = {
        [REPLY_ACCEPTED] = "accepted",
        [REPLY_REPEATED] = "repeated",
        [REPLY_STATE] = "state",
        [REPLY_NOT_FOUND] = "not-found",
        [REPLY_NO_BRANCH] = "no-branch",
        [REPLY_OTHER_BODY] = "other-body",
        [REPLY_ALREADY_DECIDED] = "already-decided",
        [REPLY_NOT_ALLOWED] = "not-allowed",
        [REPLY_FULL] = "full",
        [REPLY_NO_MEMORY] = "no-memory",
        [REPLY_PULLED] = "pulled",
        [REPLY_DEFINED] = "defined",
    };
    return kind < sizeof words / sizeof *words && words[kind] != NULL ? words[kind] : "?";
}

static void add_operation(const struct step *s, uint16_t branch, uint8_t role) {
    const struct transaction *t = s->transaction;
    buffer_add_slice(page(s), t->branches[branch].id);
    buffer_add_byte(page(s), '.');
    buffer_add_text(page(s), operation_word(t->mode, role));
}

void trace_begin(struct step *s) {
    struct buffer *to = page(s);
    const struct transaction *t = s->transaction;
    if (to == NULL)
        return;
    if (to->length > 0 && to->at[to->length - 1] != '\n')
        buffer_add_byte(to, '\n'); /* inside another step, which trace_go_on takes up again */
    buffer_add_u64(to, s->event->now_ms);
    buffer_add_byte(to, ' ');
    buffer_add_slice(to, t->gid);
    buffer_add_text(to, ": ");
    buffer_add_text(to, event_word(s->event->kind));
    if (s->event->kind == EVENT_OUTCOME) {
        const struct outcome *o = s->event->outcome;
        buffer_add_byte(to, ' ');
        add_operation(s, o->branch, o->role);
        buffer_add_byte(to, '#');
        buffer_add_u64(to, o->attempt);
        buffer_add_byte(to, ' ');
        buffer_add_text(to, verdict_word(o->verdict));
    }
    buffer_add_text(to, " |");
}

void trace_go_on(struct step *s) {
    if (page(s) == NULL)
        return;
    buffer_add_text(page(s), "    ");
    buffer_add_slice(page(s), s->transaction->gid);
    buffer_add_text(page(s), " goes on |");
}

void trace_record(struct step *s, const struct record *r) {
    struct buffer *to = page(s);
    if (to == NULL)
        return;
    buffer_add_byte(to, ' ');
    buffer_add_text(to, record_word(r->kind));
    switch (r->kind) {
    case RECORD_OUTCOME:
    case RECORD_ALLOWED:
    case RECORD_RESOLVED:
    case RECORD_NUDGED:
        buffer_add_byte(to, '(');
        add_operation(s, r->branch, r->role);
        if (r->kind == RECORD_OUTCOME || r->kind == RECORD_ALLOWED) {
            buffer_add_byte(to, '#');
            buffer_add_u64(to, r->attempt);
        }
        if (r->kind == RECORD_OUTCOME) {
            buffer_add_byte(to, ' ');
            buffer_add_text(to, verdict_word(r->verdict));
        }
        if (r->next_ms != 0) {
            buffer_add_text(to, " next +");
            buffer_add_u64(to, r->next_ms - s->event->now_ms);
        }
        if ((r->flags & RECORD_FLAG_ATTENTION) != 0)
            buffer_add_text(to, " attention");
        if ((r->flags & RECORD_FLAG_DEAD) != 0)
            buffer_add_text(to, " dead");
        buffer_add_byte(to, ')');
        break;
    case RECORD_DELIVERY:
        buffer_add_format(to, "(%.*s", SLICE_PRINT(r->text));
        if (r->next_ms != 0)
            buffer_add_format(to, " next +%llu", (unsigned long long)(r->next_ms - s->event->now_ms));
        buffer_add_byte(to, ')');
        break;
    case RECORD_SENT:
        buffer_add_format(to, "(%.*s)", SLICE_PRINT(r->who));
        break;
    case RECORD_DECIDED:
        buffer_add_format(to, "(%s, %s)", decision_word(r->decision), cause_word(r->cause));
        break;
    default:
        break;
    }
}

void trace_call(struct step *s, const struct call *call) {
    struct buffer *to = page(s);
    if (to == NULL)
        return;
    buffer_add_text(to, " call(");
    add_operation(s, call->branch, call->role);
    buffer_add_byte(to, '#');
    buffer_add_u64(to, call->attempt);
    buffer_add_byte(to, ')');
}

void trace_end(struct step *s) {
    struct buffer *to = page(s);
    if (to == NULL)
        return;
    buffer_add_text(to, " -> ");
    buffer_add_text(to, status_word(s->transaction->status));
    if (s->transaction->suspended)
        buffer_add_text(to, " suspended");
    buffer_add_byte(to, '\n');
}

void trace_taken_back(struct buffer *to, const struct transaction *t) {
    if (to == NULL)
        return;
    buffer_add_slice(to, t->gid);
    buffer_add_text(to, ": taken back\n");
}

void trace_reply(struct effects *effects, const struct reply *reply) {
    if (effects->trace == NULL)
        return;
    buffer_add_format(effects->trace, "    reply %s\n", reply_word(reply->kind));
}
