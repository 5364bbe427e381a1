"""The RabbitMQ sink against a real broker: what arrives, what does not, and a broker that is killed in the middle."""

import os
import re
import subprocess
import time

from kit import certificates
from kit.checks import contains, equal, eventually, limit, need
from kit.rabbitmq import RabbitMQ

TEST = os.path.join(os.environ.get("BUILD", "build"), "test", "rabbitmq_sink_test")
SHARED = {}


def broker():
    """One for all tests that leave it as it was."""
    if "broker" not in SHARED:
        SHARED["authority"] = certificates.Authority()
        SHARED["broker"] = RabbitMQ(settings={"heartbeat": "2"}, tls=SHARED["authority"].issue("broker", "DNS:localhost"))
        prepare(SHARED["broker"])
    return SHARED["broker"]


def prepare(b):
    connection = b.amqp()
    for name in ("ordered", "bodies", "mixed", "neighbour", "many", "frozen", "blocked", "speed", "fire"):
        connection.queue(name)
    connection.queue("small", x_max_length=2, x_overflow="reject-publish")
    connection.exchange("in-order")
    connection.bind("ordered", "in-order", "orders")
    connection.exchange("unbound")
    for i in range(100):
        connection.exchange(f"many-{i}", "fanout")
        connection.bind("many", f"many-{i}", "")
    connection.close()


def run(b, only, seconds=60, **more):
    """The C test's functions whose names fit; its output. None may be skipped."""
    environment = dict(os.environ, SETTLE_TEST_RABBITMQ=f"127.0.0.1:{b.port}", SETTLE_TEST_ONLY=only, **more)
    done = subprocess.run([TEST], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout[-6000:])
    need("[       OK ] " in done.stdout and "SKIPPED" not in done.stdout, done.stdout[-2000:])
    return done.stdout


def test_delivers_in_order_with_id_type_and_headers():
    run(broker(), "delivers_in_order")
    connection = broker().amqp()
    got = connection.drain("ordered")
    equal([m.properties["message_id"] for m in got], [f"m-{i}" for i in range(3000)])
    for m in got:
        equal((m.exchange, m.routing_key, m.body), ("in-order", "orders", b'{"order":1}'))
        equal(m.properties, {
            "content_type": "application/json", "delivery_mode": 2, "message_id": m.properties["message_id"],
            "headers": {"settle-topic": "orders", "settle-key": "customer-7", "settle-gid": "gid-1", "trace": "a-b", "note": "grüß"}})


def test_delivers_any_body():
    run(broker(), "delivers_any_body")
    bodies = [m.body for m in broker().amqp().drain("bodies")]
    large = bytes(i * 7 % 256 for i in range(256 * 1024))
    need(bodies == [large, b"", large[:1]], [len(b) for b in bodies])


def test_is_not_done_when_nobody_gets_it():
    run(broker(), "is_not_done_when_nobody_gets_it")
    equal(len(broker().amqp().drain("mixed")), 400)


def test_a_missing_exchange_harms_nobody_else():
    run(broker(), "a_missing_exchange_harms_nobody_else")
    equal([m.properties["message_id"] for m in broker().amqp().drain("neighbour")], [f"m-{i}" for i in range(401) if i % 20 or i == 400])


def test_serves_more_exchanges_than_it_has_channels():
    run(broker(), "serves_more_exchanges_than_it_has_channels")
    equal(sorted(int(m.properties["message_id"][2:]) for m in broker().amqp().drain("many")), list(range(400)))


def test_tells_the_brokers_refusal():
    run(broker(), "tells_the_brokers_refusal")
    run(broker(), "refuses_what_amqp_cannot_carry")


def test_new_egress_rules_reach_open_connections():
    run(broker(), "new_rules_reach_open_connections")


def test_speaks_tls_with_who_has_the_name():
    b = broker()
    run(b, "speaks_tls", SETTLE_TEST_RABBITMQ_TLS=str(b.tls_port), SETTLE_TEST_RABBITMQ_CA=SHARED["authority"].ca)


def test_stays_connected_and_asleep_while_idle():
    run(broker(), "stays_connected_and_asleep_while_idle")


def test_a_confined_process_reaches_it():
    b = broker()
    confined = os.path.join(os.path.dirname(TEST), "confinement_sinks_test")
    environment = dict(os.environ, SETTLE_TEST_RABBITMQ=f"127.0.0.1:{b.port}", SETTLE_TEST_RABBITMQ_TLS=str(b.tls_port),
                       SETTLE_TEST_RABBITMQ_CA=SHARED["authority"].ca)
    done = subprocess.run([confined], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    equal(done.returncode, 0, done.stdout)


def test_a_frozen_broker_holds_nobody():
    b = broker()
    run(b, "a_frozen_broker_holds_nobody", SETTLE_TEST_RABBITMQ_PID=str(b.server_pid()))


def test_a_blocked_broker_gets_nothing():
    b = broker()
    b.ctl("set_vm_memory_high_watermark", "absolute", "1000")
    try:
        run(b, "a_blocked_broker_gets_nothing", SETTLE_TEST_RABBITMQ_BLOCKED="1")
    finally:
        b.ctl("set_vm_memory_high_watermark", "0.4")


@limit(120)
def test_relays_quickly():
    said = re.search(r"^rabbitmq: .*", run(broker(), "relays_quickly", 100), re.M)[0]
    print("     " + said, flush=True)
    equal(broker().amqp().count("speed"), 40000)


@limit(180)
def test_forgets_nothing_that_is_done():
    """kill -9 three times while messages flow; every message that was done before or after is in the queue."""
    b = broker()
    path = b.path("done")
    environment = dict(os.environ, SETTLE_TEST_RABBITMQ=f"127.0.0.1:{b.port}", SETTLE_TEST_ONLY="forgets_nothing_that_is_done",
                       SETTLE_TEST_RABBITMQ_DONE=path)
    with subprocess.Popen([TEST], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for wanted in (1500, 6000, 12000):
                eventually(lambda at=wanted: os.path.exists(path) and sum(1 for _ in open(path, encoding="ascii")) >= at, 60)
                b.kill()
                time.sleep(0.5)
                b.start()
            said = process.communicate(timeout=120)[0]
        finally:
            process.kill()
    equal(process.returncode, 0, said[-3000:])
    contains(said, "[       OK ]")
    with open(path, encoding="ascii") as f:
        done = set(f.read().split())
    equal(len(done), 20000)
    there = [m.properties["message_id"] for m in b.amqp().drain("fire")]
    missing = done - set(there)
    print(f"     {re.search('[0-9]+ done, .*', said)[0]}; {len(there) - len(set(there))} arrived twice", flush=True)
    equal(len(missing), 0, sorted(missing)[:10])


def test_stops_the_broker():
    """Nothing is left running."""
    b = SHARED.pop("broker", None)
    if b is not None:
        b.stop()
        equal(list(b.processes()), [])
