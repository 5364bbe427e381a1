"""The RocketMQ sink against a real name server and broker: whatever it calls done is in the topic."""

import json
import os
import subprocess
import time

from kit import ROOT, contains, eventually, equal, less, limit, need, scratch
from kit.rocketmq import RocketMQ

SENDER = os.path.join(ROOT, os.environ.get("BUILD", "build"), "test", "rocketmq_peer_test")


class Sending:
    """The sender of src/sink/rocketmq/rocketmq_peer_test.c, and the file with what it calls done."""

    def __init__(self, mq, topic, count, seconds=60, more="", user=""):
        self.directory = scratch()
        self.path = os.path.join(self.directory, "done")
        with open(self.path, "w", encoding="utf-8"):
            pass
        variables = {"SETTLE_TEST_ROCKETMQ": f"127.0.0.1:{mq.names_port}", "SETTLE_TEST_ROCKETMQ_TOPIC": topic,
                     "SETTLE_TEST_ROCKETMQ_COUNT": str(count), "SETTLE_TEST_ROCKETMQ_SECONDS": str(seconds),
                     "SETTLE_TEST_ROCKETMQ_DONE": self.path, "SETTLE_TEST_ROCKETMQ_MORE": more,
                     "SETTLE_TEST_ROCKETMQ_USER": user}
        self.log = open(os.path.join(self.directory, "log"), "w+b")
        self.process = subprocess.Popen([SENDER], env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def said(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def done(self):
        """[(id, key or '-', attempt, what the broker said)]"""
        with open(self.path, encoding="utf-8") as f:
            return [tuple(line.rstrip("\n").split(" ", 3)) for line in f.read().split("\n")[:-1]]

    def finish(self, seconds=120):
        equal(self.process.wait(seconds), 0, self.said())
        return self.done()


def check_arrived(mq, topic, done, moves=0):
    """Every message that is done is there, with one UNIQ_KEY, and those of a key are in order, in one queue and as many more as it moved."""
    sender = done[0][0].rsplit("-", 1)[0] + "-"
    queues = {place: [m for m in messages if m.properties["settle-id"].startswith(sender)] for place, messages in mq.messages(topic).items()}
    found, order = {}, {}
    for queue, messages in queues.items():
        for m in messages:
            identity = m.properties["settle-id"]
            found.setdefault(identity, []).append(m)
            equal(m.properties["WAIT"], "true")
            equal(m.properties["settle-topic"], "orders")
            equal(json.loads(m.body)["number"], int(identity.rsplit("-", 1)[1]))
            key = m.properties.get("__SHARDINGKEY")
            if key is not None:
                order.setdefault(key, {}).setdefault(queue, []).append(int(identity.rsplit("-", 1)[1]))
    missing = [d for d in done if d[0] not in found]
    equal(missing, [], f"{len(done)} done, {len(found)} found")
    for copies in found.values():
        equal(len({m.properties["UNIQ_KEY"] for m in copies}), 1)
    equal(len({copies[0].properties["UNIQ_KEY"] for copies in found.values()}), len(found))
    equal(len(order), 7)
    for key, by_queue in order.items():
        need(1 <= len(by_queue) <= 1 + moves, f"{key} is in {len(by_queue)} queues")
        for numbers in by_queue.values():
            firsts = list(dict.fromkeys(numbers))
            equal(firsts, sorted(firsts), f"{key} is in order")
    return found, queues


@limit(300)
def test_every_message_that_is_done_has_arrived():
    with RocketMQ() as mq:
        done = Sending(mq, "SettleOrders", 2000, more="&tag=T1").finish()
        equal(len(done), 2000)
        found, queues = check_arrived(mq, "SettleOrders", done)
        equal(len(found), 2000)
        if all(d[2] == "1" for d in done):
            equal(sum(len(m) for m in queues.values()), 2000)
        need(all(m for m in queues.values()), "all queues are used", {str(q): len(m) for q, m in queues.items()})
        equal({m.properties["TAGS"] for copies in found.values() for m in copies}, {"T1"})
        # What the outcome says is where the message is.
        for identity, _, _, said in done[:50]:
            answer = json.loads(said if said.endswith("}") else said[:said.index(',"msgId"')] + "}")
            need(any(m.queue == answer["queueId"] and m.offset == answer["queueOffset"] for m in found[identity]), answer)


@limit(300)
def test_a_killed_broker_loses_nothing_that_is_done():
    with RocketMQ() as mq:
        sending = Sending(mq, "SettleCrash", 6000, seconds=150)
        eventually(lambda: len(sending.done()) > 1500, 60, 0.01, "1500 are done")
        mq.kill_broker()
        before = len(sending.done())
        less(before, 6000, "killed in the middle")
        time.sleep(1.0)
        mq.start_broker()
        done = sending.finish(200)
        equal(len(done), 6000, sending.said())
        need(any(int(d[2]) > 1 for d in done), "some were tried again")
        found, queues = check_arrived(mq, "SettleCrash", done)
        equal(len(found), 6000)
        copies = sum(len(m) for m in queues.values())
        print(f"    {before} done before the kill, {sum(int(d[2]) > 1 for d in done)} tried again, {copies - 6000} stored twice", flush=True)


@limit(300)
def test_a_broker_that_stays_away_is_done_without():
    with RocketMQ(brokers=2) as mq:
        equal(len(Sending(mq, "SettleTwo", 300).finish()), 300)  # makes the topic
        eventually(lambda: len(mq.addresses("SettleTwo")) == 2, 60, 0.2, "both brokers have the topic")
        sending = Sending(mq, "SettleTwo", 5000, seconds=100)
        eventually(lambda: len(sending.done()) > 1000, 60, 0.01, "1000 are done")
        mq.kill_broker("broker-b")
        before = len(sending.done())
        less(before, 5000, "killed in the middle")
        done = sending.finish(150)
        equal(len(done), 5000, sending.said())
        after = [d for d in done[before + 200:] if int(d[2]) > 1]
        less(len(after), 1000, "the route without it is used; with the old one every second message would need another attempt")
        mq.start_broker("broker-b")  # for what it had taken
        eventually(lambda: len(mq.addresses("SettleTwo")) == 2, 60, 0.2, "broker-b has told of its topics")
        found, queues = check_arrived(mq, "SettleTwo", done, moves=1)
        less(0, sum(len(m) for place, m in queues.items() if place[0] == "broker-b"), "broker-b had its share")
        print(f"    {before} done before the kill, {len(after)} of those after it needed more than one attempt", flush=True)


def secret_file(secret):
    path = os.path.join(scratch(), "secret")
    with open(path, "w", encoding="utf-8", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
        f.write(secret + "\n")
    return path


@limit(300)
def test_a_broker_with_access_control_takes_our_signature_and_no_other():
    with RocketMQ(("settle", "12345678")) as mq:
        good, bad = secret_file("12345678"), secret_file("87654321")
        equal(len(Sending(mq, "SettleSigned", 200, more="&password_file=" + good, user="settle@").finish()), 200)
        refused = Sending(mq, "SettleSigned", 5, seconds=3, more="&password_file=" + bad, user="settle@")
        need(refused.process.wait(60) != 0, "a wrong secret is refused", refused.said())
        contains(refused.said(), "broker broker-a answered 16 NO_PERMISSION")
        need("87654321" not in refused.said() and refused.done() == [], refused.said())
        equal(len({m.properties["settle-id"] for messages in mq.messages("SettleSigned").values() for m in messages}), 200)
