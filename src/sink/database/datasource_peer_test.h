/* For tests with real servers: where they are, and what is tried on each.
 *
 *   SETTLE_TEST_PG, SETTLE_TEST_MY   ports on 127.0.0.1; users shop (the producer) and settled (least
 *                                    privileges), password "secret"; PostgreSQL's postgres has "boss",
 *                                    MariaDB's admin has "boss"; database shop
 *   SETTLE_TEST_CA                   a PEM file that signed the servers' certificates, which are for the name
 *                                    localhost alone
 *   SETTLE_TEST_ASK, SETTLE_TEST_TOLD   pipes: "my-kill" and so on, answered by a line when it is done */
#ifndef SINK_DATASOURCE_PEER_TEST_H
#define SINK_DATASOURCE_PEER_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink/database/datasource_test.h"

static struct rig rig;

static inline const char *port_of(const char *name) {
    const char *port = getenv(name);
    if (port == NULL) {
        print_message("skipped: %s is not set; tests/run --only peers/datasource starts the servers\n", name);
        skip();
    }
    return port;
}

/* Until no connection is being opened and this many are idle: a busy machine takes its time. */
static inline void until_idle(size_t least, size_t most) {
    struct datasource_counters c;
    for (int i = 0; i < 500; i++) {
        loop_run_for(rig.loop, 10);
        c = datasource_book_counters(rig.book);
        if (c.idle == c.connections && c.idle >= least && c.idle <= most)
            return;
    }
    fail_msg("%zu connections, %zu idle, wanted %zu to %zu", c.connections, c.idle, least, most);
}

/* Let the Python side do what only it can, and wait until it is done. */
static inline void ask_outside(const char *what) {
    char line[16] = "";
    FILE *ask = fopen(getenv("SETTLE_TEST_ASK"), "w");
    fprintf(ask, "%s\n", what);
    fclose(ask);
    FILE *told = fopen(getenv("SETTLE_TEST_TOLD"), "r");
    assert_non_null(fgets(line, sizeof line, told));
    fclose(told);
    assert_string_equal(line, "done\n");
    until_idle(0, 0); /* goodbyes of idle connections are heard */
}

/* Its own time ends anywhere between connecting and the commit of its row: whatever was said, the next one
 * and the producer agree. */
static inline void lose_answers(const char *target, struct producer *p) {
    size_t unknown = 0;
    char id[32], ignored[256];
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "lost-%d", i);
        rig_send(&rig, target, id, 1, (uint32_t)(1 + i % 6));
        unknown += rig.verdicts[VERDICT_UNKNOWN];
        assert_int_equal(rig.verdicts[VERDICT_UNKNOWN] + rig.verdicts[VERDICT_REFUSED], 1);
        bool begun = p->begin(p->context);
        bool marked = begun && p->mark(p->context, id, ignored);
        assert_true(!marked || rig.verdicts[VERDICT_UNKNOWN] == 1);
        bool committed = marked && p->commit(p->context);
        if (!committed)
            p->rollback(p->context);
        assert_int_equal(rig_decided(&rig, target, id), committed ? VERDICT_DONE : VERDICT_REFUSED);
    }
    assert_true(unknown > 0);
}

static inline void tls_of(const char *kind, const char *port, const char *mode, const char *ca) {
    char url[256], name[] = "tls";
    struct {
        const char *host, *mode, *ca;
        bool good;
    } cases[] = {
        { "localhost", "verify-full", getenv("SETTLE_TEST_CA"), true },
        { "127.0.0.1", "verify-full", getenv("SETTLE_TEST_CA"),
          false }, /* the certificate is for the name alone */
        { "localhost", "verify-full", "/etc/ssl/certs/ca-certificates.crt", false },
        { "127.0.0.1", "require", NULL, true },
        { "localhost", "disable", NULL, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(url, sizeof url, "%s://settled@%s:%s/shop?%s=%s%s%s%s%s", kind, cases[i].host, port, mode,
                 cases[i].mode, cases[i].ca == NULL ? "" : "&", cases[i].ca == NULL ? "" : ca,
                 cases[i].ca == NULL ? "" : "=", cases[i].ca == NULL ? "" : cases[i].ca);
        struct why why = { "" };
        if (rig_put(&rig, name, url, &why) != 0)
            fail_msg("%s: %s", url, why.text);
        enum verdict v = rig_check_back(&rig, "datasource://tls/marker", "tls");
        if (v != (cases[i].good ? VERDICT_REFUSED : VERDICT_UNKNOWN))
            fail_msg("%s: verdict %d, %s", url, v, rig.said);
        if (!cases[i].good && strstr(rig.said, "ertificate") == NULL &&
            strstr(rig.said, "certificate") == NULL)
            fail_msg("%s: %s", url, rig.said);
    }
}

#endif
