#include "protocol/openapi.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "protocol/problem.h"
#include "protocol/query.h"
#include "protocol/routes.h"

static const struct {
    const char *name;
    const char *text;
    const char *schema;
} schemas[] = {
#define SCHEMA(name, text, schema) { #name, text, schema },
#include "protocol/schema.def"
#undef SCHEMA
};

#define SCHEMAS (sizeof schemas / sizeof schemas[0])

const char *openapi_schema(const char *name) {
    for (size_t i = 0; i < SCHEMAS; i++)
        if (strcmp(schemas[i].name, name) == 0)
            return schemas[i].schema;
    return NULL;
}

/* A schema as a member, with its quotes put right. */
static void put_schema(struct json_writer *w, const char *name, const char *schema) {
    json_put_raw(w, name, SLICE_NONE);
    for (const char *at = schema; *at != '\0'; at++)
        buffer_add_byte(w->out, *at == '\'' ? '"' : *at);
}

static void put_reference(struct json_writer *w, const char *name, const char *schema) {
    json_put_object(w, name);
    json_put_raw(w, "$ref", SLICE("\"#/components/schemas/"));
    buffer_add_text(w->out, schema);
    buffer_add_byte(w->out, '"');
    json_put_end(w);
}

static void put_content(struct json_writer *w, const char *type, const char *schema) {
    json_put_object(w, "content");
    json_put_object(w, type);
    if (openapi_schema(schema) != NULL)
        put_reference(w, "schema", schema);
    json_put_end(w);
    json_put_end(w);
}

static const char *content_type(const char *schema) {
    if (strcmp(schema, "text") == 0)
        return "text/plain";
    return strcmp(schema, "binary") == 0 ? "application/octet-stream" : "application/json";
}

static void put_parameter(struct json_writer *w, const char *name, const char *in, bool required,
                          const char *meaning) {
    json_put_object(w, NULL);
    json_put_text(w, "name", name);
    json_put_text(w, "in", in);
    json_put_bool(w, "required", required);
    json_put_text(w, "description", meaning);
    put_schema(w, "schema", "{'type':'string'}");
    json_put_end(w);
}

static void put_parameters(struct json_writer *w, const struct route *r) {
    static const char *const in_path[][3] = {
        { "{gid}", "gid", "the id of a transaction" },
        { "{branch}", "branch", "the id of a branch" },
        { "{id}", "id", "the id of a token" },
        { "{message}", "message", "the id of a message" },
        { "{topic}", "topic", "the name of a topic" },
        { "{subscription}", "subscription", "the name of a subscription" },
        { "{delivery}", "delivery", "the id of a delivery: MESSAGE~SUBSCRIPTION" },
        { "{type}", "type", "the last part of a problem's type" },
    };
    json_put_array(w, "parameters");
    for (size_t i = 0; i < sizeof in_path / sizeof in_path[0]; i++)
        if (strstr(r->path, in_path[i][0]) != NULL)
            put_parameter(w, in_path[i][1], "path", true, in_path[i][2]);
    for (const char *const *name = query_names(r->query); *name != NULL; name++)
        put_parameter(w, strcmp(*name, "label.") == 0 ? "label.KEY" : *name, "query", false,
                      query_meaning(*name));
    if (r->key != ROUTE_KEY_NONE)
        put_parameter(w, "Idempotency-Key", "header", false,
                      r->key == ROUTE_KEY_ONCE
                          ? "a repeat with the same key and body gets the same answer, without the secret"
                      : r->key == ROUTE_KEY_MARK
                          ? "a repeat with the same key and body gets the same deliveries, as far as their "
                            "leases last"
                          : "a repeat with the same key and body gets the same answer");
    json_put_end(w);
}

static void put_answers(struct json_writer *w, const struct route *r) {
    struct slice statuses = slice_text(r->statuses);
    json_put_object(w, "responses");
    while (statuses.length > 0) {
        size_t length = slice_find(statuses, ' ');
        json_put_key(w, slice_upto(statuses, length));
        json_put_object(w, NULL);
        json_put_text(w, "description",
                      slice_starts(statuses, "202") ? "accepted, not final yet" : r->summary);
        if (r->answer[0] != '\0')
            put_content(w, content_type(r->answer), r->answer);
        json_put_end(w);
        statuses = slice_from(statuses, length + 1);
    }
    json_put_object(w, "default");
    json_put_text(w, "description", "a problem");
    put_content(w, "application/problem+json", "Problem");
    json_put_end(w);
    json_put_end(w);
}

/* "post": the method as OpenAPI spells it. */
static const char *method_key(enum route_method method) {
    switch (method) {
    case ROUTE_METHOD_GET:
        return "get";
    case ROUTE_METHOD_POST:
        return "post";
    case ROUTE_METHOD_PUT:
        return "put";
    default:
        return "delete";
    }
}

static void put_operation(struct json_writer *w, const struct route *r) {
    json_put_object(w, method_key(r->method));
    json_put_text(w, "summary", r->summary);
    json_put_text(w, "x-role", routes_role_word(r->role));
    put_parameters(w, r);
    if (r->request[0] != '\0') {
        json_put_object(w, "requestBody");
        put_content(w, "application/json", r->request);
        json_put_end(w);
    }
    put_answers(w, r);
    if (r->role == ROUTE_ROLE_ANYONE) {
        json_put_array(w, "security");
        json_put_end(w);
    }
    json_put_end(w);
}

/* Whether an earlier row has the same path already. */
static bool path_was_there(int index) {
    for (int i = 0; i < index; i++)
        if (strcmp(routes_row((enum route_id)i)->path, routes_row((enum route_id)index)->path) == 0)
            return true;
    return false;
}

static void put_paths(struct json_writer *w) {
    json_put_object(w, "paths");
    for (int i = 0; i < ROUTE_COUNT; i++) {
        const struct route *first = routes_row((enum route_id)i);
        if (path_was_there(i))
            continue;
        json_put_object(w, first->path);
        for (int j = i; j < ROUTE_COUNT; j++)
            if (strcmp(routes_row((enum route_id)j)->path, first->path) == 0)
                put_operation(w, routes_row((enum route_id)j));
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_problems(struct json_writer *w) {
    json_put_array(w, "x-problems");
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_row *row = problem_row((enum problem_type)i);
        json_put_object(w, NULL);
        json_put_text(w, "type", row->path);
        json_put_u64(w, "status", row->http);
        json_put_text(w, "title", row->title);
        json_put_bool(w, "retry", row->retry);
        json_put_text(w, "description", row->text);
        json_put_end(w);
    }
    json_put_end(w);
}

void openapi_render(const char *version, struct buffer *to) {
    struct json_writer w;
    json_writer_init(&w, to);
    json_put_object(&w, NULL);
    json_put_text(&w, "openapi", "3.1.0");
    json_put_object(&w, "info");
    json_put_text(&w, "title", "settle");
    json_put_text(&w, "version", version);
    json_put_text(&w, "description",
                  "Distributed transactions: saga, TCC and reliable messages, durable, over HTTP");
    json_put_end(&w);
    put_schema(&w, "security", "[{'bearer':[]}]");
    put_paths(&w);
    json_put_object(&w, "components");
    put_schema(&w, "securitySchemes", "{'bearer':{'type':'http','scheme':'bearer'}}");
    json_put_object(&w, "schemas");
    for (size_t i = 0; i < SCHEMAS; i++)
        put_schema(&w, schemas[i].name, schemas[i].schema);
    json_put_end(&w);
    json_put_end(&w);
    put_problems(&w);
    json_put_end(&w);
}

static void reference_route(const struct route *r, struct buffer *to) {
    buffer_add_format(to, "### %s %s\n\n%s. Role: %s.", routes_method_word(r->method), r->path, r->summary,
                      routes_role_word(r->role));
    if (r->key == ROUTE_KEY_GID)
        buffer_add_text(to, " `Idempotency-Key`: stands for the id when the body names none.");
    if (r->key == ROUTE_KEY_ANSWER)
        buffer_add_text(to, " `Idempotency-Key`: the answer is remembered for 24 hours.");
    if (r->key == ROUTE_KEY_MARK)
        buffer_add_text(to,
                        " `Idempotency-Key`: for 24 hours a repeat gets the same deliveries, as far as their "
                        "leases last.");
    if (r->key == ROUTE_KEY_ONCE)
        buffer_add_text(
            to, " `Idempotency-Key`: the answer is remembered for 24 hours, without the secret in it.");
    buffer_add_text(to, "\n\n");
    if (query_names(r->query)[0] != NULL) {
        buffer_add_text(to, "| parameter | meaning |\n| --- | --- |\n");
        for (const char *const *name = query_names(r->query); *name != NULL; name++)
            buffer_add_format(to, "| `%s` | %s |\n", strcmp(*name, "label.") == 0 ? "label.KEY" : *name,
                              query_meaning(*name));
        buffer_add_byte(to, '\n');
    }
    if (r->request[0] != '\0')
        buffer_add_format(to, "Body: [%s](#schemas). ", r->request);
    buffer_add_format(to, "Answers: %s", r->statuses);
    if (openapi_schema(r->answer) != NULL)
        buffer_add_format(to, " with a [%s](#schemas)", r->answer);
    buffer_add_text(to, ".\n\n");
}

void openapi_reference(struct buffer *to) {
    buffer_add_text(to,
                    "# HTTP reference\n\nMade from the tables that the daemon itself runs on. JSON, UTF-8; "
                    "`Authorization: Bearer TOKEN` unless the role is anyone.\n\n## Routes\n\n");
    for (int i = 0; i < ROUTE_COUNT; i++)
        reference_route(routes_row((enum route_id)i), to);
    buffer_add_text(to, "## Schemas\n\nThe JSON schemas themselves are in `GET /openapi.json`.\n\n"
                        "| name | what it is |\n| --- | --- |\n");
    for (size_t i = 0; i < SCHEMAS; i++)
        buffer_add_format(to, "| %s | %s |\n", schemas[i].name, schemas[i].text);
    buffer_add_text(
        to,
        "\n## Problems\n\n`application/problem+json` as in RFC 9457; each type is a page of the daemon.\n\n"
        "| type | status | repeating helps | meaning |\n| --- | --- | --- | --- |\n");
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_row *row = problem_row((enum problem_type)i);
        buffer_add_format(to, "| `%s` | %u | %s | %s. %s |\n", row->path, (unsigned)row->http,
                          row->retry ? "yes" : "no", row->title, row->text);
    }
}
