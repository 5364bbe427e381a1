"""G8, CP16, CP17: sets of messages through half, check-back, push and pull, while settled is killed again and again and consumers die in the
middle. What was acknowledged as committed is delivered to everybody, what is rolled back to nobody, and each key keeps its order."""

import http.client
import os
import random
import threading
import time

from kit import Cut, Daemon, Reset, Status, equal, eventually, limit, need, quick, shared_site

KEYS, EACH, KILLS = 8, 100 if quick() else 1000, 2 if quick() else 8


class History:
    """Who said what: the producers' own files, what settled acknowledged, and what arrived where, in order."""

    def __init__(self, seed):
        self.seed, self.lock = seed, threading.Lock()
        self.ledger = {}        # id: "committed" or "rolled_back", from the local commit on
        self.told = set()       # decided by the producer, not by a check-back
        self.acknowledged = {}  # id: the decision that settled confirmed
        self.arrived = {"push": [], "pull": []}
        self.calm = threading.Event()

    def note(self, way, identity):
        with self.lock:
            self.arrived[way].append(identity)


def persist(client, method, path, body):
    """A producer repeats until it is answered: the id makes that harmless."""
    while True:
        try:
            answer = client.request(method, path, body)
            if answer.status < 500:
                return answer
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.02)


def produce(h, d, s, key):
    dice, client = random.Random(f"{h.seed}-{key}"), d.client()
    for number in range(EACH):
        identity = s.gid(f"{key}-{number}")
        made = persist(client, "POST", "/v1/messages", {
            "id": identity, "topic": s.gid("t"), "key": f"k{key}", "state": "half", "body": {"number": number},
            "check": {"http": s.url("check"), "after": "300ms", "every": "200ms", "timeout": "1s"}})
        need(made.status in (200, 201), made)
        decision = "committed" if dice.random() < 0.7 else "rolled_back"
        silent = dice.random() < 0.15
        with h.lock:
            h.ledger[identity] = decision  # the local commit; what follows may never be sent
            if not silent:
                h.told.add(identity)
        if silent:
            continue
        word = "commit" if decision == "committed" else "rollback"
        done = persist(client, "POST", f"/v1/messages/{identity}/{word}", {"reason": "local"})
        equal(done.status, 200, done)
        with h.lock:
            h.acknowledged[identity] = decision


def check(h):
    def answer(call):
        with h.lock:
            return Status(200, {"status": h.ledger.get(call.gid, "unknown")})

    return answer


def consume_push(h):
    dice = random.Random(f"{h.seed}-push")

    def answer(call):
        h.note("push", call.headers["settle-message"])
        with h.lock:
            roll = 1.0 if h.calm.is_set() else dice.random()
        return Cut() if roll < 0.05 else Reset() if roll < 0.1 else 503 if roll < 0.2 else 200

    return answer


def consume_pull(h, d, s, me, over):
    dice, client = random.Random(f"{h.seed}-pull-{me}"), d.client()
    while not over.is_set():
        try:
            got = client.request("POST", f"/v1/subscriptions/{s.gid('pull')}/pull", {"max": 20, "lease": "1s", "wait": "200ms"})
            for item in got.json["items"] if got.status == 200 else []:
                h.note("pull", item["message"])
                roll = 1.0 if h.calm.is_set() else dice.random()
                if roll < 0.05:
                    break  # this consumer dies: the leases of the rest end by themselves
                act, body = ("nack", {"reason": "later", "delay": "50ms"}) if roll < 0.1 else ("ack", {})
                client.request("POST", f"/v1/deliveries/{item['id']}/{act}", body)
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)


def judge_order(h, way):
    """Messages of a key that their producer committed arrive first in the order of their commits."""
    last = {}
    seen = set()
    for identity in h.arrived[way]:
        if identity in seen or identity not in h.told:
            continue
        seen.add(identity)
        key, number = identity.rsplit("-", 2)[1:]
        need(int(number) > last.get(key, -1), f"{way}: {identity} came after number {last.get(key)} of its key")
        last[key] = int(number)


@limit(300)
def test_what_is_committed_arrives_and_nothing_else():
    seed = os.environ.get("SETTLE_TEST_SEED") or str(random.randrange(1 << 30))
    print(f"     SETTLE_TEST_SEED={seed}", flush=True)
    h, s, over, dice = History(seed), shared_site(), threading.Event(), random.Random(seed)
    d = Daemon().start()
    s.on("check", check(h))
    s.on("push", consume_push(h))
    d.subscribe(s.gid("push"), s.gid("t"), s.url("push"), retry={"first": "50ms", "max": "300ms"})
    d.subscribe(s.gid("pull"), s.gid("t"), retry={"first": "50ms", "max": "300ms"})
    producers = [threading.Thread(target=produce, args=(h, d, s, key)) for key in range(KEYS)]
    consumers = [threading.Thread(target=consume_pull, args=(h, d, s, me, over)) for me in range(3)]
    for t in producers + consumers:
        t.start()
    for kill in range(KILLS):
        at = KEYS * EACH * (kill + dice.random()) / KILLS
        eventually(lambda at=at: len(h.ledger) >= at * 0.95, 120)
        d.kill()
        time.sleep(dice.random() * 0.2)
        d.start()
    for t in producers:
        t.join(120)
    h.calm.set()
    for way in ("push", "pull"):
        eventually(lambda way=way: d.get(f"/v1/subscriptions/{s.gid(way)}").json["owed"] == 0
                   and not d.get("/v1/messages?status=half").json["items"], 60, what=way)
    over.set()
    for t in consumers:
        t.join(30)
    committed = {i for i, decision in h.ledger.items() if decision == "committed"}
    equal(len(h.ledger), KEYS * EACH)
    for identity, decision in h.acknowledged.items():
        equal(h.ledger[identity], decision)
    for way, arrived in h.arrived.items():
        equal(sorted(committed - set(arrived))[:5], [], way, "committed, and never arrived")
        equal(sorted(set(arrived) - committed)[:5], [], way, "arrived, and was not committed")
        judge_order(h, way)
        print(f"     {way}: {len(committed)} of {len(h.ledger)} committed, all arrived, {len(arrived) - len(committed)} repeats, {KILLS} kills", flush=True)
    d.stop()
