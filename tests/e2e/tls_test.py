"""TLS both ways: what is accepted, what is refused, and new certificates without a restart (H5)."""

import http.client
import json
import os
import signal
import socket
import ssl

from kit import Answer, Daemon, Participants, Site, contains, equal, eventually, need
from kit.certificates import Authority

NAMES = "DNS:localhost,IP:127.0.0.1"


class SecureClient:
    """A fresh connection for each request; context: whom it trusts and what it shows."""

    def __init__(self, port, token, context):
        self.port, self.token, self.context = port, token, context

    def close(self):
        pass

    def request(self, method, path, body=None, headers=None, token=..., fresh=False):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.context)
        token = self.token if token is ... else token
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body=body, headers=sent | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()


class SecureDaemon(Daemon):
    """Its certificate is issued by authority for NAMES."""

    def __init__(self, authority, listen=None, context=None, **more):
        self.authority = authority
        self.files = authority.issue("settled", NAMES)
        self.context = context or ssl.create_default_context(cafile=authority.ca)
        super().__init__(settings={"listen": {"tls_cert": self.files[0], "tls_key": self.files[1], **(listen or {})}}, auth=True, **more)

    def client(self, token=..., timeout=70.0):
        return SecureClient(self.port, self.token if token is ... else token, self.context)

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"settled ended with {self.process.returncode} while starting:\n{self.log_tail()}")
        try:
            return self.client(None).request("GET", "/readyz").status == 200
        except OSError:
            return False


def shake(port, context, name="localhost"):
    """The connection after its handshake, or what it died of."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=5)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except OSError:
        raw.close()
        raise


def refused(port, context):
    """With TLS 1.3 a client learns only when it reads that its certificate was not taken."""
    try:
        with shake(port, context) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return s.recv(100) == b""
    except OSError:
        return True


def serial(port, context):
    with shake(port, context) as s:
        return s.getpeercert()["serialNumber"]


def only(version, cafile):
    context = ssl.create_default_context(cafile=cafile)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def test_versions():
    authority = Authority()
    d = SecureDaemon(authority).start()
    for version, word in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        with shake(d.port, only(version, authority.ca)) as s:
            equal(s.version(), word)
    with shake(d.port, ssl.create_default_context(cafile=authority.ca)) as s:
        equal(s.version(), "TLSv1.3", "the newest is preferred")
        equal(s.compression(), None)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        need(refused(d.port, only(version, authority.ca)), f"{version} was accepted")
    equal(d.get("/v1/info").status, 200)
    need(d.alive())


def test_plain_http_gets_nothing_from_a_tls_listener():
    d = SecureDaemon(Authority()).start()
    with socket.create_connection(("127.0.0.1", d.port), timeout=5) as s:
        s.sendall(f"GET /v1/info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {d.token}\r\n\r\n".encode())
        answer = b""
        try:
            while piece := s.recv(4096):
                answer += piece
        except OSError:
            pass
    need(b"HTTP/1.1 200" not in answer and b"version" not in answer, answer.decode("latin-1"))
    equal(d.get("/v1/info").status, 200)


def test_a_new_certificate_by_sighup():
    authority = Authority()
    d = SecureDaemon(authority).start()
    first = serial(d.port, d.context)
    kept = http.client.HTTPSConnection("127.0.0.1", d.port, timeout=20, context=d.context)
    kept.request("GET", "/healthz")
    equal(kept.getresponse().read(), b"alive\n")
    authority.issue("settled", NAMES, into=d.files)
    equal(serial(d.port, d.context), first, "nothing changes by itself")
    d.signal(signal.SIGHUP)
    eventually(lambda: serial(d.port, d.context) != first, 5)
    kept.request("GET", "/healthz")
    equal(kept.getresponse().status, 200, "open connections go on")
    kept.close()


def test_a_bad_certificate_by_sighup_changes_nothing():
    authority = Authority()
    d = SecureDaemon(authority).start()
    first = serial(d.port, d.context)
    stranger = authority.issue("stranger", NAMES)
    with open(d.files[1], encoding="ascii") as f:
        good_key = f.read()
    for count, (key, mode) in enumerate((("garbage", 0o600), (open(stranger[1], encoding="ascii").read(), 0o600), (good_key, 0o644)), 1):
        with open(d.files[1], "w", encoding="ascii") as f:
            f.write(key)
        os.chmod(d.files[1], mode)
        d.signal(signal.SIGHUP)
        eventually(lambda: d.log().count("reload-refused") == count, 5)
        contains(d.log().splitlines()[-1], d.files[1])
        equal(serial(d.port, d.context), first)
    os.chmod(d.files[1], 0o600)
    d.signal(signal.SIGHUP)
    eventually(lambda: "reloaded" in d.log(), 5)
    need(good_key.splitlines()[1] not in d.log())


def test_clients_must_show_a_certificate():
    authority, other = Authority("clients"), Authority("others")
    known = ssl.create_default_context(cafile=authority.ca)
    known.load_cert_chain(*authority.issue("client", "DNS:client"))
    d = SecureDaemon(authority, listen={"client_ca": authority.ca}, context=known).start()
    equal(d.get("/v1/info").status, 200)
    equal(d.get("/v1/info", token=None).status, 401, "a certificate is no token")
    need(refused(d.port, ssl.create_default_context(cafile=authority.ca)), "came in without a certificate")
    for issued in (other.issue("client", "DNS:client"), authority.issue("client", "DNS:client", signed=False), authority.issue("client", "DNS:client", days=-1)):
        stranger = ssl.create_default_context(cafile=authority.ca)
        stranger.load_cert_chain(*issued)
        need(refused(d.port, stranger), f"came in with {issued}")
    equal(d.get("/v1/info").status, 200)


class SecureParticipants(Participants):
    """Participants behind TLS with this certificate."""

    def __init__(self, files, **limits):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.load_cert_chain(*files)
        for name, value in limits.items():
            setattr(self.context, name, value)
        super().__init__()

    def serve(self, connection):
        try:
            super().serve(self.context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()


class SecureSite(Site):
    host = "127.0.0.1"

    def url(self, path):
        return f"https://{self.host}:{self.server.port}{self.prefix}{path}"


def site(files, host="127.0.0.1", **limits):
    s = SecureSite(SecureParticipants(files, **limits))
    s.host = host
    return s


def last_attempt(d, s):
    """What the transaction says about why nothing happens."""
    return json.dumps(d.show(s.gid()))


def expect_refused(d, s, *words):
    """No byte of the call reaches the participant, and whoever looks is told why."""
    equal(d.submit(s.saga(s.step("a"), deadline="1h")).status, 202)
    text = eventually(lambda: (lambda t: t if any(w in t for w in words) else None)(last_attempt(d, s)), 10, what=f"{words} in the transaction")
    need(d.show(s.gid())["attention"] or d.show(s.gid())["next_try"], text)
    equal(s.calls(), [], text)


def outbound(authority, **egress):
    return Daemon(settings={"egress": {"ca": authority.ca, "allow": ["127.0.0.0/8", "localhost"], **egress}}).start()


def test_good_participants_are_called():
    authority = Authority()
    d = outbound(authority)
    for host in ("127.0.0.1", "localhost"):
        s = site(authority.issue("participant", NAMES), host)
        d.run(s.saga(s.step("a"), s.step("b")))
        equal(s.paths(), ["a/do", "b/do"])


def test_bad_certificates_are_refused():
    authority, other = Authority(), Authority("nobody we know")
    d = outbound(authority)
    for files, host, words in ((authority.issue("participant", NAMES, days=-1), "127.0.0.1", ("expired",)),
                               (authority.issue("participant", "DNS:elsewhere.example"), "localhost", ("mismatch",)),
                               (authority.issue("participant", "IP:127.0.0.2"), "127.0.0.1", ("mismatch",)),
                               (authority.issue("participant", "DNS:127.0.0.1"), "127.0.0.1", ("mismatch",)),
                               (authority.issue("participant", NAMES, signed=False), "127.0.0.1", ("self-signed", "self signed")),
                               (other.issue("participant", NAMES), "127.0.0.1", ("issuer", "unable to verify"))):
        expect_refused(d, site(files, host), *words)


def test_old_protocols_are_refused():
    authority = Authority()
    d = outbound(authority)
    s = site(authority.issue("participant", NAMES), minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    expect_refused(d, s, "TLS")


def test_nothing_turns_verification_off():
    """Without egress.ca the system's certificates count, and they do not know our authority."""
    authority = Authority()
    d = Daemon(settings={"egress": {"allow": ["127.0.0.0/8"]}}).start()
    expect_refused(d, site(authority.issue("participant", NAMES)), "issuer", "unable to verify", "self-signed", "self signed")


def test_a_new_ca_by_sighup():
    authority, other = Authority(), Authority("the next one")
    trusted = authority.file("trusted.pem", open(authority.ca, encoding="ascii").read(), 0o644)
    d = Daemon(settings={"egress": {"ca": trusted}}).start()
    expect_refused(d, site(other.issue("participant", NAMES)), "issuer", "unable to verify")
    fresh = authority.file("fresh.pem", open(other.ca, encoding="ascii").read(), 0o644)
    os.rename(fresh, trusted)
    d.signal(signal.SIGHUP)
    eventually(lambda: "reloaded" in d.log(), 5)
    s = site(other.issue("participant", NAMES))
    d.run(s.saga(s.step("a")))
    equal(s.paths(), ["a/do"])
