"""Timelines and streams: JSON, Server-Sent Events, resume."""

import json
import socket
import threading
import time

from kit import Gate, equal, eventually, need, problem, shared_daemon, shared_site


class Stream:
    """Reads an event stream in a thread."""

    def __init__(self, d, path, last=None):
        self.events, self.comments, self.head, self.closed = [], 0, b"", False
        self.socket = socket.create_connection(("127.0.0.1", d.port), timeout=60)
        token = f"Authorization: Bearer {d.token}\r\n" if d.token else ""
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{token}{resume}\r\n".encode())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        file, event = self.socket.makefile("rb"), {}
        try:
            while (line := file.readline()) not in (b"\r\n", b""):
                self.head += line
            for line in file:
                line = line.decode("utf-8").rstrip("\r\n")
                name, _, value = line.partition(":")
                if line.startswith(":"):
                    self.comments += 1
                elif name in ("id", "event", "data"):
                    event[name] = value[1:] if value.startswith(" ") else value
                elif line == "" and event:
                    if "data" in event:
                        self.events.append(event)
                    event = {}
        except (OSError, ValueError):
            pass
        self.closed = True

    def close(self):
        self.socket.close()

    def of(self, gid):
        return [(e["event"], json.loads(e["data"])) for e in self.events if json.loads(e["data"]).get("gid") == gid]


def test_a_timeline_tells_the_story():
    d, s = shared_daemon(), shared_site()
    s.on("b/do", 500, 409)
    d.run(s.saga(s.step("a"), s.step("b")), "rolled_back")
    answer = d.get(f"/v1/transactions/{s.gid()}/events")
    equal(answer.status, 200, answer)
    items = answer.json["items"]
    need(len(items) >= 6, items)
    text = json.dumps(items)
    for word in ("a", "b", "action", "compensate", "409", "500", "rollback"):
        need(word in text, f"{word} is missing", items)
    times = [i["at"] for i in items]
    equal(times, sorted(times), "in order of time")
    seq = [i["seq"] for i in items if "seq" in i]
    equal(seq, sorted(seq), "in order; one record may show as two events")


def test_a_timeline_outlives_a_restart():
    from kit import Daemon
    d, s = Daemon().start(), shared_site()
    s.on("a/do", 500, 200)
    d.run(s.saga(s.step("a")))
    before = d.get(f"/v1/transactions/{s.gid()}/events").json["items"]
    d.restart()
    equal(d.get(f"/v1/transactions/{s.gid()}/events").json["items"], before)


def test_the_stream_tells_what_happens():
    d, s = shared_daemon(), shared_site()
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    need(b" 200 " in stream.head.split(b"\r\n")[0] and b"text/event-stream" in stream.head, stream.head.decode())
    time.sleep(0.1)
    d.run(s.saga(s.step("a")))
    eventually(lambda: any(e["event"] == "tx.decision" for e in stream.events if s.gid() in e["data"]), 5)
    names = [name for name, _ in stream.of(s.gid())]
    equal(names[0], "tx.created", names)
    for name in ("tx.op", "tx.attempt", "tx.decision", "tx.status"):
        need(name in names or name == "tx.attempt" or name == "tx.op", names)
    decision = next(data for name, data in stream.of(s.gid()) if name == "tx.decision")
    equal(decision["decision"], "commit")
    need(decision["at"].endswith("Z"), decision)
    equal(len({e["id"] for e in stream.events}), len(stream.events), "ids are unique")
    stream.close()


def test_a_stream_resumes_without_loss_or_doubles():
    d, s = shared_daemon(), shared_site()
    first = Stream(d, "/v1/events")
    eventually(lambda: first.head)
    time.sleep(0.1)
    for i in range(5):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    eventually(lambda: any(e["event"] == "tx.decision" and s.gid("4") in e["data"] for e in first.events), 5)
    cut = first.events[len(first.events) // 3]["id"]
    whole = list(first.events)
    first.close()
    for i in range(5, 10):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    second = Stream(d, "/v1/events", last=cut)
    eventually(lambda: any(e["event"] == "tx.decision" and s.gid("9") in e["data"] for e in second.events), 5)
    tail = [e["id"] for e in whole][[e["id"] for e in whole].index(cut) + 1:]
    equal([e["id"] for e in second.events][:len(tail)], tail)
    created = [json.loads(e["data"])["gid"] for e in second.events if e["event"] == "tx.created" and s.name + "-" in e["data"]]
    equal(len(created), len(set(created)))
    second.close()


def test_one_transactions_stream_begins_at_the_beginning_and_ends():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a")))
    eventually(s.calls)
    stream = Stream(d, f"/v1/transactions/{s.gid()}/events")
    eventually(lambda: stream.of(s.gid()), 5)
    equal(stream.of(s.gid())[0][0], "tx.created")
    gate.open()
    eventually(lambda: any(name == "tx.decision" for name, _ in stream.of(s.gid())), 5)
    other = shared_site()
    d.run(other.saga(other.step("a")))
    equal(stream.of(other.gid()), [])
    stream.close()


def test_one_transactions_stream_resumes():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a"), s.step("b")))
    stream = Stream(d, f"/v1/transactions/{s.gid()}/events")
    eventually(lambda: any(name == "tx.decision" for name, _ in stream.of(s.gid())), 5)
    time.sleep(0.2)
    whole = [e["id"] for e in stream.events]
    stream.close()
    again = Stream(d, f"/v1/transactions/{s.gid()}/events", last=whole[1])
    eventually(lambda: len(again.events) >= len(whole) - 2, 5)
    equal([e["id"] for e in again.events], whole[2:])
    again.close()


def test_a_strange_last_event_id_is_told():
    d = shared_daemon()
    for last in ("garbage", "999999999999-9", "-1", "0-0", "%00"):
        stream = Stream(d, "/v1/events", last=last)
        eventually(lambda stream=stream: stream.head, 5)
        status = int(stream.head.split()[1])
        need(status == 200 or 400 <= status < 500, last, stream.head.decode())
        if status == 200:
            eventually(lambda stream=stream: any(e["event"] == "lagged" for e in stream.events) or stream.comments or True, 2)
        stream.close()


def test_a_resume_over_a_restart_is_told_or_complete():
    from kit import Daemon
    d, s = Daemon().start(), shared_site()
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    time.sleep(0.1)
    d.run(s.saga(s.step("a")))
    eventually(lambda: len(stream.events) >= 3, 5)
    cut = stream.events[0]["id"]
    d.restart()
    again = Stream(d, "/v1/events", last=cut)
    eventually(lambda: again.head, 5)
    eventually(lambda: any(e["event"] == "lagged" for e in again.events) or any("decision" in e["event"] for e in again.events), 5)
    again.close()
    stream.close()


def test_the_events_of_the_daemon_as_json():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a")))
    answer = d.get("/v1/events")
    equal(answer.status, 200, answer)
    need(isinstance(answer.json["items"], list), answer)


def test_attention_is_an_event():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("a/confirm", lambda call: 200 if gate["open"] else 409)
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    d.submit(s.tcc(s.part("a")))
    eventually(lambda: any(name == "tx.attention" for name, _ in stream.of(s.gid())), 10)
    gate["open"] = True
    d.until(s.gid(), "committed")
    stream.close()


def test_slow_readers_do_not_stop_the_others():
    d, s = shared_daemon(), shared_site()
    slow = socket.create_connection(("127.0.0.1", d.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
    time.sleep(0.1)
    for i in range(300):
        d.submit(s.saga({"id": "a", "action": s.url("a")}, name=f"{i}", labels={"pad": "x" * 200}))
    d.until(s.gid("299"), "committed")
    slow.close()


def test_stream_of_nobody_is_404():
    d, s = shared_daemon(), shared_site()
    problem(d.get(f"/v1/transactions/{s.gid('nobody')}/events", headers={"Accept": "text/event-stream"}), 404)


def test_a_quiet_stream_has_a_heartbeat():
    d = shared_daemon()
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.comments, 20, 0.2)
    stream.close()


def test_a_reader_that_missed_too_much_is_told():
    from kit import Daemon
    d, s = Daemon(settings={"limits": {"stream_backlog": 16}}).start(), shared_site()
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    time.sleep(0.1)
    d.run(s.saga(s.step("a"), name="first"))
    eventually(lambda: stream.events, 5)
    last = stream.events[0]["id"]
    stream.close()
    for i in range(20):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    again = Stream(d, "/v1/events", last=last)
    eventually(lambda: any(e["event"] == "lagged" for e in again.events), 5)
    again.close()


def test_a_long_timeline_is_read_in_pages():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(*[{"id": f"{i}", "action": s.url("a"), "after": []} for i in range(150)]))
    whole = d.get(f"/v1/transactions/{s.gid()}/events").json["items"]
    seen, after = [], ""
    for _ in range(1000):
        page = d.get(f"/v1/transactions/{s.gid()}/events?limit=50{after}").json
        seen += page["items"]
        if not page.get("next"):
            break
        after = f"&after={page['next']}"
    equal(seen, whole)


def test_times_are_rfc_3339():
    import datetime
    d, s = shared_daemon(), shared_site()
    s.on("a/confirm", 409)
    d.submit(s.tcc(s.part("a")))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 10)
    times = [t["created"], t["updated"], t["deadline"], t["attention"]["since"], t["attention"]["next_try"]]
    times += [i["at"] for i in d.get(f"/v1/transactions/{s.gid()}/events").json["items"]]
    for text in times:
        need(text.endswith("Z"), text)
        datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    d.post(f"/v1/transactions/{s.gid()}/force", {"decision": "commit", "reason": "x"})
