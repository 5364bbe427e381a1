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

const struct flag demo_flags[] = {
    { "fail", "BRANCH", "this branch refuses: order, stock, points, car, hotel or charge", 0 },
    { "crash", NULL, "kill settled between decision and confirm, and start it again", 0 },
    { "all", NULL, "the good case, a refusal and a crash in one go", 0 },
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
    { "role", "ROLE", "viewer, producer, operator, approver or admin; may be repeated", 'r' },
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
    { "mode", "MODE", "saga (default) or tcc", 'm' },
    { "branches", "N", "branches per transaction (2)", 'b' },
    { "clients", "N", "transactions in flight (64)", 'c' },
    { "rate", "N", "transactions per second (default: as fast as they are answered)", 0 },
    { "duration", "DURATION", "how long to measure (10s)", 'd' },
    { "warmup", "DURATION", "how long to run before measuring (1s)", 0 },
    { "url", "URL", "settled's address (--server)", 'u' },
    { "pid", "PID", "settled's process; without it its CPU and memory are read from /metrics", 0 },
    { "participant-delay", "DURATION", "participants answer after this long (0ms)", 0 },
    { "waiting", "N", "first leave N sagas that wait an hour for a participant (default: none)", 0 },
    { "floor", NULL, "call the participants directly, without a coordinator", 0 },
    { NULL, NULL, NULL, 0 },
};
