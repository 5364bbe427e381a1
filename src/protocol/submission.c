#include "protocol/submission.h"

#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/limits.h"
#include "model/stored.h"
#include "protocol/branch_form.h"
#include "protocol/branch_order.h"
#include "protocol/canon.h"
#include "protocol/form.h"
#include "protocol/label_form.h"
#include "protocol/outgoing_form.h"

enum {
    ROOT_GID,
    ROOT_MODE,
    ROOT_NAME,
    ROOT_LABELS,
    ROOT_DEADLINE,
    ROOT_DRIVE,
    ROOT_BRANCHES,
    ROOT_ON_COMMIT,
    ROOT_ON_ROLLBACK,
    ROOT_DATASOURCES,
    ROOT_FIELDS,
};

static const struct form_field root_fields[ROOT_FIELDS] = {
    [ROOT_GID] = { "gid", FORM_STRING },
    [ROOT_MODE] = { "mode", FORM_STRING },
    [ROOT_NAME] = { "name", FORM_STRING },
    [ROOT_LABELS] = { "labels", FORM_OBJECT },
    [ROOT_DEADLINE] = { "deadline", FORM_STRING },
    [ROOT_DRIVE] = { "drive", FORM_STRING },
    [ROOT_BRANCHES] = { "branches", FORM_ARRAY },
    [ROOT_ON_COMMIT] = { "on_commit", FORM_ARRAY },
    [ROOT_ON_ROLLBACK] = { "on_rollback", FORM_ARRAY },
    [ROOT_DATASOURCES] = { "datasources", FORM_ANY },
};

/* One request being read. */
struct submission {
    struct form form;
    struct digest digest;
    struct branch_form branch_form;
    struct transaction_request request;
    struct branch_order order;
};

bool submission_is_gid(struct slice text) {
    return form_is_name(text, LIMIT_GID_BYTES) && !slice_is(text, ".") && !slice_is(text, "..");
}

static int name_of(const char *prefix, const uint8_t bytes[16], struct arena *arena, struct slice *name) {
    static const char digits[] = "0123456789abcdef";
    size_t length = strlen(prefix);
    char *text = arena_take(arena, length + 32);
    if (text == NULL)
        return ERR_MEMORY;
    memcpy(text, prefix, length);
    for (size_t i = 0; i < 16; i++) {
        text[length + 2 * i] = digits[bytes[i] >> 4];
        text[length + 1 + 2 * i] = digits[bytes[i] & 15];
    }
    *name = slice_of(text, length + 32);
    return 0;
}

static const char *prefix_of(uint8_t kind) {
    return kind == STORED_MESSAGE ? "msg_" : kind == STORED_NOTICE ? "ntf_" : "tx_";
}

int submission_fresh_name(uint8_t kind, const uint8_t random[16], struct arena *arena, struct slice *name) {
    return name_of(prefix_of(kind), random, arena, name);
}

int submission_key_name(uint8_t kind, struct slice namespace_name, struct slice key, struct arena *arena,
                        struct slice *name) {
    struct digest d;
    uint8_t bytes[DIGEST_BYTES];
    digest_init(&d);
    canon_text(&d, 'n', namespace_name);
    canon_text(&d, 'k', key);
    digest_end(&d, bytes);
    return name_of(prefix_of(kind), bytes, arena, name);
}

static int read_gid(struct submission *s, struct json_value value) {
    struct form_path path = form_below(NULL, "gid");
    struct slice gid;
    if (!form_given(value)) {
        canon_none(&s->digest, 'g');
        return 0;
    }
    if (json_string(value, s->form.arena, &gid) != 0)
        return form_no_memory(&s->form);
    if (!submission_is_gid(gid))
        return form_refuse(
            &s->form, &path, value, PROBLEM_INVALID_GID,
            "a gid has 1 to %d characters, each a letter, a digit or one of . _ : - (and is not "
            "\".\" or \"..\")",
            LIMIT_GID_BYTES);
    s->request.gid = gid;
    canon_text(&s->digest, 'g', gid);
    return 0;
}

static int read_mode(struct submission *s, struct json_value value) {
    static const char *const words[] = { "saga", "tcc" };
    struct form_path path = form_below(NULL, "mode");
    size_t index;
    if (!form_given(value))
        return form_missing(&s->form, NULL, "mode", "\"saga\" or \"tcc\"");
    if (json_is(value, "xa"))
        return form_refuse(&s->form, &path, value, PROBLEM_NOT_AVAILABLE,
                           "XA transactions are not available in this version; \"saga\" and \"tcc\" are");
    int failed = form_word(&s->form, &path, value, words, 2, &index);
    if (failed != 0)
        return failed;
    s->request.mode = index == 0 ? MODE_SAGA : MODE_TCC;
    canon_number(&s->digest, 'm', s->request.mode);
    return 0;
}

static int read_drive(struct submission *s, struct json_value value) {
    static const char *const words[] = { "server", "client" };
    struct form_path path = form_below(NULL, "drive");
    size_t index = 0;
    int failed = form_given(value) ? form_word(&s->form, &path, value, words, 2, &index) : 0;
    if (failed != 0)
        return failed;
    s->request.drive = index == 0 ? DRIVE_SERVER : DRIVE_CLIENT;
    canon_number(&s->digest, 'd', index);
    return 0;
}

static int read_name(struct submission *s, struct json_value value) {
    struct form_path path = form_below(NULL, "name");
    int failed =
        form_given(value) ? form_text(&s->form, &path, value, LIMIT_NAME_BYTES, &s->request.name) : 0;
    if (failed == 0)
        canon_text(&s->digest, 'n', s->request.name);
    return failed;
}

static int read_deadline(struct submission *s, struct json_value value) {
    struct form_path path = form_below(NULL, "deadline");
    if (!form_given(value)) {
        canon_none(&s->digest, 't');
        return 0;
    }
    int failed = form_duration(&s->form, &path, value, SUBMISSION_DEADLINE_MS_MIN, SUBMISSION_DEADLINE_MS_MAX,
                               &s->request.deadline_ms);
    if (failed == 0)
        canon_number(&s->digest, 't', s->request.deadline_ms);
    return failed;
}

/* What later versions will take. Saying so is kinder than "unknown field". */
static int refuse_not_yet(struct submission *s, const struct json_value *values) {
    struct form_path path = form_below(NULL, "datasources");
    if (!form_given(values[ROOT_DATASOURCES]))
        return 0;
    return form_refuse(&s->form, &path, values[ROOT_DATASOURCES], PROBLEM_NOT_AVAILABLE,
                       "\"datasources\": XA transactions are not available in this version of settled");
}

static int read_outgoing(struct submission *s, const struct submission_options *options,
                         const struct json_value *values) {
    struct outgoing_list list = { .count = 0 };
    int failed =
        outgoing_form_read(&s->form, "on_commit", values[ROOT_ON_COMMIT], options, &s->digest, &list);
    if (failed == 0)
        failed =
            outgoing_form_read(&s->form, "on_rollback", values[ROOT_ON_ROLLBACK], options, &s->digest, &list);
    s->request.outgoing = list.all;
    s->request.outgoing_count = list.count;
    return failed;
}

static struct branch_order order_of(struct submission *s, const struct form_path *path,
                                    struct branch_draft *drafts, size_t count) {
    return (struct branch_order){
        .form = &s->form,
        .digest = &s->digest,
        .path = path,
        .drafts = drafts,
        .count = count,
        .mode = s->request.mode,
        .drive = s->request.drive,
    };
}

static int refuse_payload(struct submission *s, const struct form_path *path, struct json_value value) {
    form_refuse(&s->form, path, value, PROBLEM_TOO_LARGE,
                "the bodies of all branches together have more than %d bytes", LIMIT_PAYLOAD_BYTES);
    PROBLEM_NOTE(s->form.problem, limit, SLICE("4MiB"));
    s->form.problem->value[0] = '\0';
    return ERR_INVALID;
}

static int refuse_count(struct submission *s, const struct form_path *path, struct json_value value,
                        size_t count) {
    form_refuse(&s->form, path, value, PROBLEM_OVER_LIMIT, "%zu branches, at most %d are possible", count,
                LIMIT_BRANCHES);
    PROBLEM_NOTE(s->form.problem, limit, SLICE("1000"));
    return ERR_INVALID;
}

static int read_branch(struct submission *s, struct json_value value, size_t *payload) {
    struct form_path path = form_element(s->order.path, s->order.id_count);
    struct branch_draft *draft = &s->order.drafts[s->order.id_count];
    int failed = branch_form_read(&s->branch_form, &path, value, draft);
    if (failed != 0)
        return failed;
    if (branch_order_find(&s->order, draft->request.id) >= 0) {
        struct form_path id = form_below(&path, "id");
        return form_refuse(&s->form, &id, value, PROBLEM_INVALID_VALUE,
                           "two branches have the id \"%.*s\"; each needs its own",
                           SLICE_PRINT(draft->request.id));
    }
    *payload += draft->request.body.length;
    if (*payload > LIMIT_PAYLOAD_BYTES) {
        struct form_path body = form_below(&path, "body");
        return refuse_payload(s, &body, draft->body);
    }
    branch_order_add(&s->order, draft->request.id);
    return 0;
}

static int read_branches(struct submission *s, struct json_value value) {
    struct form_path path = form_below(NULL, "branches");
    struct json_value element;
    size_t payload = 0;
    size_t count = form_given(value) ? form_count(value) : 0;
    if (!form_given(value) && s->request.drive == DRIVE_SERVER)
        return form_missing(&s->form, NULL, "branches", "a transaction consists of them");
    if (count == 0 && s->request.drive == DRIVE_SERVER)
        return form_refuse(&s->form, &path, value, PROBLEM_INVALID_VALUE, "at least one branch is needed");
    if (count > LIMIT_BRANCHES)
        return refuse_count(s, &path, value, count);
    struct branch_draft *drafts = arena_take_array(s->form.arena, count, sizeof *drafts);
    struct branch_request *branches = arena_take_array(s->form.arena, count, sizeof *branches);
    if (drafts == NULL || branches == NULL)
        return form_no_memory(&s->form);
    s->order = order_of(s, &path, drafts, count);
    canon_number(&s->digest, 'B', count);
    int failed = branch_order_init(&s->order, count);
    if (failed == 0 && form_given(value)) {
        struct json_cursor cursor = json_cursor_of(value);
        while (failed == 0 && json_element_next(&cursor, &element))
            failed = read_branch(s, element, &payload);
    }
    if (failed == 0)
        failed = branch_order_relate(&s->order);
    for (size_t i = 0; failed == 0 && i < count; i++)
        branches[i] = drafts[i].request;
    s->request.branches = branches;
    s->request.branch_count = (uint16_t)count;
    return failed;
}

static void begin(struct submission *s, struct slice body, const struct submission_options *options,
                  struct arena *arena, struct problem *problem) {
    assert(options->judge != NULL);
    assert(options->retry.max_ms >= options->retry.first_ms);
    *s = (struct submission){ .form = { .document = body, .arena = arena, .problem = problem } };
    s->request.namespace_name = options->namespace_name;
    s->request.deadline_ms = options->deadline_ms;
    s->branch_form = (struct branch_form){ .form = &s->form, .options = options, .digest = &s->digest };
    digest_init(&s->digest);
    canon_text(&s->digest, 'N', options->namespace_name);
}

int submission_decode(struct slice body, const struct submission_options *options, struct arena *arena,
                      struct transaction_request *out, struct problem *problem) {
    struct submission s;
    struct json_value root;
    struct json_value values[ROOT_FIELDS];
    begin(&s, body, options, arena, problem);
    int failed = form_begin(&s.form, &root);
    if (failed == 0)
        failed = form_members(&s.form, NULL, root, root_fields, ROOT_FIELDS, values);
    if (failed == 0)
        failed = refuse_not_yet(&s, values);
    if (failed == 0)
        failed = read_gid(&s, values[ROOT_GID]);
    if (failed == 0)
        failed = read_mode(&s, values[ROOT_MODE]);
    if (failed == 0)
        failed = read_drive(&s, values[ROOT_DRIVE]);
    if (failed == 0)
        failed = read_name(&s, values[ROOT_NAME]);
    if (failed == 0)
        failed = read_deadline(&s, values[ROOT_DEADLINE]);
    if (failed == 0)
        failed = label_form_read(&s.form, &s.digest, values[ROOT_LABELS], &s.request.labels,
                                 &s.request.label_count);
    if (failed != 0)
        return failed;
    s.branch_form.mode = s.request.mode;
    s.branch_form.drive = s.request.drive;
    failed = read_branches(&s, values[ROOT_BRANCHES]);
    if (failed == 0)
        failed = read_outgoing(&s, options, values);
    if (failed != 0)
        return failed;
    digest_end(&s.digest, s.request.fingerprint);
    *out = s.request;
    return 0;
}

/* The ids that a joining branch may name, and where it stands itself: behind all others, or where it stood
 * when it came for the first time. */
static int join_known(struct submission *s, const struct transaction *t, size_t *place) {
    int failed = branch_order_init(&s->order, t->branch_count + 1u);
    for (size_t i = 0; failed == 0 && i < t->branch_count; i++)
        branch_order_add(&s->order, t->branches[i].id);
    if (failed != 0)
        return failed;
    int known = branch_order_find(&s->order, s->order.drafts[0].request.id);
    *place = known < 0 ? t->branch_count : (size_t)known;
    return 0;
}

/* A transaction that takes no branch any more is refused for that reason, by the engine. */
static int check_room_left(struct submission *s, const struct transaction *t, size_t place,
                           struct json_value root) {
    if (place >= LIMIT_BRANCHES && t->status == STATUS_ACTIVE && t->drive == DRIVE_CLIENT)
        return refuse_count(s, NULL, root, place + 1);
    size_t payload = s->order.drafts[0].request.body.length;
    for (size_t i = 0; i < t->branch_count; i++)
        payload += i == place ? 0 : t->branches[i].body.length;
    struct form_path body = form_below(NULL, "body");
    return payload > LIMIT_PAYLOAD_BYTES ? refuse_payload(s, &body, s->order.drafts[0].body) : 0;
}

int submission_decode_branch(struct slice body, const struct submission_options *options,
                             const struct transaction *t, struct arena *arena, struct branch_request *out,
                             uint8_t fingerprint[32], struct problem *problem) {
    struct submission s;
    struct branch_draft draft;
    struct json_value root;
    size_t place;
    begin(&s, body, options, arena, problem);
    s.request.mode = s.branch_form.mode = t->mode;
    s.request.drive = s.branch_form.drive = DRIVE_CLIENT;
    s.order = order_of(&s, NULL, &draft, 1);
    canon_text(&s.digest, 'G', t->gid);
    int failed = form_begin(&s.form, &root);
    if (failed == 0)
        failed = branch_form_read(&s.branch_form, NULL, root, &draft);
    if (failed == 0)
        failed = join_known(&s, t, &place);
    if (failed == 0)
        failed = check_room_left(&s, t, place, root);
    if (failed == 0)
        failed = branch_order_after(&s.order, NULL, &draft, (int)place - 1, place);
    if (failed == 0)
        failed = branch_order_references(&s.order, 0);
    if (failed != 0)
        return failed;
    digest_end(&s.digest, fingerprint);
    *out = draft.request;
    return 0;
}
