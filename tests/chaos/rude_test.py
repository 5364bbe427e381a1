"""R8: participants with every kind of bad manners. settled takes an answer for what it is, or calls again; it never
mistakes one call's answer for another's, never hangs, never dies.
"""

import socket
import struct
import threading
import time

from kit import Daemon, equal, eventually, less, limit, need, scratch

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
NO = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno"


def read_request(c):
    """The request's head and body; None when the other side closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = c.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        piece = c.recv(65536)
        if not piece:
            return None
        body += piece
    return head


def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def dribble(c, data, pause):
    for i in range(len(data)):
        c.sendall(data[i:i + 1])
        time.sleep(pause)


def forever(c, piece, pause=0.0, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        c.sendall(piece)
        if pause:
            time.sleep(pause)


class Rude:
    """One server: misbehave(c) plays the first `times` requests, the rest are answered well."""

    def __init__(self, misbehave, times=1, at_accept=None):
        self.misbehave, self.times, self.at_accept = misbehave, times, at_accept
        self.heads, self.lock = [], threading.Lock()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        try:
            if self.at_accept is not None:
                with self.lock:
                    first, self.times = self.times > 0, self.times - 1
                if first:
                    self.at_accept(c)
                    return
            while True:
                head = read_request(c)
                if head is None:
                    return
                with self.lock:
                    self.heads.append(head)
                    rude, self.times = self.times > 0, self.times - 1
                if not rude or self.misbehave is None:
                    c.sendall(OK)
                elif self.misbehave(c) == "close":
                    return
        except OSError:
            pass
        finally:
            c.close()

    def attempts(self):
        with self.lock:
            return len(self.heads)

    def close(self):
        self.listener.close()


DAEMON = []


def daemon():
    if not DAEMON or not DAEMON[0].alive():
        DAEMON[:] = [Daemon(settings={"defaults": {"call_timeout": "500ms"}}).start()]
    return DAEMON[0]


NUMBER = [0]


def story(rude, status="committed", attempts=None, seconds=20, second_step=True, payload=None):
    """A saga of two steps, both at the rude one. Returns the transaction."""
    d = daemon()
    NUMBER[0] += 1
    url = f"http://127.0.0.1:{rude.port}/"
    branches = [{"id": "a", "action": url + "a", "compensate": url + "undo-a", "retry": {"first": "20ms", "max": "100ms"}}]
    if payload is not None:
        branches[0]["body"] = payload
    if second_step:
        branches.append({"id": "b", "action": url + "b", "retry": {"first": "20ms", "max": "100ms"}})
    answer = d.submit({"gid": f"rude-{NUMBER[0]}", "mode": "saga", "deadline": "50s", "branches": branches})
    equal(answer.status, 202, answer)
    t = d.until(f"rude-{NUMBER[0]}", status, seconds)
    if attempts is not None:
        need(rude.attempts() in attempts, f"{rude.attempts()} requests arrived", [h.decode("latin-1")[:80] for h in rude.heads])
    rude.close()
    need(d.alive())
    return t


def unknown_once(misbehave, **more):
    """Unknown is tried again: three requests for two steps."""
    return story(Rude(misbehave), attempts=(3,), **more)


def fine(misbehave, **more):
    """Odd, but an answer: two requests for two steps."""
    return story(Rude(misbehave), attempts=(2,), **more)


def either(misbehave, **more):
    return story(Rude(misbehave), attempts=(2, 3), **more)


def sends(data, close=True):
    def play(c):
        c.sendall(data)
        return "close" if close else None
    return play


def test_answer_dribbled_in_time():
    fine(lambda c: dribble(c, OK, 0.002))


def test_answer_dribbled_beyond_the_timeout():
    unknown_once(lambda c: dribble(c, OK, 0.05) or "close")


def test_silence():
    unknown_once(lambda c: time.sleep(3) or "close")


def test_answer_after_three_timeouts():
    unknown_once(lambda c: (time.sleep(1.5), c.sendall(OK))[1] and None)


def test_closed_without_a_word():
    story(Rude(lambda c: "close"), attempts=(3,))


def test_reset_without_a_word():
    story(Rude(lambda c: reset(c) or "close"), attempts=(3,))


def test_closed_at_accept():
    story(Rude(None, 3, at_accept=lambda c: None))


def test_reset_at_accept():
    story(Rude(None, 3, at_accept=reset))


def test_accepted_and_never_read():
    big = {"fill": ["x" * 100_000, "y" * 100_000]}
    story(Rude(None, 1, at_accept=lambda c: time.sleep(3)), payload=big)


def test_half_an_answer_then_reset():
    unknown_once(lambda c: c.sendall(OK[:20]) or reset(c) or "close")


def test_reset_in_the_body():
    either(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxx"), time.sleep(0.05), reset(c)) and "close")


def test_body_shorter_than_said():
    either(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxx"))


def test_body_longer_than_said():
    fine(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}{}{}", close=False))


def test_two_answers_to_one_call_do_not_answer_the_next():
    t = fine(lambda c: c.sendall(OK + NO) and None)
    equal([b["action"] for b in t["branches"]], ["done", "done"])


def test_an_unasked_answer_on_a_fresh_connection():
    """Nobody can tell it from an answer to the call that goes out at the same moment; it may only not break anything."""
    story(Rude(None, 1, at_accept=lambda c: (c.sendall(NO), time.sleep(0.5))), ("committed", "rolled_back"))


def test_an_unasked_answer_on_an_idle_connection():
    d = daemon()
    rude = Rude(lambda c: (c.sendall(OK), time.sleep(0.3), c.sendall(NO))[2] and None)
    url = f"http://127.0.0.1:{rude.port}/"
    d.run({"gid": "idle-1", "mode": "saga", "branches": [{"id": "a", "action": url}]})
    time.sleep(0.8)
    d.run({"gid": "idle-2", "mode": "saga", "branches": [{"id": "a", "action": url}]})
    rude.close()


def test_endless_body():
    either(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), forever(c, b"x" * 65536)) and "close")


def test_endless_chunks():
    either(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), forever(c, b"400\r\n" + b"x" * 1024 + b"\r\n")) and "close")


def test_endless_slow_chunks():
    either(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), forever(c, b"1\r\nx\r\n", 0.05, 5)) and "close")


def test_endless_headers():
    unknown_once(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\n"), forever(c, b"X-Y: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n")) and "close")


def test_endless_status_line():
    unknown_once(lambda c: (c.sendall(b"HTTP/1.1 200 "), forever(c, b"O" * 4096)) and "close")


def test_endless_interim_answers():
    unknown_once(lambda c: forever(c, b"HTTP/1.1 102 Processing\r\n\r\n") or "close")


def test_a_few_interim_answers():
    fine(sends(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, close=False))


def test_switching_protocols():
    unknown_once(sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"))


def test_redirect_loop():
    story(Rude(sends(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", close=False), times=5), attempts=(7,))


def test_garbage():
    for data in (b"\x00" * 100, b"hello\r\n\r\n", b"\x16\x03\x03\x00\x02\x02\x28", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"{}", b"\r\n\r\n\r\n", b"\xff" * 5000,
                 b"ICY 200 OK\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2OO OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
                 b"HTTP/1.1 -200 OK\r\n\r\n", b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                 b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", b" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        unknown_once(sends(data))


def test_ambiguous_framing():
    for head in (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: +2\r\n",
                 b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: gzip\r\n", b"X : y\r\nContent-Length: 2\r\n", b"X: a\x00b\r\nContent-Length: 2\r\n"):
        # The status line was read and decides; whether the body counts is the reader's choice. It must end, and end right.
        either(sends(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n{}"))


def test_bad_chunks():
    for chunks in (b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"2\r\n{}xx", b"2\n{}\n0\n\n"):
        either(sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))


def test_statuses_without_a_body():
    fine(sends(b"HTTP/1.1 204 No Content\r\n\r\n", close=False))
    fine(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", close=False))
    unknown_once(sends(b"HTTP/1.1 304 Not Modified\r\n\r\n", close=False))


def test_no_content_with_content():
    t = fine(sends(b"HTTP/1.1 204 No Content\r\n\r\n" + NO, close=False))
    equal(t["status"], "committed")


def test_old_http():
    fine(sends(b"HTTP/1.0 200 OK\r\n\r\n{}"))
    fine(sends(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"))


def test_body_until_close():
    fine(sends(b"HTTP/1.1 200 OK\r\n\r\n{}"))


def test_connection_close_is_honoured():
    fine(sends(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"))


def test_keep_alive_promised_then_closed():
    fine(sends(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"), seconds=20) if False else story(
        Rude(sends(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}")), attempts=(2, 3))


def test_half_closed_after_the_answer():
    fine(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), c.shutdown(socket.SHUT_WR), time.sleep(0.3)) and "close")


def test_answer_before_the_body_was_read():
    fine(sends(OK), payload={"fill": ["x" * 200_000]})


def test_early_refusal_of_a_large_body():
    d = daemon()
    d.connection.close()
    rude = Rude(None, 5, at_accept=lambda c: (c.recv(1000), c.sendall(NO), time.sleep(0.05)))
    NUMBER[0] += 1
    answer = d.submit({"gid": f"rude-{NUMBER[0]}", "mode": "saga", "branches": [{"id": "a", "action": f"http://127.0.0.1:{rude.port}/", "body": ["x" * 200_000]}]})
    equal(answer.status, 202)
    d.until(f"rude-{NUMBER[0]}", ("rolled_back", "committed"))
    rude.close()


def test_compressed_bodies_are_bytes():
    fine(sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", close=False))


def test_hostile_text_in_a_refusal():
    text = b"<script>alert(1)</script>\r\n\x1b[31m\x00\xff\xfe\xed\xa0\x80 %s%n \"quoted\""
    rude = Rude(sends(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n" % len(text) + text, close=False), times=1)
    t = story(rude, "rolled_back", second_step=False)
    need(t["reason"]["detail"], t)
    need("\x1b" not in daemon().log())


def test_odd_retry_after():
    for value in (b"-1", b"soon", b"99999999999999999999", b"1.5", b"", b"Wed, 21 Oct 2099 99:99:99 GMT", b"0"):
        story(Rude(sends(b"HTTP/1.1 500 X\r\nRetry-After: " + value + b"\r\nContent-Length: 0\r\n\r\n", close=False)), attempts=(3,))


def test_many_set_cookies():
    fine(sends(b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * 50 + b"Content-Length: 2\r\n\r\n{}", close=False))


def test_a_headers_line_of_16_kib():
    unknown_or_fine = Rude(sends(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000 + b"\r\nContent-Length: 2\r\n\r\n{}"))
    story(unknown_or_fine, attempts=(2, 3))


def test_refusing_fifty_times_then_agreeing():
    story(Rude(sends(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", close=False), times=50), attempts=(52,), seconds=30)


@limit(120)
def test_a_hundred_hanging_participants_do_not_hold_up_a_good_one():
    d = Daemon(settings={"defaults": {"call_timeout": "20s"}}).start()
    rude = Rude(lambda c: time.sleep(15) or "close", times=1000)
    good = Rude(None)
    for i in range(100):
        d.submit({"gid": f"hang-{i}", "mode": "saga", "deadline": "60s", "branches": [{"id": "a", "action": f"http://127.0.0.1:{rude.port}/"}]})
    begin = time.monotonic()
    for i in range(20):
        d.run({"gid": f"good-{i}", "mode": "saga", "branches": [{"id": "a", "action": f"http://127.0.0.1:{good.port}/"}]})
    less(time.monotonic() - begin, 3.0)
    rude.close()
    d.kill()


@limit(120)
def test_a_dead_host_is_not_hammered_and_recovers():
    d = Daemon(settings={"defaults": {"retry": {"first": "10ms", "max": "50ms"}}}).start()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    for i in range(200):
        d.submit({"gid": f"dead-{i}", "mode": "saga", "deadline": "60s", "branches": [{"id": "a", "action": f"http://127.0.0.1:{port}/"}]})
    time.sleep(2)
    listener.close()
    good = Rude.__new__(Rude)
    good.misbehave, good.times, good.at_accept, good.heads, good.lock = None, 0, None, [], threading.Lock()
    good.listener = socket.socket()
    good.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    good.listener.bind(("127.0.0.1", port))
    good.listener.listen(256)
    good.port = port
    threading.Thread(target=good.accept, daemon=True).start()
    for i in range(200):
        d.until(f"dead-{i}", "committed", 40)
    d.kill()


def test_nothing_leaks_file_descriptors():
    import os
    d = daemon()

    def count():
        return len(os.listdir(f"/proc/{d.process.pid}/fd"))

    before = count()
    rude = Rude(lambda c: "close", times=300)
    for i in range(30):
        d.submit({"gid": f"fd-{i}", "mode": "saga", "branches": [{"id": "a", "action": f"http://127.0.0.1:{rude.port}/", "retry": {"first": "10ms", "max": "10ms"}}]})
    for i in range(30):
        d.until(f"fd-{i}", "committed")
    rude.close()
    eventually(lambda: count() <= before + 45, 10)
    scratch()
