#include "sink/database/marker.h"

/* An unlogged table forgets its rows in a crash, and a missing row means "rolled back"; a table of an engine
 * without transactions or without a key on the id would say "committed" or "rolled back" at random. */
static const char *const inspections[] = {
    [DATABASE_POSTGRESQL] =
        "SELECT CASE"
        " WHEN to_regclass('settle_marker') IS NULL"
        "  THEN 'there is no table settle_marker on the search path'"
        " WHEN c.relkind <> 'r' THEN 'settle_marker is not a plain table'"
        " WHEN c.relpersistence <> 'p' THEN 'settle_marker is unlogged or temporary: it forgets rows in a "
        "crash'"
        " WHEN NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a"
        "  ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        "  WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indnkeyatts "
        "= 1"
        "  AND i.indpred IS NULL AND i.indexprs IS NULL AND a.attname = 'id')"
        "  THEN 'settle_marker has no unique key on id alone'"
        " ELSE '' END"
        " FROM (SELECT to_regclass('settle_marker') AS oid) t LEFT JOIN pg_class c ON c.oid = t.oid",
    [DATABASE_MARIADB] =
        "SELECT CASE"
        " WHEN t.engine IS NULL THEN 'there is no table settle_marker in this database, or no privilege on "
        "it'"
        " WHEN t.engine <> 'InnoDB' THEN 'settle_marker is not an InnoDB table: its rows know no "
        "transactions'"
        " WHEN NOT EXISTS (SELECT 1 FROM information_schema.statistics s"
        "  WHERE s.table_schema = database() AND s.table_name = 'settle_marker' AND s.non_unique = 0"
        "  AND s.column_name = 'id' AND s.seq_in_index = 1 AND s.sub_part IS NULL"
        "  AND NOT EXISTS (SELECT 1 FROM information_schema.statistics o WHERE o.table_schema = database()"
        "   AND o.table_name = 'settle_marker' AND o.index_name = s.index_name AND o.seq_in_index = 2))"
        "  THEN 'settle_marker has no unique key on id alone'"
        " WHEN EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_schema = database()"
        "  AND c.table_name = 'settle_marker' AND c.column_name = 'id' AND c.collation_name NOT LIKE '%_bin')"
        "  THEN 'settle_marker.id has no binary collation: ids that differ in case would be the same'"
        " ELSE '' END"
        " FROM (SELECT max(engine) AS engine FROM information_schema.tables"
        "  WHERE table_schema = database() AND table_name = 'settle_marker') t",
    [DATABASE_SQLITE] = "SELECT CASE"
                        " WHEN NOT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table'"
                        "  AND name = 'settle_marker') THEN 'there is no table settle_marker in this file'"
                        " ELSE '' END",
};

static const char *const tombstones[] = {
    [DATABASE_POSTGRESQL] =
        "INSERT INTO settle_marker (id, state) VALUES ($1, 'rolled_back') ON CONFLICT (id) DO NOTHING",
    [DATABASE_MARIADB] = "INSERT INTO settle_marker (id, state) VALUES (?, 'rolled_back')",
    [DATABASE_SQLITE] =
        "INSERT INTO main.settle_marker (id, state) VALUES (?, 'rolled_back') ON CONFLICT (id) DO NOTHING",
};

static const char *const states[] = {
    [DATABASE_POSTGRESQL] = "SELECT state FROM settle_marker WHERE id = $1",
    [DATABASE_MARIADB] = "SELECT state FROM settle_marker WHERE id = ?",
    [DATABASE_SQLITE] = "SELECT state FROM main.settle_marker WHERE id = ?",
};

static const char *const privileges[] = {
    [DATABASE_POSTGRESQL] = "INSERT INTO settle_marker (id, state) SELECT '', '' WHERE false",
    [DATABASE_MARIADB] = "INSERT INTO settle_marker (id, state) SELECT '', '' FROM dual WHERE 1 = 0",
    [DATABASE_SQLITE] = "INSERT INTO main.settle_marker (id, state) SELECT '', '' WHERE 0",
};

static const char *const inserts[] = {
    [DATABASE_POSTGRESQL] = "INSERT INTO settle_marker (id) VALUES ($1)",
    [DATABASE_MARIADB] = "INSERT INTO settle_marker (id) VALUES (?)",
    [DATABASE_SQLITE] = "INSERT INTO settle_marker (id) VALUES (?)",
};

#define RETENTION                                                                                          \
    "-- A row may go only when its message is decided for certain: a missing row means \"rolled back\".\n" \
    "-- Keep rows longer than any half message can stay undecided, settled's own outages included:\n"

static const char *const schemas[] = {
    [DATABASE_POSTGRESQL] =
        "CREATE TABLE settle_marker (\n"
        "    id varchar(128) COLLATE \"C\" PRIMARY KEY,\n"
        "    state varchar(16) NOT NULL DEFAULT 'committed' CHECK (state IN ('committed', 'rolled_back')),\n"
        "    created timestamptz NOT NULL DEFAULT now()\n"
        ");\n"
        "CREATE INDEX settle_marker_created ON settle_marker (created);\n" RETENTION
        "-- DELETE FROM settle_marker WHERE created < now() - interval '90 days';\n",
    [DATABASE_MARIADB] =
        "CREATE TABLE settle_marker (\n"
        "    id varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,\n"
        "    state varchar(16) NOT NULL DEFAULT 'committed' CHECK (state IN ('committed', 'rolled_back')),\n"
        "    created timestamp NOT NULL DEFAULT current_timestamp,\n"
        "    KEY settle_marker_created (created)\n"
        ") ENGINE = InnoDB;\n" RETENTION
        "-- DELETE FROM settle_marker WHERE created < current_timestamp - INTERVAL 90 DAY LIMIT 1000;\n",
    [DATABASE_SQLITE] =
        "CREATE TABLE settle_marker (\n"
        "    id TEXT NOT NULL PRIMARY KEY,\n"
        "    state TEXT NOT NULL DEFAULT 'committed' CHECK (state IN ('committed', 'rolled_back')),\n"
        "    created TEXT NOT NULL DEFAULT current_timestamp\n"
        ") WITHOUT ROWID;\n"
        "CREATE INDEX settle_marker_created ON settle_marker (created);\n" RETENTION
        "-- DELETE FROM settle_marker WHERE created < datetime('now', '-90 days');\n",
};

const char marker_identity[] =
    "SELECT pg_current_xact_id()::text AS xid,"
    " (SELECT system_identifier FROM pg_control_system())::text || '/' ||"
    " ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::text || '/' ||"
    " (SELECT (extract(epoch FROM stats_reset) * 1000000)::bigint FROM pg_stat_bgwriter)::text AS system";

const char *marker_schema(enum database_kind kind) {
    return schemas[kind];
}

const char *marker_insert(enum database_kind kind) {
    return inserts[kind];
}

const char *marker_inspection(enum database_kind kind) {
    return inspections[kind];
}

const char *marker_tombstone(enum database_kind kind) {
    return tombstones[kind];
}

const char *marker_state(enum database_kind kind) {
    return states[kind];
}

const char *marker_privilege(enum database_kind kind) {
    return privileges[kind];
}
