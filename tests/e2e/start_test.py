"""The start matrix: every unsafe combination refuses to start, and nothing is open by default (H1)."""

import itertools
import os
import re
import socket
import subprocess
import time

from kit import ROOT, SETTLED, Client, Daemon, equal, eventually, free_port, limit, need, scratch
from kit.certificates import Authority

LOOPBACK = ("127.0.0.1", "[::1]", "localhost", "127.8.8.8")
BEYOND = ("0.0.0.0", "[::]", "[::ffff:0.0.0.0]")
EVIL = (0, -6, -11)


class Trial:
    """One start with these settings as flags."""

    def __init__(self, host, *flags):
        self.directory = scratch()
        self.port = free_port()
        self.log = open(os.path.join(self.directory, "log"), "w+b")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SETTLE")}
        self.process = subprocess.Popen([SETTLED, "--data", os.path.join(self.directory, "data"), "--listen", f"{host}:{self.port}", *flags],
                                        stdout=self.log, stderr=self.log, env=environment, cwd=self.directory)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def wait(self):
        """'starts' or 'refuses', and the words."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                need(self.process.returncode not in EVIL, self.process.returncode, self.said())
                return "refuses", self.said()
            if "\nsettled " in "\n" + self.said():
                self.process.kill()
                self.process.wait()
                return "starts", self.said()
            time.sleep(0.005)
        self.process.kill()
        raise AssertionError(f"neither starts nor refuses: {self.said()}")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@limit(120)
def test_the_matrix():
    authority = Authority()
    cert, key = authority.issue("settled", "DNS:localhost,IP:127.0.0.1")
    tls = (f"--listen.tls_cert={cert}", f"--listen.tls_key={key}")
    hosts = [(h, True) for h in LOOPBACK] + [(h, False) for h in BEYOND]
    for (host, loopback), no_auth, with_tls, plain in itertools.product(hosts, (False, True), (False, True), (False, True)):
        if host.startswith("[") and not has_ipv6():
            continue
        flags = (("--no-auth",) if no_auth else ()) + (tls if with_tls else ()) + (("--listen.allow_plain=true",) if plain else ())
        safe = loopback or (not no_auth and (with_tls or plain))
        verdict, said = Trial(host, *flags).wait()
        equal(verdict, "starts" if safe else "refuses", host, flags, said)
        if verdict == "refuses":
            need("listen.api" in said and ("TLS" in said or "tls" in said or "loopback" in said), "the refusal says what to do", said)
        if safe and no_auth:
            need("no-auth" in said, said)
        if safe and not loopback and not with_tls:
            need("allow-plain" in said, said)


def test_halves_of_tls_refuse():
    authority = Authority()
    cert, key = authority.issue("settled", "IP:127.0.0.1")
    other_cert, other_key = authority.issue("other", "IP:127.0.0.1")
    garbage = authority.file("garbage.pem", "-----BEGIN NOTHING-----\n", 0o600)
    for flags, word in (((f"--listen.tls_cert={cert}",), "listen.tls_key"),
                        ((f"--listen.tls_key={key}",), "listen.tls_cert"),
                        ((f"--listen.client_ca={authority.ca}",), "listen.tls_cert"),
                        ((f"--listen.tls_cert={cert}", f"--listen.tls_key={other_key}"), other_key),
                        ((f"--listen.tls_cert={garbage}", f"--listen.tls_key={key}"), garbage),
                        ((f"--listen.tls_cert={cert}", f"--listen.tls_key={garbage}"), garbage),
                        ((f"--listen.tls_cert={cert}", f"--listen.tls_key={key}", f"--listen.client_ca={garbage}"), garbage),
                        ((f"--listen.tls_cert={cert}x", f"--listen.tls_key={key}"), f"{cert}x"),
                        ((f"--listen.tls_cert={cert}", f"--listen.tls_key={key}x"), f"{key}x"),
                        ((f"--egress.ca={garbage}",), garbage),
                        ((f"--egress.ca={garbage}x",), garbage)):
        verdict, said = Trial("127.0.0.1", *flags).wait()
        equal(verdict, "refuses", flags, said)
        need(word in said, flags, word, said)


def test_a_key_that_others_can_read_refuses():
    authority = Authority()
    cert, key = authority.issue("settled", "IP:127.0.0.1")
    for mode in (0o640, 0o604, 0o660, 0o644):
        os.chmod(key, mode)
        verdict, said = Trial("127.0.0.1", f"--listen.tls_cert={cert}", f"--listen.tls_key={key}").wait()
        equal(verdict, "refuses", oct(mode), said)
        need(key in said and "chmod 600" in said, said)


def test_senseless_addresses_refuse():
    for host in ("", "256.0.0.1", "example.com", "0x7f000001", "2130706433", "127.1", "[::1", "::1]", "[fe80::1%lo]", "127.0.0.1 "):
        verdict, said = Trial(host).wait()
        equal(verdict, "refuses", host, said)


def test_nothing_but_the_open_pages_without_a_token():
    d = Daemon(auth=True).start()
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/problems/not-found", 200), ("/v1/info", 401), ("/metrics", 401), ("/openapi.json", 401), ("/", 401), ("/problems", 401),
                         ("/no/such/path", 401)):
        answer = d.get(path, token=None)
        need(answer.status == status or (status == 401 and answer.status == 404), path, answer)
    names = [t["name"] for t in d.get("/v1/tokens").json["items"]]
    equal(names, ["admin"])


def test_bad_credentials_look_alike():
    """No token, a wrong one, one that has expired: the same answer but for its own identity."""
    d = Daemon(auth=True).start()
    made = d.post("/v1/tokens", {"name": "short", "roles": ["viewer"], "expires": "1s"}).json
    time.sleep(1.2)
    bodies = set()
    for token in (None, "x", "stl_" + "A" * 43, made["token"], d.token[:-1], d.token + "x"):
        answer = d.get("/v1/info", token=token)
        equal(answer.status, 401, answer)
        body = answer.json
        body.pop("trace_id", None)
        bodies.add(re.sub(r"\s+", " ", str(sorted(body.items()))))
    equal(len(bodies), 1, *bodies)


def test_no_two_daemons_share_a_credential():
    a, b = Daemon(auth=True).start(), Daemon(auth=True).start()
    need(a.token != b.token)
    equal(Client("127.0.0.1", b.port, a.token).request("GET", "/v1/info").status, 401)
    for name in ("signing-secret", "token"):
        with open(os.path.join(a.data, name), encoding="ascii") as one, open(os.path.join(b.data, name), encoding="ascii") as two:
            need(one.read() != two.read(), name)


def test_no_credential_in_the_tree():
    """Nothing that is built, packaged or shown as an example holds a bearer string or a signing secret."""
    secret = re.compile(r"whsec_[A-Za-z0-9+/]{32,}={0,2}|stl_[A-Za-z0-9_-]{43}|-----BEGIN (RSA |EC )?PRIVATE KEY")
    for top in ("packaging", "docs", "include", "src", "README.md", "Makefile", "tools"):
        path = os.path.join(ROOT, top)
        files = [path] if os.path.isfile(path) else [os.path.join(r, n) for r, _, names in os.walk(path) for n in names]
        for file in files:
            if file.endswith(("_test.c", "_test.h", ".pyc")):
                continue
            with open(file, encoding="utf-8", errors="replace") as f:
                found = secret.search(f.read())
            need(not found, f"{os.path.relpath(file, ROOT)}: {found and found.group()}")
    with open(SETTLED, "rb") as f:
        found = re.search(secret.pattern.encode(), f.read())
    need(not found, f"settled: {found and found.group()}")
    done = subprocess.run([SETTLED, "--print-defaults"], capture_output=True, text=True, check=True)
    need('token = "";' in done.stdout and 'signing_secret = "";' in done.stdout and "required = true" in done.stdout)


def test_the_daemon_listens_where_it_says_and_nowhere_else():
    d = Daemon(auth=True).start()
    inodes = {os.readlink(f"/proc/{d.process.pid}/fd/{n}") for n in os.listdir(f"/proc/{d.process.pid}/fd")}
    heard = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as f:
            for line in f.read().splitlines()[1:]:
                parts = line.split()
                if f"socket:[{parts[9]}]" in inodes and (parts[3] == "0A" or table.startswith("udp")):
                    heard.append((table, parts[1]))
    equal(heard, [("tcp", f"0100007F:{d.port:04X}")])
    eventually(d.ready)
