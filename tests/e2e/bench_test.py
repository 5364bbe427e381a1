"""settle bench against a real settled: every way in, no errors, nothing left behind."""

import json

from kit import contains, equal, need, run_settle, shared_daemon


def bench(*arguments):
    # The daemon's token comes by the environment, its address too.
    return run_settle("bench", "-o", "json", "--clients", "8", "--duration", "300ms", "--warmup", "50ms", *arguments, daemon=shared_daemon())


def measured(*arguments):
    done = bench(*arguments)
    equal(done.returncode, 0, done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_messages_are_measured_in_every_way():
    daemon = shared_daemon()
    for mode, count in (("half", 1), ("half", 2), ("publish", 1), ("pull", 1)):
        figures = measured("--mode", mode, "--branches", str(count))
        equal((figures["mode"], figures["errors"], figures["branches"]), (mode, 0, count), figures)
        need(figures["messages"] > 20, figures)
        need(figures["daemon_cpu_us"] > 0, figures)
        need(figures["p50_us"] <= figures["p99_us"] <= figures["max_us"], figures)
    equal(daemon.get("/v1/subscriptions").json["items"], [])
    counted = daemon.get("/v1/messages?limit=1").json["items"]
    contains(counted[0]["topic"], "bench.")


def test_transactions_are_measured_as_before():
    for mode in ("saga", "tcc"):
        figures = measured("--mode", mode)
        equal((figures["errors"], figures["branches"]), (0, 2), figures)
        need(figures["transactions"] > 20, figures)


def test_what_the_machine_could_do_without_settled():
    for arguments in (("http", "--mode", "pull"), ("http", "--mode", "half"), ("--floor", "--mode", "publish")):
        need(measured(*arguments)["messages"] > 20, arguments)


def test_what_makes_no_sense_is_refused():
    for arguments, word in ((("--mode", "queue"), "half, publish or pull"), (("--mode", "pull", "--floor"), "nobody to pull from"),
                            (("--mode", "pull", "--branches", "2"), "1")):
        done = bench(*arguments)
        equal(done.returncode, 2, done.stdout, done.stderr)
        contains(done.stderr, word)
