"""A small HTTP client: http.client for the ordinary, a bare socket for the rude."""

import http.client
import json
import socket


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.header_list = headers
        self.body = body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as e:
            raise AssertionError(f"answer is not JSON ({e}): {self.describe()}") from None

    def describe(self):
        return f"HTTP {self.status} {dict(self.headers)} {self.body[:1500]!r}"


class Client:
    """One keep-alive connection per object; not for several threads at once."""

    def __init__(self, host, port, token=None, timeout=70.0):
        self.host, self.port, self.token, self.timeout = host, port, token, timeout
        self.connection = None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None, headers=None, token=..., fresh=False):
        """body: None, bytes as they are, or anything else as JSON. token: None sends no credential."""
        sent = {}
        if token is ...:
            token = self.token
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        if fresh:
            self.close()
        for again in (True, False):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
                again = False
            try:
                self.connection.request(method, path, body=body, headers=sent)
                response = self.connection.getresponse()
                read = response.read()
                if response.will_close:
                    self.close()
                return Answer(response.status, response.getheaders(), read)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A kept connection may have been closed by the server in between; a fresh one may not.
                self.close()
                if not again or method == "POST" and "Idempotency-Key" not in sent and b'"gid"' not in (body or b""):
                    raise
            except Exception:
                self.close()
                raise
        raise AssertionError("unreachable")


def exchange(port, data, seconds=5.0, shut=False, host="127.0.0.1", pieces=None, pause=0.0):
    """Send bytes as they are, return every byte that comes back until the other side closes or falls silent."""
    import time
    got = b""
    with socket.create_connection((host, port), timeout=seconds) as s:
        try:
            if pieces is None:
                s.sendall(data)
            else:
                for i in range(0, len(data), pieces):
                    s.sendall(data[i:i + pieces])
                    time.sleep(pause)
            if shut:
                s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            s.settimeout(max(0.01, end - time.monotonic()))
            try:
                piece = s.recv(65536)
            except (TimeoutError, ConnectionResetError):
                break
            if not piece:
                break
            got += piece
    return got


def split_answers(data):
    """Cut pipelined answers apart: [(status, headers, body)]. Only what Content-Length or chunked frames."""
    answers = []
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        if not mark:
            raise AssertionError(f"not an answer: {data[:200]!r}")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if status == 100:
            data = rest
            continue
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size, _, rest = rest.partition(b"\r\n")
                size = int(size.split(b";")[0], 16)
                body += rest[:size]
                rest = rest[size + 2:]
                if size == 0:
                    break
        else:
            length = int(headers.get("content-length", "0"))
            body, rest = rest[:length], rest[length:]
        answers.append((status, headers, body))
        data = rest
    return answers
