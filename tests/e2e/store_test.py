"""Backup, verify, restore, compact: with the command and by hand (design.md 4 (21))."""

import contextlib
import os
import sqlite3
import threading

from kit import Daemon, Gate, equal, eventually, limit, need, problem, run_settle, scratch, shared_site


def backup(d, path):
    done = run_settle("store", "backup", path, daemon=d)
    equal(done.returncode, 0, done.stdout, done.stderr)


def databases(path):
    """A backup is one file, or a folder of them."""
    if os.path.isfile(path):
        return [path]
    return [os.path.join(root, n) for root, _, names in os.walk(path) for n in names if n.endswith(".db")]


def test_a_backup_is_whole_and_readable_with_sqlite():
    d, s = Daemon(auth=True).start(), shared_site()
    for i in range(20):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    path = os.path.join(scratch(), "backup")
    backup(d, path)
    need(os.path.exists(path), "the backup is there")
    for name in databases(path):
        with open(name, "rb") as f:
            if f.read(15) != b"SQLite format 3":
                continue
        with sqlite3.connect(name) as connection:
            equal(connection.execute("pragma integrity_check").fetchone()[0], "ok", name)


@limit(120)
def test_a_backup_under_load_restores_to_a_consistent_state():
    d, s = Daemon(auth=True).start(), shared_site()
    gate = s.on("open/do", Gate())
    for i in range(30):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    d.submit(s.saga(s.step("open"), name="open", deadline="1h"))
    eventually(lambda: s.calls("open/do"))
    stop = threading.Event()

    def load():
        client, i = d.client(), 0
        while not stop.is_set():
            client.request("POST", "/v1/transactions", s.saga(s.step("a"), name=f"load{i}"))
            i += 1
        client.close()

    thread = threading.Thread(target=load)
    thread.start()
    path = os.path.join(scratch(), "backup")
    try:
        backup(d, path)
    finally:
        stop.set()
        thread.join()
    done = run_settle("store", "verify", path)
    equal(done.returncode, 0, done.stdout, done.stderr)
    d.kill()
    gate.open()
    restored = os.path.join(scratch(), "data")
    done = run_settle("store", "restore", path, "--data", restored, "--yes")
    equal(done.returncode, 0, done.stdout, done.stderr)
    fresh = Daemon(auth=True, data=restored).start()
    for i in range(30):
        equal(fresh.status(s.gid(str(i))), "committed")
    fresh.until(s.gid("open"), "committed")
    fresh.stop()
    done = run_settle("store", "verify", "--data", restored)
    equal(done.returncode, 0, done.stdout, done.stderr)


def test_verify_does_not_disturb_a_running_daemon():
    d, s = Daemon(auth=True).start(), shared_site()
    for i in range(10):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    run_settle("store", "verify", "--data", d.data)
    for i in range(10, 20):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    d.restart()
    for i in range(20):
        equal(d.status(s.gid(str(i))), "committed")
    d.stop()
    done = run_settle("store", "verify", "--data", d.data)
    equal(done.returncode, 0, done.stdout, done.stderr)


def test_verify_finds_damage():
    d, s = Daemon(auth=True).start(), shared_site()
    for i in range(30):
        d.run(s.saga(s.step("a", body={"x": "y" * 2000}), name=f"{i}"))
    path = os.path.join(scratch(), "backup")
    backup(d, path)
    victims = databases(path)
    need(victims, os.listdir(os.path.dirname(path)))
    victim = max(victims, key=os.path.getsize)
    with open(victim, "r+b") as f:
        f.seek(os.path.getsize(victim) // 2)
        f.write(b"\xa5" * 4096)
    done = run_settle("store", "verify", path)
    need(done.returncode not in (0, 2), done.returncode, done.stdout, done.stderr)


def test_restore_never_overwrites_a_store():
    d, s = Daemon(auth=True).start(), shared_site()
    d.run(s.saga(s.step("a")))
    path = os.path.join(scratch(), "backup")
    backup(d, path)
    done = run_settle("store", "restore", path, "--data", d.data, "--yes")
    need(done.returncode != 0, "restored over a running daemon", done.stdout)
    d.run(s.saga(s.step("a"), name="y"))
    d.stop()
    done = run_settle("store", "restore", path, "--data", d.data)
    need(done.returncode != 0, "restored over a store without being told to", done.stdout)


def test_backup_needs_admin():
    d = Daemon(auth=True).start()
    made = d.post("/v1/tokens", {"name": "watcher", "roles": ["viewer"]})
    need(made.status in (200, 201), made)
    problem(d.get("/v1/store/backup", token=made.json["token"]), 403)
    problem(d.get("/v1/store/backup", token=None), 401)


def test_compact_of_a_stopped_store():
    d, s = Daemon(auth=True).start(), shared_site()
    for i in range(30):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    d.stop()
    done = run_settle("store", "compact", "--data", d.data, "--yes")
    equal(done.returncode, 0, done.stdout, done.stderr)
    d.start()
    for i in range(30):
        equal(d.status(s.gid(str(i))), "committed")


def test_a_stopped_store_is_plain_sqlite():
    d, s = Daemon(auth=True).start(), shared_site()
    for i in range(10):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    d.stop()
    with sqlite3.connect(f"file:{d.data}/history.db?mode=ro", uri=True) as connection:
        tables = [r[0] for r in connection.execute("select name from sqlite_master where type='table'")]
        need(tables, "history.db has tables")
        text = ""
        for table in tables:
            for row in connection.execute(f'select * from "{table}"'):
                text += repr(row)
        need(s.gid("3") in text and "committed" in text, "gid and status can be read")


def hashes(data):
    with contextlib.closing(sqlite3.connect(f"file:{data}/history.db?mode=ro", uri=True)) as connection:
        return dict(connection.execute("select key, key_hash from transactions"))


def test_two_stores_hash_a_gid_differently_and_copies_alike():
    """H15: nobody can aim at the rows of a store, and its rows are found wherever it goes."""
    s, found = shared_site(), []
    for _ in range(2):
        d = Daemon(auth=True).start()
        for i in range(5):
            d.run(s.saga(s.step("a"), name=f"{i}"))
        path = os.path.join(scratch(), "backup")
        backup(d, path)
        d.stop()
        found.append((hashes(d.data), path))
    one, other = found[0][0], found[1][0]
    equal(set(one), {s.gid(str(i)) for i in range(5)})
    equal(set(one), set(other))
    equal([g for g in one if one[g] == other[g]], [], "the same hash in two stores")
    restored = os.path.join(scratch(), "data")
    done = run_settle("store", "restore", found[1][1], "--data", restored, "--yes")
    equal(done.returncode, 0, done.stdout, done.stderr)
    d, calls = Daemon(auth=True, data=restored).start(), len(s.calls())
    for i in range(5):
        answer = d.submit(s.saga(s.step("a"), name=f"{i}"))
        equal((answer.status, answer.json["status"]), (200, "committed"), answer)
    equal(len(s.calls()), calls, "a repeat was taken for a new one")
    d.stop()
    equal(hashes(restored), other)
