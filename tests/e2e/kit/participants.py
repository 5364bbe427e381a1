"""Participants: an HTTP server in threads that remembers every request and answers as a test tells it to."""

import itertools
import json
import socket
import struct
import threading
import time

REASONS = {200: "OK", 201: "Created", 204: "No Content", 301: "Moved Permanently", 302: "Found", 400: "Bad Request", 404: "Not Found",
           409: "Conflict", 425: "Too Early", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


class Call:
    """One request as it arrived. at, answered_at: monotonic seconds."""

    def __init__(self, method, path, headers, body, port):
        self.method, self.path, self.header_list, self.body, self.port = method, path, headers, body, port
        self.headers = {name.lower(): value for name, value in headers}
        self.at = time.monotonic()
        self.answered_at = None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def gid(self):
        return self.headers.get("settle-gid")

    @property
    def branch(self):
        return self.headers.get("settle-branch")

    @property
    def op(self):
        return self.headers.get("settle-op")

    @property
    def attempt(self):
        return int(self.headers.get("settle-attempt", "0"))

    def describe(self):
        return f"{self.method} {self.path} {self.headers} {self.body[:300]!r}"


class Status:
    """An ordinary answer."""

    def __init__(self, status, body=b"", **headers):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}

    def play(self, call, connection):
        head = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        headers.update(self.headers)
        head += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + self.body)
        return True


class Delay:
    """Wait, then answer."""

    def __init__(self, seconds, then=200):
        self.seconds, self.then = seconds, answer_of(then)

    def play(self, call, connection):
        time.sleep(self.seconds)
        return self.then.play(call, connection)


class Gate:
    """Hold calls until the test opens the gate."""

    def __init__(self, then=200):
        self.then, self.event = answer_of(then), threading.Event()

    def open(self):
        self.event.set()

    def play(self, call, connection):
        self.event.wait(60)
        return self.then.play(call, connection)


class Sequence:
    """One answer after the other; the last one stays."""

    def __init__(self, *answers):
        self.answers, self.lock = [answer_of(a) for a in answers], threading.Lock()

    def play(self, call, connection):
        with self.lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer.play(call, connection)


class Raw:
    """These bytes, then close."""

    def __init__(self, data, keep=False):
        self.data, self.keep = data, keep

    def play(self, call, connection):
        connection.sendall(self.data)
        return self.keep


class Cut:
    """Close without a word."""

    def play(self, call, connection):
        return False


class Reset:
    """Close with a reset."""

    def play(self, call, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Silence:
    """Never answer; close when the other side does, or after so many seconds."""

    def __init__(self, seconds=30.0):
        self.seconds = seconds

    def play(self, call, connection):
        connection.settimeout(self.seconds)
        try:
            connection.recv(1)
        except OSError:
            pass
        return False


class Script:
    """A function of (call) that gives the answer."""

    def __init__(self, function):
        self.function = function

    def play(self, call, connection):
        return answer_of(self.function(call)).play(call, connection)


def answer_of(value):
    if hasattr(value, "play"):
        return value
    if isinstance(value, int):
        return Status(value, {})
    if isinstance(value, tuple):
        return Status(*value)
    if isinstance(value, list):
        return Sequence(*value)
    if isinstance(value, dict):
        return Status(200, value)
    if callable(value):
        return Script(value)
    raise TypeError(f"not an answer: {value!r}")


class Participants:
    """The server. Answers are chosen by path; unknown paths answer 200 {}."""

    def __init__(self, port=0, host="127.0.0.1"):
        self.answers, self.calls_made, self.lock = {}, [], threading.Lock()
        self.host, self.stopped, self.open = host, False, set()
        self.listener = None
        self.listen(port)

    def listen(self, port):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.host, port))
        self.listener.listen(1024)
        self.port = self.listener.getsockname()[1]
        self.stopped = False
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def down(self):
        """Refuse connections until up() is called; open ones are cut."""
        self.stopped = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def up(self):
        self.listen(self.port)

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with self.lock:
            self.open.add(connection)
        try:
            file = connection.makefile("rb")
            while not self.stopped:
                call = self.read(file)
                if call is None:
                    break
                with self.lock:
                    self.calls_made.append(call)
                    answer = self.answers.get(call.path.split("?")[0], Status(200, {}))
                keep = answer.play(call, connection)
                call.answered_at = time.monotonic()
                if not keep:
                    break
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def read(self, file):
        line = file.readline(65536)
        if not line:
            return None
        method, path, _ = line.decode("latin-1").rstrip("\r\n").split(" ", 2)
        headers = []
        while True:
            line = file.readline(65536)
            if line in (b"\r\n", b""):
                break
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(":")
            headers.append((name, value.strip()))
        length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
        body = file.read(length) if length else b""
        if len(body) < length:
            return None
        return Call(method, path, headers, body, self.port)

    def on(self, path, *answers):
        """What this path answers from now on: one answer, or several in turn of which the last one stays."""
        answer = answer_of(answers[0]) if len(answers) == 1 else Sequence(*answers)
        with self.lock:
            self.answers[path] = answer
        return answer

    def calls(self, path=None, prefix=None):
        with self.lock:
            return [c for c in self.calls_made
                    if (path is None or c.path.split("?")[0] == path) and (prefix is None or c.path.startswith(prefix))]


class Site:
    """A test's own corner of a server: every path begins with a prefix nobody else has, and so does every gid."""

    numbers = itertools.count(1)

    def __init__(self, server):
        self.server = server
        self.name = f"t{next(Site.numbers)}"
        self.prefix = f"/{self.name}/"

    def gid(self, name="x"):
        return f"{self.name}-{name}"

    def url(self, path):
        return f"http://{self.server.host}:{self.server.port}{self.prefix}{path}"

    def on(self, path, *answers):
        return self.server.on(self.prefix + path, *answers)

    def calls(self, path=None):
        if path is None:
            return self.server.calls(prefix=self.prefix)
        return self.server.calls(self.prefix + path)

    def paths(self):
        """The paths called so far, in order of arrival, without the prefix."""
        return [c.path[len(self.prefix):] for c in self.calls()]

    def step(self, name, **more):
        """A saga branch of this site: NAME/do, NAME/undo."""
        return {"id": name, "action": self.url(f"{name}/do"), "compensate": self.url(f"{name}/undo"), "body": {"step": name}, **more}

    def part(self, name, **more):
        """A TCC branch of this site: NAME/try, NAME/confirm, NAME/cancel."""
        return {"id": name, "base": self.url(name), "body": {"part": name}, **more}

    def saga(self, *branches, name="x", **more):
        return {"gid": self.gid(name), "mode": "saga", "branches": list(branches), **more}

    def tcc(self, *branches, name="x", **more):
        return {"gid": self.gid(name), "mode": "tcc", "branches": list(branches), **more}


SHARED = []


def shared_site():
    """A fresh site on this process's one participant server."""
    if not SHARED:
        SHARED.append(Participants())
    return Site(SHARED[0])
