"""Messages through settled into real brokers: published under load while settled is killed, each is in the queue at least once, with its id."""

import http.client
import itertools
import os
import threading
import time

from kit import Daemon, equal, eventually, free_port, limit, need, scratch
from kit.rabbitmq import RabbitMQ
from kit.rocketmq import RocketMQ

COUNT = 3000


class Publishing:
    """Publishes until COUNT messages are accepted, over crashes of settled; a message without an answer is published again under its id."""

    def __init__(self, d, topic):
        self.d, self.topic, self.accepted = d, topic, set()
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(4)]
        for t in self.threads:
            t.start()

    def run(self):
        client = self.d.client()
        while True:
            with self.lock:
                number = next(self.numbers)
            if number >= COUNT:
                return
            identity = f"{self.topic}-{number}"
            while True:
                try:
                    answer = client.request("POST", "/v1/messages", {"id": identity, "topic": self.topic, "body": {"number": number}})
                    if answer.status in (200, 201):
                        break
                except (OSError, http.client.HTTPException):
                    pass
                time.sleep(0.02)
            with self.lock:
                self.accepted.add(identity)

    def crash_settled(self):
        for share in (0.25, 0.6):
            eventually(lambda at=share: len(self.accepted) >= COUNT * at, 60)
            self.d.kill()
            self.d.start()
        for t in self.threads:
            t.join()
        equal(len(self.accepted), COUNT)


def relay(d, name, sink, ids):
    d.subscribe(name, name, sink=sink, ordered=False, concurrency=256, retry={"first": "100ms", "max": "1s"})
    sending = Publishing(d, name)
    sending.crash_settled()
    eventually(lambda: d.get(f"/v1/subscriptions/{name}").json["owed"] == 0, 60)
    there = ids()
    equal(sorted(sending.accepted - set(there))[:10], [])
    need(set(there) <= sending.accepted, "nothing else is there")
    print(f"     {name}: {COUNT} accepted over 2 crashes of settled, all there, {len(there) - COUNT} twice", flush=True)


@limit(300)
def test_rabbitmq_gets_everything():
    port = free_port()
    b = RabbitMQ(plugins=["rabbitmq_stomp"], settings={"stomp.listeners.tcp.1": f"127.0.0.1:{port}"})
    secret = os.path.join(scratch(), "guest")
    with open(secret, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.write("guest\n")
    try:
        connection = b.amqp()
        connection.queue("amqp")
        connection.queue("stomp")
        d = Daemon(settings={"secrets": {"directories": [os.path.dirname(secret)]}}).start()
        relay(d, "amqp", {"rabbitmq": {"url": f"rabbitmq://guest@127.0.0.1:{b.port}", "queue": "amqp", "password_file": secret}},
              lambda: [m.properties["message_id"] for m in b.amqp().drain("amqp")])
        relay(d, "stomp", {"stomp": {"url": f"stomp://guest@127.0.0.1:{port}", "destination": "/amq/queue/stomp", "password_file": secret}},
              lambda: [m.properties["headers"]["settle-id"] for m in b.amqp().drain("stomp")])
        d.stop()
    finally:
        b.stop()


@limit(300)
def test_rocketmq_gets_everything():
    with RocketMQ() as mq:
        d = Daemon().start()
        relay(d, "rocket", {"rocketmq": {"url": f"rocketmq://127.0.0.1:{mq.names_port}", "topic": "rocket", "create": True}},
              lambda: [m.properties["settle-id"] for messages in mq.messages("rocket").values() for m in messages])
        d.stop()
