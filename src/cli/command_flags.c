#include "cli/command_flags.h"

#include "cli/commands.h"

const struct flag command_global_flags[] = {
    { "output", "FORMAT", "table, json, jsonl or gid (one name per line)", 'o' },
    { "columns", "A,B", "only these columns of a table", 0 },
    { "no-color", NULL, "no colour (also NO_COLOR; off by itself when not a terminal)", 0 },
    { "quiet", NULL, "results only, no hints", 'q' },
    { "curl", NULL, "print the request as a curl command instead of sending it", 0 },
    { "dry-run", NULL, "say what would be changed, change nothing", 'n' },
    { "yes", NULL, "do not ask", 'y' },
    { "reason", "TEXT", "why; kept in the audit log", 0 },
    { "server", "URL", "settled's address (also SETTLE_SERVER; http://127.0.0.1:8711)", 's' },
    { "token-file", "FILE", "file with the token (also SETTLE_TOKEN, SETTLE_TOKEN_FILE)", 0 },
    { "ca-file", "FILE", "trust these certificates for https", 0 },
    { "silence", "DURATION", "how long settled may say nothing before it counts as gone (10s)", 0 },
    { "help", NULL, "explain the command", 'h' },
    { "version", NULL, "print the version", 'V' },
    { NULL, NULL, NULL, 0 },
};

const struct flag no_flags[] = { { NULL, NULL, NULL, 0 } };

const struct flag pace_flags[] = {
    { "rate", "N", "at most so many in a second, so that whoever comes back is not run over", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag demo_flags[] = {
    { "fail", "SERVICE",
      "order, stock, points, car, hotel or charge refuses; warehouse is closed for a while", 0 },
    { "crash", NULL, "kill settled between decision, confirm and delivery, and start it again", 0 },
    { "check-back", NULL, "producers of half messages fall silent, and settled asks what became of them", 0 },
    { "all", NULL, "all of it in one go", 0 },
    { "clean", NULL, "remove what the demo left: its folder", 0 },
    { "data", "FOLDER", "where the demo lives (./settle-demo)", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag watch_flags[] = {
    { "watch", NULL, "draw it again every second", 'w' },
    { NULL, NULL, NULL, 0 },
};

const struct flag list_flags[] = {
    { "mode", "MODE", "saga or tcc", 0 },
    { "status", "STATUS", "active, committing, committed, rolling_back, rolled_back, ...", 0 },
    { "attention", NULL, "only what needs somebody to look", 'a' },
    { "suspended", NULL, "only what is suspended", 0 },
    { "label", "KEY=VALUE", "with this label; may be repeated", 'l' },
    { "name", "NAME", "with this name", 0 },
    { "branch-url", "PART", "one of whose urls contains this", 0 },
    { "created-after", "TIME", "RFC 3339, like 2026-01-07T10:00:00Z", 0 },
    { "created-before", "TIME", "RFC 3339", 0 },
    { "older-than", "DURATION", "created at least this long ago", 0 },
    { "sort", "ORDER", "-created (newest first) or created", 0 },
    { "limit", "N", "rows on a page (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag wait_flags[] = {
    { "timeout", "DURATION", "how long to wait (60s)", 't' },
    { "for", "DURATION", "the same", 'f' },
    { NULL, NULL, NULL, 0 },
};

const struct flag submit_flags[] = {
    { "wait", "DURATION", "wait for a final state", 'w' },
    { NULL, NULL, NULL, 0 },
};

const struct flag decide_flags[] = {
    { "wait", "DURATION", "wait for a final state", 'w' },
    { NULL, NULL, NULL, 0 },
};

const struct flag force_flags[] = {
    { "commit", NULL, "end it as heuristic_commit", 0 },
    { "rollback", NULL, "end it as heuristic_rollback", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag resolve_flags[] = {
    { "op", "OP", "action, compensate, try, confirm or cancel (default: the one that is owed)", 0 },
    { "not-done", NULL, "it did not happen and will not (default: it is done)", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag retry_flags[] = {
    { "branch", "ID", "only this branch", 'b' },
    { NULL, NULL, NULL, 0 },
};

const struct flag stream_flags[] = {
    { "since", "ID", "go on after this event", 0 },
    { "follow", NULL, "keep waiting for more", 'f' },
    { "limit", "N", "at most this many", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag config_flags[] = {
    { "origin", NULL, "where each value came from", 0 },
    { "config", "FILE", "a settings file", 'c' },
    { NULL, NULL, NULL, 0 },
};

const struct flag store_flags[] = {
    { "data", "DIR", "settled's data folder (./settle-data)", 'd' },
    { "force", NULL, "overwrite what is there", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag token_flags[] = {
    { "role", "ROLE", "viewer, producer, consumer, receiver, operator, approver or admin; may be repeated",
      'r' },
    { "name", "NAME", "what the token is for", 0 },
    { "expires", "DURATION", "valid for this long (default: for ever)", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag secret_flags[] = {
    { "overlap", "DURATION", "how long the old secret signs too (24h)", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag audit_flags[] = {
    { "limit", "N", "at most this many (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag bench_flags[] = {
    { "mode", "MODE", "saga (default), tcc; or messages: half, publish, pull", 'm' },
    { "branches", "N", "branches per transaction (2), subscriptions per topic (1)", 'b' },
    { "clients", "N", "transactions or messages in flight (64)", 'c' },
    { "rate", "N", "transactions or messages per second (default: as fast as they are answered)", 0 },
    { "duration", "DURATION", "how long to measure (10s)", 'd' },
    { "warmup", "DURATION", "how long to run before measuring (1s)", 0 },
    { "url", "URL", "settled's address (--server)", 'u' },
    { "pid", "PID", "settled's process; without it its CPU and memory are read from /metrics", 0 },
    { "participant-delay", "DURATION", "participants answer after this long (0ms)", 0 },
    { "waiting", "N", "first leave N sagas that wait an hour for a participant (default: none)", 0 },
    { "floor", NULL, "call the participants directly, without a coordinator", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag page_flags[] = {
    { "limit", "N", "rows on a page (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag publish_flags[] = {
    { "id", "ID", "your own name for it: a repeat publishes nothing twice", 0 },
    { "key", "KEY", "messages of one key arrive in order", 'k' },
    { "body", "TEXT", "the body (JSON); or name a file, or - for stdin", 'b' },
    { "content-type", "TYPE", "of a body that is not JSON, like text/plain", 0 },
    { "header", "NAME=VALUE", "sent along with each delivery; may be repeated", 'H' },
    { "label", "KEY=VALUE", "for finding it; may be repeated", 'l' },
    { "delay", "DURATION", "deliver it this long after its commit", 0 },
    { "wait", "DURATION", "wait until every delivery is over; the exit code tells how", 'w' },
    { NULL, NULL, NULL, 0 },
};

const struct flag half_flags[] = {
    { "id", "ID", "your own name for it, by which it is decided", 0 },
    { "key", "KEY", "messages of one key arrive in order", 'k' },
    { "body", "TEXT", "the body (JSON); or name a file, or - for stdin", 'b' },
    { "content-type", "TYPE", "of a body that is not JSON, like text/plain", 0 },
    { "header", "NAME=VALUE", "sent along with each delivery; may be repeated", 'H' },
    { "label", "KEY=VALUE", "for finding it; may be repeated", 'l' },
    { "delay", "DURATION", "deliver it this long after its commit", 0 },
    { "check-http", "URL", "ask here whether it is committed", 0 },
    { "check-marker", "DATASOURCE", "look for its row in settle_marker there", 0 },
    { "check-pg", "DATASOURCE", "read the fate of a PostgreSQL transaction there", 0 },
    { "xid", "XID", "with --check-pg: the transaction's number", 0 },
    { "system", "SYSTEM", "with --check-pg: the server's identity", 0 },
    { "check-after", "DURATION", "ask for the first time after this (10s)", 0 },
    { "check-every", "DURATION", "then every so often, doubling (30s)", 0 },
    { "check-tries", "N", "attention after so many without a decision", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag check_flags[] = {
    { "wait", "DURATION", "wait until it is decided; the exit code tells how", 'w' },
    { NULL, NULL, NULL, 0 },
};

const struct flag message_list_flags[] = {
    { "status", "STATUS", "half, committed or rolled_back", 0 },
    { "topic", "TOPIC", "published under this topic", 't' },
    { "key", "KEY", "with this key", 'k' },
    { "attention", NULL, "only what needs somebody to look", 'a' },
    { "label", "KEY=VALUE", "with this label; may be repeated", 'l' },
    { "created-after", "TIME", "RFC 3339, like 2026-01-07T10:00:00Z", 0 },
    { "created-before", "TIME", "RFC 3339", 0 },
    { "older-than", "DURATION", "created at least this long ago", 0 },
    { "sort", "ORDER", "-created (newest first) or created", 0 },
    { "limit", "N", "rows on a page (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag delivery_list_flags[] = {
    { "status", "STATUS", "dead (default), parked, retrying, refused, acked, ...", 0 },
    { "subscription", "NAME", "owed to this subscription", 0 },
    { "topic", "TOPIC", "published under this topic", 't' },
    { "key", "KEY", "with this key", 'k' },
    { "sort", "ORDER", "-created (newest first) or created", 0 },
    { "limit", "N", "rows on a page (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag subscription_flags[] = {
    { "topic", "TOPIC", "whose messages it gets", 't' },
    { "push", "URL", "POST each message there", 0 },
    { "pull", NULL, "consumers come and take them", 0 },
    { "sink", "JSON", "put them into a broker: '{\"stomp\":{\"url\":…}}'", 0 },
    { "unordered", NULL, "messages of one key may overtake each other", 0 },
    { "no-park", NULL, "what stands behind a dead delivery of its key goes on", 0 },
    { "concurrency", "N", "deliveries at the same time (16)", 'c' },
    { "timeout", "DURATION", "of one push", 0 },
    { "ack", "HOW", "response: a 2xx acks (default); call: the consumer acks by itself", 0 },
    { "ack-timeout", "DURATION", "delivered again without an ack for this long (30s)", 0 },
    { "retry-first", "DURATION", "wait after the first failure", 0 },
    { "retry-max", "DURATION", "the longest wait", 0 },
    { "retry-for", "DURATION", "then it is dead (default: never)", 0 },
    { "on-refused", "TOPIC", "where a refusal (409) is published", 0 },
    { "description", "TEXT", "what it is for", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag pull_flags[] = {
    { "max", "N", "at most this many (10)", 'm' },
    { "lease", "DURATION", "yours for this long (the subscription's ack_timeout)", 0 },
    { "wait", "DURATION", "wait for the first one; exit code 7 when none came", 'w' },
    { "ack", NULL, "ack each after it was printed", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag nack_flags[] = {
    { "delay", "DURATION", "again after this long (default: as the subscription's retry says)", 0 },
    { "refuse", NULL, "never again: a business refusal", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag limit_flags[] = {
    { "limit", "N", "at most this many", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag topic_flags[] = {
    { "description", "TEXT", "what is published under it, and by whom", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag edit_flags[] = {
    { "body", "TEXT", "the new body (JSON); or name a file, or - for stdin", 'b' },
    { "content-type", "TYPE", "of a body that is not JSON, like text/plain", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag endpoint_flags[] = {
    { "url", "URL", "POST each notification there", 'u' },
    { "timeout", "DURATION", "of one attempt", 0 },
    { "concurrency", "N", "attempts at the same time (4)", 'c' },
    { "description", "TEXT", "whose it is", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag rotate_flags[] = {
    { "overlap", "DURATION", "how long the old secret signs too (24h)", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag missed_flags[] = {
    { "since", "TIME", "RFC 3339, like 2026-01-07T10:00:00Z", 0 },
    { "limit", "N", "rows on a page (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag notify_flags[] = {
    { "id", "ID", "your own name for it: a repeat sends nothing twice", 0 },
    { "ref", "REF", "your own reference, such as an order's number", 0 },
    { "body", "JSON", "the body; or name a file, or - for stdin", 'b' },
    { "schedule", "A,B,...", "the wait before each attempt, like 0s,15s,1m", 0 },
    { "success-body", "TEXT", "besides a 2xx it must answer exactly this", 0 },
    { "timeout", "DURATION", "of one attempt", 0 },
    { "content-type", "TYPE", "of a body that is not JSON, like text/plain", 0 },
    { "header", "NAME=VALUE", "sent along; may be repeated", 'H' },
    { "label", "KEY=VALUE", "for finding it; may be repeated", 'l' },
    { "wait", "DURATION", "wait for its end; the exit code tells which", 'w' },
    { NULL, NULL, NULL, 0 },
};

const struct flag notify_list_flags[] = {
    { "status", "STATUS", "scheduled, delivering, retrying, delivered, gave_up or cancelled", 0 },
    { "endpoint", "NAME", "to this endpoint", 'e' },
    { "event", "EVENT", "of this event", 0 },
    { "ref", "REF", "with this reference", 0 },
    { "label", "KEY=VALUE", "with this label; may be repeated", 'l' },
    { "created-after", "TIME", "RFC 3339, like 2026-01-07T10:00:00Z", 0 },
    { "created-before", "TIME", "RFC 3339", 0 },
    { "older-than", "DURATION", "created at least this long ago", 0 },
    { "sort", "ORDER", "-created (newest first) or created", 0 },
    { "limit", "N", "rows on a page (50)", 0 },
    { "cursor", "CURSOR", "go on where a page ended", 0 },
    { "all", NULL, "every page", 0 },
    { NULL, NULL, NULL, 0 },
};

const struct flag datasource_flags[] = {
    { "password-file", "FILE", "a file on settled's machine that holds the password", 0 },
    { "connections", "N", "at most this many (4)", 0 },
    { NULL, NULL, NULL, 0 },
};
