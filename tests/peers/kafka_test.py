"""The Kafka sink against a real broker, where one can be had: what arrives, and a broker that is killed in the middle."""

import os
import re
import subprocess
import time

from kit import certificates
from kit.checks import contains, equal, eventually, limit
from kit.kafka import Kafka

TEST = os.path.join(os.environ.get("BUILD", "build"), "test", "kafka_sink_test")
SHARED = {}


def broker():
    if "broker" not in SHARED:
        SHARED["authority"] = certificates.Authority()
        SHARED["broker"] = Kafka(tls=SHARED["authority"].issue("broker", "DNS:localhost"))
    return SHARED["broker"]


def environment(only, **more):
    return dict(os.environ, SETTLE_TEST_KAFKA=f"127.0.0.1:{broker().port}", SETTLE_TEST_ONLY=only, **more)


@limit(400)
def test_delivers_to_a_real_broker():
    done = subprocess.run([TEST], env=environment("delivers_to_a_real_broker"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False)
    equal(done.returncode, 0, done.stdout[-3000:])
    contains(done.stdout, "[       OK ]")
    print("     " + re.search(r"^kafka: .*", done.stdout, re.M)[0], flush=True)


def test_speaks_tls_and_sasl():
    more = {"SETTLE_TEST_KAFKA_TLS": str(broker().tls_port), "SETTLE_TEST_KAFKA_CA": SHARED["authority"].ca}
    done = subprocess.run([TEST], env=environment("speaks_tls_and_sasl", **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=50, check=False)
    equal(done.returncode, 0, done.stdout[-3000:])
    contains(done.stdout, "[       OK ]")


@limit(240)
def test_forgets_nothing_that_is_done():
    """kill -9 twice while messages flow; the C test reads the topic back and looks for every message."""
    b = broker()
    path = b.path("done")
    with subprocess.Popen([TEST], env=environment("forgets_nothing_that_is_done", SETTLE_TEST_KAFKA_DONE=path), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        try:
            for wanted in (2000, 10000):
                eventually(lambda at=wanted: os.path.exists(path) and os.path.getsize(path) >= at, 60)
                b.kill()
                time.sleep(0.5)
                b.start()
            said = process.communicate(timeout=180)[0]
        finally:
            process.kill()
    equal(process.returncode, 0, said[-3000:])
    contains(said, "[       OK ]")
    print("     " + re.search(r"^\d+ done.*", said, re.M)[0], flush=True)
