"""kill -9, restart, power: what was acknowledged stays (G2, G3, P1, P7, P8)."""

import os
import random
import shutil
import signal
import socket
import time

from kit import (Client, Daemon, Gate, Silence, equal, eventually, free_port, less, limit, need, problem, scratch, shared_site)


def test_an_accepted_saga_is_finished_after_a_kill():
    d, s = Daemon().start(), shared_site()
    gate = s.on("b/do", Gate())
    equal(d.submit(s.saga(s.step("a"), s.step("b"), s.step("c"))).status, 202)
    eventually(lambda: s.calls("b/do"))
    d.kill()
    gate.open()
    d.start()
    t = d.until(s.gid(), "committed")
    equal([b["action"] for b in t["branches"]], ["done"] * 3, t)
    equal(len(s.calls("a/do")), 1, "a was recorded")
    keys = {c.headers["idempotency-key"] for c in s.calls("b/do")}
    equal(len(keys), 1)


def test_an_accepted_tcc_is_finished_after_a_kill_in_phase_two():
    d, s = Daemon().start(), shared_site()
    gate = s.on("b/confirm", Gate())
    d.submit(s.tcc(s.part("a"), s.part("b")))
    eventually(lambda: s.calls("b/confirm"))
    d.kill()
    gate.open()
    d.start()
    d.until(s.gid(), "committed")
    equal([p for p in s.paths() if "cancel" in p], [])


def test_a_rollback_goes_on_after_a_kill():
    d, s = Daemon().start(), shared_site()
    s.on("b/do", 409)
    gate = s.on("a/undo", Gate())
    d.submit(s.saga(s.step("a"), s.step("b")))
    eventually(lambda: s.calls("a/undo"))
    d.kill()
    gate.open()
    d.start()
    t = d.until(s.gid(), "rolled_back")
    equal(t["reason"]["branch"], "b", t)
    equal(len(s.calls("b/do")), 1)


def test_a_deadline_that_passed_while_down_fires():
    d, s = Daemon().start(), shared_site()
    s.on("b/do", 500)
    d.submit(s.saga(s.step("a"), s.step("b"), deadline="1s"))
    eventually(lambda: s.calls("b/do"))
    d.kill()
    time.sleep(1.2)
    d.start()
    d.until(s.gid(), "rolled_back")


def test_everything_acknowledged_survives_twenty_kills():
    d, s = Daemon().start(), shared_site()
    chance = random.Random(7)
    accepted, number = [], 0
    for _ in range(20):
        for _ in range(chance.randrange(1, 25)):
            gid = f"{number}"
            number += 1
            if d.submit(s.saga(s.step("a"), s.step("b"), name=gid)).status in (200, 202):
                accepted.append(s.gid(gid))
        d.restart()
    for gid in accepted:
        d.until(gid, "committed")
    for gid in accepted:
        do = [c for c in s.calls() if c.gid == gid]
        equal({c.path for c in do}, {s.prefix + "a/do", s.prefix + "b/do"})


def test_finished_ones_are_readable_after_restart():
    d, s = Daemon().start(), shared_site()
    s.on("no/do", 409)
    for i in range(30):
        d.run(s.saga(s.step("a"), name=f"{i}", labels={"n": f"{i}"}))
    d.run(s.saga(s.step("a"), s.step("no"), name="r"), "rolled_back")
    before = {g: d.show(g) for g in [s.gid(str(i)) for i in range(30)] + [s.gid("r")]}
    for kill in (True, False):
        d.restart(kill=kill)
        for gid, t in before.items():
            equal(d.show(gid), t)
        equal(len(d.get("/v1/transactions?limit=200").json["items"]), 31)
    again = d.submit(s.saga(s.step("a"), name="5", labels={"n": "5"}))
    equal((again.status, again.json["status"]), (200, "committed"), again)
    problem(d.submit(s.saga(s.step("b"), name="5")), 409)
    equal(len([c for c in s.calls() if c.gid == s.gid("5")]), 1)


def test_sigterm_ends_with_0_and_loses_nothing():
    d, s = Daemon().start(), shared_site()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a")))
    eventually(s.calls)
    gate.open()
    equal(d.stop(), 0)
    d.start()
    d.until(s.gid(), "committed")


def test_sigterm_is_not_held_up_by_a_hanging_participant():
    d, s = Daemon().start(), shared_site()
    s.on("a/do", Silence(60), 200)
    d.submit(s.saga({"id": "a", "action": {"url": s.url("a/do"), "timeout": "60s"}}))
    eventually(s.calls)
    begin = time.monotonic()
    equal(d.stop(), 0)
    less(time.monotonic() - begin, 20)
    d.start()
    d.until(s.gid(), "committed")


def test_sigterm_is_not_held_up_by_idle_connections():
    d = Daemon().start()
    kept = [d.client() for _ in range(5)]
    for client in kept:
        equal(client.request("GET", "/healthz").status, 200)
    fresh = socket.create_connection(("127.0.0.1", d.port))
    time.sleep(0.1)
    d.signal(signal.SIGTERM)
    begin = time.monotonic()
    equal(d.wait_exit(), 0)
    less(time.monotonic() - begin, 3)
    fresh.close()


def test_sigterm_answers_a_waiting_client():
    import threading
    d, s = Daemon().start(), shared_site()
    s.on("a/do", Gate())
    got = []

    def wait():
        try:
            got.append(d.client().request("POST", "/v1/transactions?wait=30s", s.saga(s.step("a"))))
        except OSError as e:
            got.append(e)

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(s.calls)
    d.stop()
    thread.join(10)
    need(got and not isinstance(got[0], OSError) and got[0].status in (202, 503), str(got))


def test_a_second_daemon_on_the_same_data_exits_75():
    d = Daemon().start()
    other = Daemon(data=d.data)
    other.spawn()
    equal(other.wait_exit(), 75, other.log())
    need(d.data in other.log() or "lock" in other.log().lower(), other.log())
    equal(d.get("/healthz").status, 200)
    d.stop()
    other.start()


def test_an_occupied_port_is_said():
    d = Daemon().start()
    other = Daemon()
    other.port = d.port
    other.spawn()
    need(other.wait_exit() != 0)
    need(str(d.port) in other.log(), other.log())


def watermark(d, s):
    """A data directory, and an older copy of its databases."""
    for i in range(5):
        d.run(s.saga(s.step("a"), name=f"old{i}"))
    d.stop()
    old = os.path.join(scratch(), "old")
    shutil.copytree(d.data, old)
    d.start()
    for i in range(20):
        d.run(s.saga(s.step("a"), name=f"new{i}"))
    d.kill()
    return old


def test_a_database_behind_its_watermark_refuses_to_start():
    d, s = Daemon().start(), shared_site()
    old = watermark(d, s)
    for name in os.listdir(old):
        if ".db" in name:
            shutil.copy2(os.path.join(old, name), os.path.join(d.data, name))
    for name in os.listdir(d.data):
        if ".db" in name and not os.path.exists(os.path.join(old, name)):
            os.unlink(os.path.join(d.data, name))
    d.spawn()
    code = d.wait_exit()
    need(code not in (0, 75, -signal.SIGSEGV, -signal.SIGABRT), code, d.log())
    need("settle store" in d.log() or "behind" in d.log(), d.log())


def test_a_damaged_database_is_never_silently_used():
    d, s = Daemon().start(), shared_site()
    for i in range(50):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    d.kill()
    path = os.path.join(d.data, "journal.db-wal")
    if not os.path.exists(path):
        path = os.path.join(d.data, "journal.db")
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.seek(size // 2)
        byte = f.read(1)
        f.seek(size // 2)
        f.write(bytes([byte[0] ^ 0x40]))
    d.spawn()
    end = time.monotonic() + 10
    while time.monotonic() < end and d.alive():
        try:
            if d.ready():
                break
        except (OSError, RuntimeError):
            break
        time.sleep(0.05)
    if d.alive():
        d.connection = d.client()
        for i in range(50):
            equal(d.status(s.gid(str(i))), "committed", "it started, so nothing may be missing")
    else:
        need(d.process.returncode > 0, d.process.returncode, d.log_tail())


@limit(180)
def test_retention_purges_finished_rows_only():
    d, s = Daemon(settings={"store": {"retain_finished": "1m", "retain_failed": "1m"}}).start(), shared_site()
    s.on("open/do", 500)
    for i in range(20):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    d.submit(s.saga(s.step("open"), name="open", deadline="1h"))
    equal(d.status(s.gid("0")), "committed")
    eventually(lambda: all(d.get(f"/v1/transactions/{s.gid(str(i))}").status == 404 for i in range(20)), 150, 2)
    equal(d.status(s.gid("open")), "active")
    d.run(s.saga(s.step("b"), name="0"))
    d.restart()
    equal(d.status(s.gid("open")), "active")
    equal(d.status(s.gid("0")), "committed")


def test_readiness_and_health():
    d = Daemon().start()
    equal(d.get("/healthz").status, 200)
    equal(d.get("/readyz").status, 200)
    port = d.port
    d.stop()
    try:
        Client("127.0.0.1", port, timeout=2).request("GET", "/healthz")
        raise AssertionError("still answers after SIGTERM")
    except OSError:
        pass


def test_the_data_directory_is_private():
    d, s = Daemon(auth=True).start(), shared_site()
    d.run(s.saga(s.step("a")))
    equal(os.stat(os.path.join(d.data, "token")).st_mode & 0o777, 0o600)
    for root, _, names in os.walk(d.data):
        for name in names:
            mode = os.stat(os.path.join(root, name)).st_mode
            equal(mode & 0o077, 0, name)
            if name != "token":
                need("token" not in name, "no other path contains token", name)


def test_a_data_directory_that_cannot_be_made_is_said():
    d = Daemon(data="/proc/nowhere/data")
    d.spawn()
    need(d.wait_exit() not in (0, -11, -6), d.log())
    need("/proc/nowhere" in d.log(), d.log())


def test_an_unknown_argument_is_a_usage_error():
    d = Daemon(arguments=["--frobnicate"])
    d.spawn()
    need(d.wait_exit() in (2, 64), d.exit, d.log())
    need("frobnicate" in d.log(), d.log())


@limit(120)
def test_a_restart_storm():
    d, s = Daemon().start(), shared_site()
    chance = random.Random(3)
    for i in range(30):
        d.submit(s.saga(*[s.step(f"s{k}") for k in range(5)], name=f"{i}"))
    for _ in range(15):
        d.kill()
        d.spawn()
        time.sleep(chance.uniform(0.0, 0.25))
    d.kill()
    d.start()
    for i in range(30):
        d.until(s.gid(str(i)), "committed", 30)
    free_port()
