#include "server/reference_page.h"

#include "protocol/problem.h"

static const struct {
    const char *name;
    const char *type;
    const char *label;
    const char *sentence;
} metrics[] = {
#define LOG(id, name, level, sentence)
#define METRIC(id, name_, type_, label_, sentence_) { (name_), #type_, (label_), (sentence_) },
#include "server/catalog.def"
#undef LOG
#undef METRIC
};

static const struct {
    const char *name;
    const char *level;
    const char *sentence;
} events[] = {
#define LOG(id, name_, level_, sentence_) { (name_), #level_, (sentence_) },
#define METRIC(id, name, type, label, sentence)
#include "server/catalog.def"
#undef LOG
#undef METRIC
};

static void add_lower(struct buffer *to, const char *word) {
    for (; *word != '\0'; word++)
        buffer_add_byte(to, *word >= 'A' && *word <= 'Z' ? (char)(*word + ('a' - 'A')) : *word);
}

void reference_page_metrics(struct buffer *to) {
    buffer_add_text(
        to, "# Metrics and log events\n\n"
            "Made from `src/server/catalog.def` by `settled --print-metrics-reference`.\n\n"
            "## Metrics\n\n"
            "`GET /metrics`, in the text format of Prometheus. Counters begin at 0 when settled starts. "
            "Units stand at the end of a name.\n\n"
            "| metric | type | label | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        buffer_add_format(to, "| `%s` | ", metrics[i].name);
        add_lower(to, metrics[i].type);
        buffer_add_text(to, metrics[i].label[0] == '\0' ? " | " : " | `");
        buffer_add_text(to, metrics[i].label);
        buffer_add_format(to, "%s | %s |\n", metrics[i].label[0] == '\0' ? "" : "`", metrics[i].sentence);
    }
    buffer_add_text(
        to, "\n## Log events\n\n"
            "One line each on stderr, text or JSON (`observe.log`). Of one event at most 100 lines a second "
            "are written; the rest is counted and told with the next line.\n\n"
            "| event | level | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        buffer_add_format(to, "| `%s` | ", events[i].name);
        add_lower(to, events[i].level);
        buffer_add_format(to, " | %s |\n", events[i].sentence);
    }
}

void reference_page_problems(struct buffer *to) {
    buffer_add_text(
        to, "# Problems\n\n"
            "Made from `src/protocol/problem.def` by `settled --print-problem-reference`; the daemon shows "
            "the same pages at `/problems/…`.\n\n"
            "A refusal is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, "
            "`instance`, `retry` (whether repeating the same request may help), and what else is known: "
            "`field`, `value`, `nearest`, `limit`, `setting`, `role`, `decision`, `line`, `column`.\n");
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_row *row = problem_row((enum problem_type)i);
        buffer_add_format(to, "\n## %s\n\n`%s` · %u · repeating %s\n\n%s\n", row->title, row->path,
                          (unsigned)row->http, row->retry ? "may help" : "does not help", row->text);
    }
}
