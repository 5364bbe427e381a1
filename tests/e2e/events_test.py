"""Timelines and streams: JSON, Server-Sent Events, resume."""

import json
import os
import socket
import threading
import time

from kit import Daemon, Gate, Participants, Site, equal, eventually, need, problem, run_settle, scratch, shared_daemon, shared_site


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


def timelines(d, gids):
    """What each transaction's own timeline says, as (gid, event, seq)."""
    return {g: [(g, i["event"], i["seq"]) for i in d.get(f"/v1/transactions/{g}/events").json["items"]] for g in gids}


def told(events, gids):
    """What a stream of all said of them, as the same triples in the same order."""
    by_gid = {g: [] for g in gids}
    for e in events:
        data = json.loads(e["data"])
        if data.get("gid") in by_gid:
            by_gid[data["gid"]].append((data["gid"], e["event"], data["seq"]))
    return by_gid


def names(events):
    return [e["event"] for e in events]


def resumes_over_the_end_of_a_life(kill):
    """A reader stops in the middle; work goes on; the daemon ends, some of its transactions unfinished; the reader comes back."""
    d, s = Daemon().start(), Site(Participants())
    gate = s.on("slow/do", Gate())
    first = Stream(d, "/v1/events")
    eventually(lambda: first.head)
    for i in range(10):
        d.run(s.saga(s.step("a"), s.step("b"), name=f"before-{i}"))
    eventually(lambda: len(first.events) > 40, 5)
    first.close()
    read = first.events[:37]
    s.on("refused/do", 409)
    for i in range(10):
        d.run(s.saga(s.step("a"), s.step("refused"), name=f"between-{i}"), "rolled_back")
        d.submit(s.saga(s.step("a"), s.step("slow"), name=f"open-{i}"))
    eventually(lambda: len(s.calls("slow/do")) == 10, 5)
    time.sleep(1.2)  # what is final has been folded, and is read from its row
    last = d.get("/v1/events?limit=200").json
    d.restart(kill=kill)
    second = Stream(d, "/v1/events", last=read[-1]["id"])
    gate.open()
    gids = [s.gid(f"{kind}-{i}") for kind in ("before", "between", "open") for i in range(10)]
    for gid in gids:
        d.until(gid, ("committed", "rolled_back"), 20)
    wanted = timelines(d, gids)
    count = sum(len(items) for items in wanted.values())
    eventually(lambda: len(read) + len(second.events) >= count, 10)
    time.sleep(0.2)
    need("lagged" not in names(second.events), names(second.events))
    equal(told(read + second.events, gids), wanted, "every event exactly once, in order")
    ids = [e["id"] for e in read + second.events]
    equal(len(ids), len(set(ids)), "ids are unique")
    second.close()
    # The list goes on in the same way.
    more = d.get(f"/v1/events?limit=200&after={last['next']}").json["items"]
    need(more, "the next life added events")
    seen = {(i["gid"], i["event"], i["seq"]) for i in last["items"]}
    need(not any((i["gid"], i["event"], i["seq"]) in seen for i in more), "a list told an event twice")
    # Another end, with nothing new: the same ids for the same events.
    d.restart(kill=kill)
    third = Stream(d, "/v1/events", last=read[-1]["id"])
    eventually(lambda: len(third.events) >= len(second.events), 5)
    equal([e["id"] for e in third.events[:len(second.events)]], [e["id"] for e in second.events])
    equal([e["data"] for e in third.events[:len(second.events)]], [e["data"] for e in second.events])
    third.close()
    d.kill()


def test_a_stream_goes_on_after_kill_9():
    resumes_over_the_end_of_a_life(kill=True)


def test_a_stream_goes_on_after_a_stop():
    resumes_over_the_end_of_a_life(kill=False)


def test_a_stream_goes_on_over_ends_under_load():
    """Killed again and again while work comes in; a reader that always returns to where it was misses nothing."""
    d, s = Daemon().start(), Site(Participants())
    gids, events, stop = [], [], threading.Event()

    def work():
        for i in range(100000):
            if stop.is_set():
                return
            try:
                if d.client(timeout=5).request("POST", "/v1/transactions", s.saga(s.step("a"), s.step("b"), name=f"{i}")).status == 202:
                    gids.append(s.gid(f"{i}"))
            except OSError:
                time.sleep(0.01)

    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    threads = [threading.Thread(target=work)]
    threads[0].start()
    for _ in range(4):
        time.sleep(0.7)
        d.restart()
        eventually(lambda stream=stream: stream.closed, 5)
        events += stream.events
        stream = Stream(d, "/v1/events", last=events[-1]["id"])
    time.sleep(0.5)
    stop.set()
    threads[0].join()
    for gid in gids:
        d.until(gid, "committed", 20)
    wanted = timelines(d, gids)
    eventually(lambda: told(events + stream.events, gids) == wanted, 10, 0.2, "every event exactly once, in order")
    need("lagged" not in names(events + stream.events))
    stream.close()
    d.kill()


def test_what_is_too_old_after_a_restart_is_told():
    d, s = Daemon(settings={"store": {"events_keep": "32KiB"}}).start(), Site(Participants())
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    for i in range(150):
        d.run(s.saga(s.step("a"), name=f"{i}", labels={"pad": "x" * 200}))
    eventually(lambda: any(n == "tx.status" and s.gid("149") == v.get("gid") and v.get("status") == "committed"
                           for n, v in ((e["event"], json.loads(e["data"])) for e in stream.events)), 5)
    stream.close()
    # Within one life the feed in memory has all of it.
    again = Stream(d, "/v1/events", last=stream.events[0]["id"])
    eventually(lambda: len(again.events) >= len(stream.events) - 1, 5)
    equal(names(again.events)[:1], names(stream.events)[1:2])
    again.close()
    time.sleep(2.5)  # folded and trimmed
    d.restart()
    old = Stream(d, "/v1/events", last=stream.events[0]["id"])
    eventually(lambda: old.events, 5)
    equal(names(old.events), ["lagged"])
    recent = Stream(d, "/v1/events", last=stream.events[-20]["id"])
    eventually(lambda: len(recent.events) >= 19, 5)
    equal([e["id"] for e in recent.events], [e["id"] for e in stream.events[-19:]])
    # Whoever was told goes on from there.
    at = old.events[0]["id"]
    old.close()
    recent.close()
    after = Stream(d, "/v1/events", last=at)
    eventually(lambda: after.head)
    d.run(s.saga(s.step("a"), name="new"))
    eventually(lambda: after.of(s.gid("new")), 5)
    need("lagged" not in names(after.events), names(after.events))
    after.close()
    d.kill()


def test_without_a_kept_part_a_restart_is_told():
    d, s = Daemon(settings={"store": {"events_keep": "0"}}).start(), Site(Participants())
    d.run(s.saga(s.step("a")))
    last = d.get("/v1/events").json["next"]
    d.restart(kill=False)
    stream = Stream(d, "/v1/events", last="1-1-1")
    eventually(lambda: stream.events, 5)
    equal(names(stream.events), ["lagged"])
    stream.close()
    equal(d.get(f"/v1/events?after={last}").status, 200)
    d.kill()


def test_a_restored_store_knows_whose_events_it_has():
    """What was read before the backup goes on; what was read of lost work is told, also once its batches are written anew."""
    d, s = Daemon(auth=True).start(), Site(Participants())
    stream = Stream(d, "/v1/events")
    eventually(lambda: stream.head)
    for i in range(5):
        d.run(s.saga(s.step("a"), name=f"kept-{i}"))
    eventually(lambda: len(stream.of(s.gid("kept-4"))) >= 5, 5)
    kept = list(stream.events)
    path = os.path.join(scratch(), "backup")
    equal(run_settle("store", "backup", path, daemon=d).returncode, 0)
    for i in range(5):
        d.run(s.saga(s.step("a"), name=f"lost-{i}"))
    eventually(lambda: len(stream.of(s.gid("lost-4"))) >= 5, 5)
    lost = stream.events[-12]["id"]
    stream.close()
    d.kill()
    restored = os.path.join(scratch(), "data")
    done = run_settle("store", "restore", path, "--data", restored, "--yes")
    equal(done.returncode, 0, done.stderr)
    fresh = Daemon(auth=True, data=restored).start()
    for i in range(20):  # past the numbers of the lost batches
        fresh.run(s.saga(s.step("a"), name=f"new-{i}"))
    old, other = Stream(fresh, "/v1/events", last=kept[2]["id"]), Stream(fresh, "/v1/events", last=lost)
    gids = [s.gid(f"kept-{i}") for i in range(5)] + [s.gid(f"new-{i}") for i in range(20)]
    wanted = timelines(fresh, gids)
    eventually(lambda: other.events and told(kept[:3] + old.events, gids) == wanted, 5, 0.2, "nothing lost, nothing twice")
    need("lagged" not in names(old.events))
    equal(names(other.events), ["lagged"])
    old.close()
    other.close()
    fresh.kill()


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
