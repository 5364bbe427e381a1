"""TLS on both sides: verified always, never guessed (H5)."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

from kit import Daemon, Skip, equal, eventually, need, scratch, shared_site

MADE = []


def certificates():
    """A folder with ca.pem, good.pem (localhost, 127.0.0.1), other.pem (elsewhere), old.pem (expired), self.pem, each with .key"""
    if MADE:
        return MADE[0]
    if shutil.which("openssl") is None:
        raise Skip("openssl makes the certificates")
    folder = scratch("settle-tls-")

    def run(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=test ca")
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "self.key", "-out", "self.pem", "-days", "30", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name, names, dates in (("good", "DNS:localhost,IP:127.0.0.1", ("-days", "30")), ("other", "DNS:elsewhere.example", ("-days", "30")), ("old", "DNS:localhost,IP:127.0.0.1", ("-days", "-1"))):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-extfile", "ext", *dates)
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o600)
    MADE.append(folder)
    return folder


class Secure:
    """A participant that answers 200 over TLS."""

    def __init__(self, name, version=None):
        folder = certificates()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key"))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        self.context, self.requests = context, []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            raw, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        try:
            with self.context.wrap_socket(raw, server_side=True) as c:
                while data := c.recv(65536):
                    self.requests.append(data)
                    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (OSError, ssl.SSLError):
            pass


def daemon():
    return Daemon(settings={"egress": {"ca": os.path.join(certificates(), "ca.pem")}}).start()


def test_a_verified_participant_is_called():
    d, p, s = daemon(), Secure("good"), shared_site()
    for i, host in enumerate(("127.0.0.1", "localhost")):
        d.run(s.saga({"id": "a", "action": f"https://{host}:{p.port}/x"}, {"id": "b", "action": f"https://{host}:{p.port}/y"}, name=f"{i}"))
    equal(len(p.requests), 4)


def test_wrong_certificates_are_never_talked_to():
    d, s = daemon(), shared_site()
    for name in ("other", "old", "self"):
        p = Secure(name)
        d.submit(s.saga({"id": "a", "action": f"https://localhost:{p.port}/x", "retry": {"first": "50ms", "max": "50ms"}}, name=name, deadline="1m"))
        t = eventually(lambda name=name: (lambda t: t if t["attention"] else None)(d.show(s.gid(name))), 10)
        equal(p.requests, [], name, t)
        need("certif" in str(t).lower() or "tls" in str(t).lower(), "the reason says why", t)


def test_plain_answers_on_a_tls_port_are_unknown():
    d, s = daemon(), shared_site()
    d.submit(s.saga({"id": "a", "action": s.url("a").replace("http:", "https:"), "retry": {"first": "50ms", "max": "50ms"}}, deadline="1m"))
    eventually(lambda: d.show(s.gid())["attention"], 10)


def test_old_protocols_are_refused():
    d, s = daemon(), shared_site()
    try:
        p = Secure("good", ssl.TLSVersion.TLSv1_1)
    except ValueError:
        raise Skip("this Python has no TLS 1.1") from None
    d.submit(s.saga({"id": "a", "action": f"https://localhost:{p.port}/x", "retry": {"first": "50ms", "max": "50ms"}}, deadline="1m"))
    eventually(lambda: d.show(s.gid())["attention"], 10)
    equal(p.requests, [])


def secure_daemon(**more):
    return secure_daemon_with({}, **more)


def secure_daemon_with(settings, **more):
    folder = certificates()
    d = Daemon(settings={"listen": {"tls_cert": os.path.join(folder, "good.pem"), "tls_key": os.path.join(folder, "good.key"), **more}, **settings})
    d.ready = lambda: d.process.poll() is not None or "settled 0.1.0" in d.log()
    d.start()
    need(d.alive(), d.log())
    return d


def ask(d, context, request=b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
    with socket.create_connection(("127.0.0.1", d.port), timeout=5) as raw, context.wrap_socket(raw, server_hostname="localhost") as c:
        c.sendall(request)
        data = b""
        while piece := c.recv(65536):
            data += piece
        return data, c.version()


def test_the_api_speaks_tls():
    d = secure_daemon()
    context = ssl.create_default_context(cafile=os.path.join(certificates(), "ca.pem"))
    data, version = ask(d, context)
    need(data.startswith(b"HTTP/1.1 200"), data.decode())
    need(version in ("TLSv1.2", "TLSv1.3"), version)


def test_the_api_refuses_old_tls_and_plain_text():
    d = secure_daemon()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        ask(d, context)
        raise AssertionError("TLS 1.1 was accepted")
    except (ssl.SSLError, OSError, ValueError):
        pass
    with socket.create_connection(("127.0.0.1", d.port), timeout=5) as c:
        c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            got = c.recv(100)
        except OSError:
            got = b""
        need(not got.startswith(b"HTTP/1.1 200"), repr(got))
    need(d.alive())


def test_a_client_certificate_can_be_asked_for():
    folder = certificates()
    d = secure_daemon(client_ca=os.path.join(folder, "ca.pem"))
    context = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
    try:
        data, _ = ask(d, context)
    except (ssl.SSLError, OSError):
        data = b""
    equal(data, b"", "without a certificate")
    context.load_cert_chain(os.path.join(folder, "good.pem"), os.path.join(folder, "good.key"))
    need(ask(d, context)[0].startswith(b"HTTP/1.1 200"))
    stranger = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
    stranger.load_cert_chain(os.path.join(folder, "self.pem"), os.path.join(folder, "self.key"))
    try:
        data, _ = ask(d, stranger)
    except (ssl.SSLError, OSError):
        data = b""
    equal(data, b"", "with a stranger's certificate")


def test_a_key_that_others_can_read_is_refused():
    folder = certificates()
    key = os.path.join(scratch(), "open.key")
    shutil.copy(os.path.join(folder, "good.key"), key)
    os.chmod(key, 0o644)
    d = Daemon(settings={"listen": {"tls_cert": os.path.join(folder, "good.pem"), "tls_key": key}})
    d.spawn()
    need(d.wait_exit() > 0, d.log())
    need(key in d.log(), d.log())


def test_a_key_that_does_not_fit_is_refused():
    folder = certificates()
    d = Daemon(settings={"listen": {"tls_cert": os.path.join(folder, "good.pem"), "tls_key": os.path.join(folder, "other.key")}})
    d.spawn()
    need(d.wait_exit() > 0, d.log())


def test_half_a_handshake_is_cut():
    d = secure_daemon_with({"limits": {"idle": "1s"}})
    with socket.create_connection(("127.0.0.1", d.port), timeout=20) as c:
        c.sendall(b"\x16\x03\x01\x02\x00\x01")
        begin = time.monotonic()
        try:
            while c.recv(100):
                pass
        except OSError:
            pass
        need(time.monotonic() - begin < 10, "still open")
    need(d.alive())
