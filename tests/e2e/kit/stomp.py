"""STOMP 1.2 with the standard library: enough to read from a queue what somebody else has sent to it."""

import socket

ESCAPES = {"\\n": "\n", "\\r": "\r", "\\c": ":", "\\\\": "\\"}


class StompError(Exception):
    pass


def unescape(text):
    out, i = "", 0
    while i < len(text):
        step = 2 if text[i] == "\\" else 1
        out += ESCAPES[text[i:i + 2]] if step == 2 else text[i]
        i += step
    return out


def escape(text):
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), (":", "\\c")):
        text = text.replace(plain, escaped)
    return text


class Frame:
    def __init__(self, command, headers, body):
        self.command, self.headers, self.body = command, headers, body

    def describe(self):
        return f"{self.command} {self.headers} {self.body[:200]!r}"


class StompClient:
    def __init__(self, port, user, password, seconds=20.0, vhost="/"):
        self.socket, self.bytes = socket.create_connection(("127.0.0.1", port), timeout=seconds), b""
        self.send("CONNECT", {"accept-version": "1.2", "host": vhost, "login": user, "passcode": password}, raw=True)
        answer = self.receive()
        if answer.command != "CONNECTED":
            raise StompError(answer.describe())

    def send(self, command, headers, body=b"", raw=False):
        spell = str if raw else escape
        head = command + "\n" + "".join(f"{spell(k)}:{spell(v)}\n" for k, v in headers.items()) + "\n"
        self.socket.sendall(head.encode() + body + b"\0")

    def fill(self):
        more = self.socket.recv(65536)
        if not more:
            raise StompError("the broker closed the connection")
        self.bytes += more

    def receive(self):
        while True:
            self.bytes = self.bytes.lstrip(b"\r\n")
            end = self.bytes.find(b"\n\n")
            if end >= 0:
                break
            self.fill()
        lines = self.bytes[:end].decode().split("\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            # The first of two wins.
            headers.setdefault(unescape(name), unescape(value) if lines[0] != "CONNECTED" else value)
        length = headers.get("content-length")
        begin = end + 2
        if length is not None:
            while len(self.bytes) < begin + int(length) + 1:
                self.fill()
            stop = begin + int(length)
        else:
            while self.bytes.find(b"\0", begin) < 0:
                self.fill()
            stop = self.bytes.find(b"\0", begin)
        body, self.bytes = self.bytes[begin:stop], self.bytes[stop + 1:]
        return Frame(lines[0], headers, body)

    def subscribe(self, destination, **headers):
        self.send("SUBSCRIBE", {"id": "0", "destination": destination, "ack": "auto", **headers})

    def drain(self, destination, quiet_s=1.0, **headers):
        """All messages there are, until none comes for a while."""
        self.subscribe(destination, **headers)
        out = []
        self.socket.settimeout(max(quiet_s, 5.0))
        while True:
            try:
                frame = self.receive()
            except TimeoutError:
                return out
            if frame.command != "MESSAGE":
                raise StompError(frame.describe())
            out.append(frame)
            self.socket.settimeout(quiet_s)

    def close(self):
        self.socket.close()
