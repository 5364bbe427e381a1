"""A Kafka broker of a test's own: one node in KRaft mode in a scratch folder, on free loopback ports, ended by its process id
when the file's tests are over at the latest.

Debian has no Kafka. The broker is the one that its project publishes as Java packages, fetched once by the mvn command into
build/kafka; without java, mvn or those packages, Skip says so.
"""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

from kit import daemon
from kit.checks import Skip
from kit.rabbitmq import answers, free_port

JARS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "build", "kafka")
VERSION = "4.3.1"
PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>settle</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency></dependencies>
</project>
"""
START_S = 60


def jars():
    """The class path."""
    folder = os.environ.get("SETTLE_TEST_KAFKA_JARS", JARS)
    if not glob.glob(os.path.join(folder, "kafka_*.jar")):
        for program in ("java", "mvn"):
            if shutil.which(program) is None:
                raise Skip(f"{program} is not installed, so there is no Kafka to be had")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "pom.xml"), "w", encoding="ascii") as f:
            f.write(PROJECT)
        done = subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False)
        if done.returncode != 0:
            raise Skip("mvn does not get Kafka: " + done.stdout.strip()[-300:])
    if shutil.which("java") is None:
        raise Skip("java is not installed")
    return os.path.join(folder, "*")


class Kafka:
    def __init__(self, tls=None):
        """tls: (certificate, key) files in PEM for localhost; then tls_port answers too, to user settle with password secret."""
        self.class_path = jars()
        self.folder = tempfile.mkdtemp(prefix="settle-kafka-")
        self.port, controller = free_port(), free_port()
        self.process = None
        lines = {
            "process.roles": "broker,controller", "node.id": "1", "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}", "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.path("data"), "offsets.topic.replication.factor": "1", "num.partitions": "3", "num.network.threads": "2",
            "num.io.threads": "2", "group.initial.rebalance.delay.ms": "0",
        }
        if tls:
            self.tls_port = free_port()
            pem = [open(name, encoding="ascii").read().strip().replace("\n", "\\n") for name in tls]
            plain = "org.apache.kafka.common.security.plain.PlainLoginModule required user_settle=\"secret\";"
            lines["listeners"] += f",SECURE://127.0.0.1:{self.tls_port}"
            lines["advertised.listeners"] += f",SECURE://localhost:{self.tls_port}"
            lines["listener.security.protocol.map"] += ",SECURE:SASL_SSL"
            lines |= {"ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": pem[0], "ssl.keystore.key": pem[1],
                      "listener.name.secure.sasl.enabled.mechanisms": "PLAIN", "listener.name.secure.plain.sasl.jaas.config": plain}
        with open(self.path("server.properties"), "w", encoding="ascii") as f:
            f.writelines(f"{name}={value}\n" for name, value in lines.items())
        daemon.at_end.append(self.stop)
        self.java("kafka.tools.StorageTool", "format", "-t", "c2V0dGxlLXRlc3RzLTAwMQ", "-c", self.path("server.properties")).wait(60)
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def java(self, program, *arguments):
        with open(self.path("output"), "ab") as out:
            return subprocess.Popen(["java", "-Xmx384m", "-cp", self.class_path, program, *arguments], cwd=self.folder, stdout=out,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)

    def start(self):
        self.process = self.java("kafka.Kafka", self.path("server.properties"))
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            if answers(self.port):
                return
            time.sleep(0.1)
        with open(self.path("output"), encoding="utf-8", errors="replace") as f:
            raise AssertionError("Kafka did not start:\n" + f.read()[-3000:])

    def kill(self):
        """As kill -9."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
