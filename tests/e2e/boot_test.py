"""Booting in every state that a machine can be left in (H1, H11, CP12, CP13)."""

import os
import random
import re
import signal
import socket
import subprocess
import time

from kit import Client, Daemon, Gate, SETTLED, equal, eventually, limit, need, scratch, shared_site


def refuses(d, *words):
    d.spawn()
    code = d.wait_exit(15)
    need(code > 0, f"ended with {code}", d.log())
    for word in words:
        need(word in d.log(), f"{word} is not named", d.log())


@limit(120)
def test_a_first_start_that_is_killed_again_and_again():
    chance = random.Random(11)
    d = Daemon(auth=True)
    for _ in range(40):
        d.spawn()
        time.sleep(chance.uniform(0.0, 0.06))
        d.kill()
    d.start()
    need(len(d.token) >= 32, d.token)
    equal(d.get("/v1/info").status, 200)
    s = shared_site()
    d.run(s.saga(s.step("a")))


def test_an_empty_token_file_opens_nothing():
    d = Daemon(auth=True).start()
    d.stop()
    with open(os.path.join(d.data, "token"), "w", encoding="ascii"):
        pass
    d.token = None
    d.spawn()
    end = time.monotonic() + 10
    while d.process.poll() is None and time.monotonic() < end:
        try:
            if Client("127.0.0.1", d.port, timeout=2).request("GET", "/readyz").status == 200:
                break
        except OSError:
            pass
        time.sleep(0.02)
    if d.process.poll() is None:
        for value in ("Bearer ", "Bearer", "", "Bearer \t"):
            equal(Client("127.0.0.1", d.port).request("GET", "/v1/info", headers={"Authorization": value}, token=None).status, 401, repr(value))
    else:
        need(d.process.returncode > 0 and "token" in d.log(), d.log())


def test_a_token_file_that_others_can_read_is_refused():
    d = Daemon(auth=True).start()
    d.stop()
    os.chmod(os.path.join(d.data, "token"), 0o644)
    refuses(d, "token")


def test_a_signing_secret_that_others_can_read_is_refused():
    d = Daemon(auth=True).start()
    d.stop()
    name = next(n for n in os.listdir(d.data) if "secret" in n)
    os.chmod(os.path.join(d.data, name), 0o644)
    refuses(d, name)


def test_a_malformed_signing_secret_is_refused():
    d = Daemon(auth=True).start()
    d.stop()
    name = next(n for n in os.listdir(d.data) if "secret" in n)
    with open(os.path.join(d.data, name), "w", encoding="ascii") as f:
        f.write("whsec_short\n")
    refuses(d, name)
    need("whsec_short" not in d.log(), "the secret is not shown")


def test_data_that_is_a_file():
    path = os.path.join(scratch(), "data")
    with open(path, "w", encoding="ascii") as f:
        f.write("hello")
    refuses(Daemon(data=path), path)
    with open(path, encoding="ascii") as f:
        equal(f.read(), "hello")


def test_databases_that_are_something_else():
    for name in ("journal.db", "history.db"):
        d = Daemon()
        os.makedirs(d.data, mode=0o700)
        path = os.path.join(d.data, name)
        with open(path, "wb") as f:
            f.write(b"this is not a database, it is somebody's diary " * 1000)
        os.chmod(path, 0o600)
        refuses(d)
        with open(path, "rb") as f:
            need(f.read().startswith(b"this is not"), "it was overwritten")


def test_half_of_a_store_is_refused():
    for name in ("journal.db", "history.db"):
        d, s = Daemon().start(), shared_site()
        for i in range(5):
            d.run(s.saga(s.step("a"), name=f"{i}"))
        d.stop()
        os.unlink(os.path.join(d.data, name))
        refuses(d)


def test_databases_of_two_stores_are_refused():
    a, b, s = Daemon().start(), Daemon().start(), shared_site()
    a.run(s.saga(s.step("a"), name="a"))
    b.run(s.saga(s.step("a"), name="b"))
    a.stop()
    b.stop()
    os.replace(os.path.join(b.data, "history.db"), os.path.join(a.data, "history.db"))
    refuses(a)


def test_port_0_is_chosen_and_said():
    d = Daemon()
    d.port = 0
    d.spawn()
    found = eventually(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", d.log()), 10)
    equal(Client("127.0.0.1", int(found.group(1))).request("GET", "/healthz").status, 200)


def test_it_listens_on_ipv6():
    process = subprocess.Popen([SETTLED, "--no-auth", "--data", os.path.join(scratch(), "data"), "--listen", "[::1]:0"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"http://\[::1\]:(\d+)", line)
            if found:
                with socket.create_connection(("::1", int(found.group(1))), timeout=5) as c:
                    c.sendall(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
                    need(c.recv(100).startswith(b"HTTP/1.1 200"))
                return
        raise AssertionError("no address was said")
    finally:
        process.kill()
        process.wait()


def test_a_stopped_and_continued_daemon_goes_on():
    d, s = Daemon().start(), shared_site()
    gate = s.on("b/do", Gate())
    for i in range(10):
        d.submit(s.saga(s.step("a"), s.step("b"), name=f"{i}"))
    eventually(lambda: s.calls("b/do"))
    d.signal(signal.SIGSTOP)
    other = Daemon(data=d.data)
    other.spawn()
    equal(other.wait_exit(), 75, "the lock holds while its owner sleeps")
    gate.open()
    time.sleep(2)
    d.signal(signal.SIGCONT)
    for i in range(10):
        d.until(s.gid(str(i)), "committed")


def test_sigint_stops_like_sigterm():
    d = Daemon().start()
    d.signal(signal.SIGINT)
    equal(d.wait_exit(10), 0)


def test_two_sigterms_do_no_harm():
    d, s = Daemon().start(), shared_site()
    s.on("a/do", Gate())
    d.submit(s.saga(s.step("a")))
    eventually(s.calls)
    d.signal(signal.SIGTERM)
    time.sleep(0.05)
    if d.alive():
        d.signal(signal.SIGTERM)
    need(d.wait_exit(30) in (0, -signal.SIGTERM))
    s.on("a/do", 200)
    d.start()
    d.until(s.gid(), "committed")


def test_sigpipe_and_sigusr_do_not_kill_it():
    d = Daemon().start()
    d.signal(signal.SIGPIPE)
    time.sleep(0.1)
    equal(d.get("/healthz").status, 200)


def test_a_closed_standard_error_does_no_harm():
    d, s = Daemon(), shared_site()
    d.write_settings()
    process = subprocess.Popen(["bash", "-c", 'exec "$@" 2>&- >&- <&-', "x", *d.command()], cwd=d.directory)
    d.process = process
    try:
        eventually(d.ready, 20)
        d.connection = d.client()
        d.run(s.saga(s.step("a")))
        d.signal(signal.SIGHUP)
        time.sleep(0.2)
        d.run(s.saga(s.step("a"), name="y"))
    finally:
        process.kill()
        process.wait()


def test_few_file_descriptors_do_not_break_it():
    d, s = Daemon(), shared_site()
    d.write_settings()
    process = subprocess.Popen(["bash", "-c", 'ulimit -n 64; exec "$@"', "x", *d.command()], cwd=d.directory, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    d.process = process
    try:
        eventually(lambda: process.poll() is not None or d.ready(), 20)
        if process.poll() is not None:
            need(process.returncode > 0)
            return
        held = []
        for _ in range(150):
            try:
                held.append(socket.create_connection(("127.0.0.1", d.port), timeout=1))
            except OSError:
                break
        time.sleep(0.5)
        need(process.poll() is None, "it died of too many connections")
        for c in held:
            c.close()
        d.connection = d.client(timeout=10)
        eventually(lambda: d.connection.request("GET", "/healthz", fresh=True).status == 200, 15)
        d.run(s.saga(s.step("a")))
    finally:
        process.kill()
        process.wait()


def test_it_cannot_dump_core_or_be_read_by_others():
    d = Daemon(auth=True).start()
    with open(f"/proc/{d.process.pid}/limits", encoding="ascii") as f:
        text = f.read()
    owner = os.stat(f"/proc/{d.process.pid}/maps").st_uid
    core = next(line for line in text.splitlines() if line.startswith("Max core file size")).split()[4]
    need(core == "0" or owner == 0, core, owner)
