"""A small AMQP 0-9-1 client for tests: declares queues, exchanges and bindings, and drains queues. Standard library only."""

import socket
import struct

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
# Bits of a message's property flags, in the order in which the values follow.
PROPERTIES = ("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration",
              "message_id", "timestamp", "type", "user_id", "app_id")


class Refused(Exception):
    """The broker closed the channel or the connection: its words."""


def short(text):
    raw = text.encode()
    return bytes([len(raw)]) + raw


def long(raw):
    return struct.pack(">I", len(raw)) + raw


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, count):
        self.at += count
        return self.raw[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))[0]

    def short(self):
        return self.take(self.number("B")).decode()

    def long(self):
        return self.take(self.number("I"))

    def value(self):
        kind = chr(self.number("B"))
        if kind == "S":
            return self.long().decode()
        if kind == "F":
            return self.table()
        forms = {"t": "?", "b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q", "T": "Q", "d": "d", "f": "f"}
        return self.number(forms[kind])

    def table(self):
        end, out = self.number("I") + self.at, {}
        while self.at < end:
            name = self.short()
            out[name] = self.value()
        return out


class Message:
    def __init__(self, exchange, routing_key):
        self.exchange, self.routing_key = exchange, routing_key
        self.properties, self.body, self.size = {}, b"", None

    def read_properties(self, reader):
        reader.take(4)
        self.size = reader.number("Q")
        flags = reader.number("H")
        for place, name in enumerate(PROPERTIES):
            if flags & (1 << (15 - place)):
                if name == "headers":
                    self.properties[name] = reader.table()
                elif name in ("delivery_mode", "priority"):
                    self.properties[name] = reader.number("B")
                elif name == "timestamp":
                    self.properties[name] = reader.number("Q")
                else:
                    self.properties[name] = reader.short()


class Amqp:
    """One connection with one channel; user guest on a loopback port."""

    def __init__(self, port, user="guest", password="guest", vhost="/"):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(10, 10)
        self.method(0, 10, 11, long(b"") + short("PLAIN") + long(f"\0{user}\0{password}".encode()) + short("en_US"))
        tune = self.expect(10, 30)
        self.method(0, 10, 31, struct.pack(">HIH", tune.number("H"), tune.number("I"), 0))
        self.method(0, 10, 40, short(vhost) + short("") + b"\0")
        self.expect(10, 41)
        self.method(1, 20, 10, short(""))
        self.expect(20, 11)

    def close(self):
        self.file.close()
        self.socket.close()

    def method(self, channel, group, number, arguments):
        payload = struct.pack(">HH", group, number) + arguments
        self.socket.sendall(struct.pack(">BHI", METHOD, channel, len(payload)) + payload + b"\xce")

    def frame(self):
        head = self.file.read(7)
        if len(head) < 7:
            raise Refused("the connection was closed")
        kind, _, length = struct.unpack(">BHI", head)
        return kind, Reader(self.file.read(length + 1)[:-1])

    def expect(self, group, number):
        while True:
            kind, reader = self.frame()
            if kind != METHOD:
                continue
            got = (reader.number("H"), reader.number("H"))
            if got == (group, number):
                return reader
            if got in ((10, 50), (20, 40)):
                raise Refused(f"{reader.number('H')} {reader.short()}")

    def queue(self, name, durable=True, **arguments):
        table = b""
        for key, value in arguments.items():
            spelled = b"l" + struct.pack(">q", value) if isinstance(value, int) else b"S" + long(value.encode())
            table += short(key.replace("_", "-")) + spelled
        self.method(1, 50, 10, b"\0\0" + short(name) + bytes([2 if durable else 0]) + long(table))
        return self.expect(50, 11)

    def exchange(self, name, kind="topic"):
        self.method(1, 40, 10, b"\0\0" + short(name) + short(kind) + b"\x02" + long(b""))
        self.expect(40, 11)

    def bind(self, queue, exchange, key):
        self.method(1, 50, 20, b"\0\0" + short(queue) + short(exchange) + short(key) + b"\0" + long(b""))
        self.expect(50, 21)

    def delete_queue(self, name):
        self.method(1, 50, 40, b"\0\0" + short(name) + b"\0")
        self.expect(50, 41)

    def count(self, queue):
        """How many messages are ready."""
        self.method(1, 50, 10, b"\0\0" + short(queue) + b"\x01" + long(b""))
        reader = self.expect(50, 11)
        reader.short()
        return reader.number("I")

    def drain(self, queue):
        """Take everything that is ready, as a list of Message."""
        out, wanted = [], self.count(queue)
        if wanted == 0:
            return out
        self.method(1, 60, 20, b"\0\0" + short(queue) + short("drain") + b"\x02" + long(b""))
        while len(out) < wanted or out[-1].size is None or len(out[-1].body) < out[-1].size:
            kind, reader = self.frame()
            if kind == METHOD and (reader.number("H"), reader.number("H")) == (60, 60):
                reader.short()
                reader.take(9)
                exchange = reader.short()
                out.append(Message(exchange, reader.short()))
            elif kind == HEADER:
                out[-1].read_properties(reader)
            elif kind == BODY:
                out[-1].body += reader.raw
        self.method(1, 60, 30, short("drain") + b"\0")
        self.expect(60, 31)
        return out
