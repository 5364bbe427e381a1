"""The STOMP sink against real brokers, ActiveMQ and RabbitMQ: what arrives, what does not, and a broker that is killed in the middle."""

import os
import re
import subprocess
import time

from kit import certificates
from kit.activemq import ActiveMQ
from kit.checks import contains, equal, eventually, limit, need
from kit.daemon import free_port, scratch
from kit.rabbitmq import RabbitMQ
from kit.stomp import StompClient

TEST = os.path.join(os.environ.get("BUILD", "build"), "test", "stomp_peer_test")
SHARED = {}


class Broker:
    """Either of the two, with what the C test needs to know."""

    def __init__(self, server, port, tls_port, user, password):
        self.server, self.port, self.tls_port, self.user = server, port, tls_port, user
        self.secrets = scratch()
        self.password, self.wrong = self.secret("password", password), self.secret("wrong", "not this one")
        self.real_password = password

    def secret(self, name, text):
        path = os.path.join(self.secrets, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def environment(self, only, to, count=100, password=None, secure=False, parameters="", **more):
        host = f"stomps://{self.user}@localhost:{self.tls_port}" if secure else f"stomp://{self.user}@127.0.0.1:{self.port}"
        return dict(os.environ, SETTLE_TEST_STOMP=f"{host}/?password_file={password or self.password}{parameters}", SETTLE_TEST_ONLY=only,
                    SETTLE_TEST_STOMP_TO=to, SETTLE_TEST_STOMP_COUNT=str(count), **more)

    def run(self, only, to, seconds=60, **more):
        """One function of the C test; its output. It must not be skipped."""
        done = subprocess.run([TEST], env=self.environment(only, to, **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds, check=False)
        if done.returncode != 0 or "[       OK ] " not in done.stdout or "SKIPPED" in done.stdout:
            raise AssertionError(done.stdout[-6000:])
        return done.stdout

    def drain(self, destination, **headers):
        client = StompClient(self.port, self.user, self.real_password)
        try:
            return client.drain(destination, **headers)
        finally:
            client.close()


def authority():
    if "authority" not in SHARED:
        SHARED["authority"] = certificates.Authority()
    return SHARED["authority"]


def activemq():
    """One for all tests that leave it as it was."""
    if "activemq" not in SHARED:
        server = ActiveMQ(tls=authority().issue("broker", "DNS:localhost"))
        SHARED["activemq"] = Broker(server, server.port, server.tls_port, server.user, server.password)
    return SHARED["activemq"]


def rabbitmq():
    if "rabbitmq" not in SHARED:
        port, tls_port = free_port(), free_port()
        server = RabbitMQ(plugins=["rabbitmq_stomp"], tls=authority().issue("broker", "DNS:localhost"),
                          settings={"stomp.listeners.tcp.1": f"127.0.0.1:{port}", "stomp.listeners.ssl.1": f"127.0.0.1:{tls_port}"})
        SHARED["rabbitmq"] = Broker(server, port, tls_port, "guest", "guest")
    return SHARED["rabbitmq"]


def ids(frames):
    return [f.headers["settle-id"] for f in frames]


def delivers(broker):
    said = broker.run("all_are_done", "/queue/shop.ordered", count=3000)
    got = broker.drain("/queue/shop.ordered")
    equal(ids(got), [f"m-{i}" for i in range(3000)])
    for m in got:
        equal(m.body, b'{"order":1}', m)
        expected = {"destination": "/queue/shop.ordered", "persistent": "true", "content-type": "application/json", "settle-topic": "orders", "settle-key": "customer-7",
                    "settle-gid": "gid-1", "tenant": "a:b\\c\nd", "header-destination": "/queue/elsewhere", "correlation-id": "c-1"}
        equal({k: m.headers.get(k) for k in expected}, expected, m)
    print("     " + re.search(r"^stomp: .*", said, re.M)[0], flush=True)


def forgets_nothing(broker, count=6000):
    """kill -9 twice while messages flow: every message that was done before or after is in the queue."""
    path = os.path.join(broker.secrets, "done")
    if os.path.exists(path):
        os.unlink(path)
    environment = broker.environment("every_one_at_last", "/queue/shop.fire", count=count, SETTLE_TEST_STOMP_DONE=path)
    with subprocess.Popen([TEST], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for wanted in (count // 6, count // 2):
                eventually(lambda at=wanted: os.path.exists(path) and sum(1 for _ in open(path, encoding="ascii")) >= at, 60)
                broker.server.kill()
                time.sleep(0.5)
                broker.server.start()
            said = process.communicate(timeout=120)[0]
        finally:
            process.kill()
    equal(process.returncode, 0, said[-3000:])
    contains(said, "[       OK ]")
    with open(path, encoding="ascii") as f:
        done = f.read().split()
    equal((len(done), len(set(done))), (count, count))
    broker.server.kill()
    broker.server.start()
    there = ids(broker.drain("/queue/shop.fire"))
    missing = set(done) - set(there)
    print(f"     {re.search('[0-9]+ done, .*', said)[0]}; {len(there) - len(set(there))} arrived twice", flush=True)
    equal(len(missing), 0, sorted(missing)[:10])


def says(broker, only, to, *words, **more):
    said = broker.run(only, to, **more)
    line = re.search(r"^stomp: verdict .*", said, re.M)[0]
    for word in words:
        contains(line, word)


# ActiveMQ.


def test_activemq_gets_all_in_order_with_its_headers():
    delivers(activemq())


def test_activemq_over_tls():
    activemq().run("all_are_done", "/queue/shop.tls", secure=True, SETTLE_TEST_STOMP_CA=authority().ca)
    equal(len(activemq().drain("/queue/shop.tls")), 100)
    says(activemq(), "it_is_not_sent", "/queue/shop.tls", "certificate", secure=True, SETTLE_TEST_STOMP_CA=certificates.Authority("another").ca)


def test_activemq_keeps_an_idle_connection():
    activemq().run("idle_connections_live", "/queue/shop.idle")


def test_activemq_refuses_with_its_words():
    says(activemq(), "it_is_unknown", "/queue/shop.ship", "refused the login", "password is invalid", password=activemq().wrong)
    says(activemq(), "it_is_unknown", "/queue/forbidden", "the broker refused this message", "not authorized to write to")


def test_activemq_topic_without_subscriber_discards():
    """The trap that docs/sinks.md warns of: done, and gone."""
    activemq().run("all_are_done", "/topic/news")
    equal(activemq().drain("/topic/news"), [])


def test_activemq_that_is_frozen():
    broker = activemq()
    broker.server.freeze()
    try:
        says(broker, "it_is_not_sent", "/queue/shop.frozen", "did not answer CONNECT")
    finally:
        broker.server.freeze(False)


@limit(150)
def test_activemq_forgets_nothing_that_is_done():
    forgets_nothing(activemq())


@limit(120)
def test_activemq_forgets_what_is_not_persistent():
    """The other trap: done says that the broker has it, not that it would still have it after a restart."""
    broker = activemq()
    broker.run("all_are_done", "/queue/shop.light", parameters="&persistent=false")
    broker.server.kill()
    broker.server.start()
    equal(broker.drain("/queue/shop.light"), [])


# RabbitMQ.


def test_rabbitmq_gets_all_in_order_with_its_headers():
    delivers(rabbitmq())


def test_rabbitmq_over_tls():
    rabbitmq().run("all_are_done", "/queue/shop.tls", secure=True, SETTLE_TEST_STOMP_CA=authority().ca)
    equal(len(rabbitmq().drain("/queue/shop.tls")), 100)


def test_rabbitmq_keeps_an_idle_connection():
    rabbitmq().run("idle_connections_live", "/queue/shop.idle")


def test_rabbitmq_refuses_with_its_words():
    says(rabbitmq(), "it_is_unknown", "/queue/shop.ship", "refused the login", "Access refused for user 'guest'", password=rabbitmq().wrong)
    says(rabbitmq(), "it_is_unknown", "/exchange/nowhere/k", "NOT_FOUND - no exchange 'nowhere' in vhost '/'")
    says(rabbitmq(), "it_is_unknown", "/queue/shop.ship", "refused the login", "nosuch", parameters="&vhost=nosuch")


@limit(180)
def test_rabbitmq_forgets_nothing_that_is_done():
    forgets_nothing(rabbitmq())
