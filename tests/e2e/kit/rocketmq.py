"""A RocketMQ of our own: a name server and a broker from the artifacts on Maven Central, and a small consumer.

The artifacts are resolved by mvn once and kept in build/rocketmq-VERSION. Without java, mvn or the artifacts a test skips."""

import base64
import hmac
import json
import os
import shutil
import signal
import socket
import struct
import subprocess

from .checks import Skip, eventually
from .daemon import BUILD, free_port, scratch

VERSION = "5.3.3"
JARS = os.path.join(BUILD, f"rocketmq-{VERSION}")
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>settle.test</groupId><artifactId>rocketmq</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-namesrv</artifactId><version>{0}</version></dependency>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-broker</artifactId><version>{0}</version></dependency>
  </dependencies>
</project>
"""
START_S = 60.0


def resolve():
    """The folder with the jars; Skip says why there is none."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Skip(f"skipped: no {program} on this machine")
    complete = os.path.join(JARS, "complete")
    if os.path.exists(complete):
        return JARS
    os.makedirs(JARS, exist_ok=True)
    with open(os.path.join(JARS, "pom.xml"), "w", encoding="utf-8") as f:
        f.write(POM.format(VERSION))
    command = ["mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=."]
    try:
        done = subprocess.run(command, cwd=JARS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=300, check=False)
    except subprocess.TimeoutExpired as e:
        raise Skip("skipped: mvn did not resolve RocketMQ within 300 s") from e
    if done.returncode != 0:
        why = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no word from mvn")
        raise Skip(f"skipped: RocketMQ {VERSION} cannot be resolved: {why[:300]}")
    with open(complete, "w", encoding="utf-8"):
        pass
    return JARS


def broker_port():
    """A free port with a free one two below it, which the broker takes as well."""
    while True:
        port = free_port()
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port - 2))
                return port
            except OSError:
                pass


class Server:
    """One Java process. Nothing runs before start()."""

    running = set()

    def __init__(self, main_class, name, settings, directory):
        self.main_class, self.name, self.directory, self.process = main_class, name, directory, None
        self.settings = os.path.join(directory, self.name + ".conf")
        with open(self.settings, "w", encoding="utf-8") as f:
            f.write("".join(f"{k}={v}\n" for k, v in settings.items()))

    def start(self):
        command = ["java", "-Xms64m", "-Xmx256m", "-XX:MaxDirectMemorySize=128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                   f"-Duser.home={self.directory}", f"-Drocketmq.home.dir={self.directory}", "-cp", os.path.join(resolve(), "*"),
                   self.main_class, "-c", self.settings]
        with open(os.path.join(self.directory, self.name + ".log"), "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        Server.running.add(self)

    def kill(self):
        """As by kill -9."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None
        Server.running.discard(self)


class RocketMQ:
    """A name server and brokers with synchronous flush on free ports of loopback. user: (access key, secret) that brokers ask for."""

    def __init__(self, user=None, brokers=1):
        resolve()
        self.user = user
        self.directory = scratch("settle-rocketmq-")
        self.names_port = free_port()
        self.names = Server("org.apache.rocketmq.namesrv.NamesrvStartup", "names", {
            "listenPort": self.names_port, "bindAddress": "127.0.0.1",
            "kvConfigPath": os.path.join(self.directory, "kv.json"), "configStorePath": os.path.join(self.directory, "names.properties"),
        }, self.directory)
        self.ports = {f"broker-{chr(97 + i)}": broker_port() for i in range(brokers)}
        self.brokers = {name: self.make_broker(name) for name in self.ports}

    def make_broker(self, name):
        store = os.path.join(self.directory, name)
        return Server("org.apache.rocketmq.broker.BrokerStartup", name, {
            "brokerClusterName": "settle", "brokerName": name, "brokerId": 0, "brokerIP1": "127.0.0.1", "bindAddress": "127.0.0.1",
            "namesrvAddr": f"127.0.0.1:{self.names_port}", "listenPort": self.ports[name], "haListenPort": free_port(),
            "storePathRootDir": store, "storePathCommitLog": os.path.join(store, "commitlog"), "mappedFileSizeCommitLog": 16 << 20,
            "mappedFileSizeConsumeQueue": 600000, "autoCreateTopicEnable": "true", "flushDiskType": "SYNC_FLUSH",
            "timerWheelEnable": "false", "diskMaxUsedSpaceRatio": 99, "waitTimeMillsInSendQueue": 5000, **(self.access() if self.user else {}),
        }, self.directory)

    def access(self):
        key, secret = self.user
        provider = "org.apache.rocketmq.auth.authentication.provider."
        return {"authenticationEnabled": "true", "authenticationProvider": provider + "DefaultAuthenticationProvider",
                "authenticationMetadataProvider": provider + "LocalAuthenticationMetadataProvider",
                "initAuthenticationUser": json.dumps({"username": key, "password": secret}),
                "innerClientAuthenticationCredentials": json.dumps({"accessKey": key, "secretKey": secret})}

    def __enter__(self):
        self.names.start()
        for name in self.brokers:
            self.start_broker(name)
        return self

    def __exit__(self, *_):
        for server in [*self.brokers.values(), self.names]:
            server.kill()

    def start_broker(self, name="broker-a"):
        """Until its name server knows it."""
        self.brokers[name].start()
        eventually(lambda: name in self.addresses("TBW102"), START_S, 0.2, f"{name} is registered")

    def kill_broker(self, name="broker-a"):
        self.brokers[name].kill()

    def ask(self, port, code, fields, body=b""):
        if self.user:
            fields = signed(fields, body, *self.user)
        return exchange(port, code, fields, body)

    def addresses(self, topic):
        """{broker: how many queues it has for the topic}, as the name server says."""
        try:
            header, body = self.ask(self.names_port, 105, {"topic": topic, "acceptStandardJsonOnly": "true"})
        except OSError:
            return {}
        return {q["brokerName"]: q["writeQueueNums"] for q in json.loads(body)["queueDatas"]} if header["code"] == 0 else {}

    def messages(self, topic):
        """Everything in the topic: {(broker, queue): [Message in the order of their offsets]}."""
        return {(name, queue): self.pull(self.ports[name], topic, queue)
                for name, queues in self.addresses(topic).items() for queue in range(queues)}

    def pull(self, port, topic, queue):
        place = {"topic": topic, "queueId": str(queue)}
        end = int(self.ask(port, 30, place)[0]["extFields"]["offset"])
        out, offset = [], 0
        while offset < end:
            header, body = self.ask(port, 11, {
                **place, "consumerGroup": "settle_test", "queueOffset": str(offset), "maxMsgNums": "32", "sysFlag": "4", "commitOffset": "0",
                "suspendTimeoutMillis": "0", "subVersion": "0", "subscription": "*", "expressionType": "TAG"})
            if header["code"] not in (0, 20, 21):
                raise AssertionError(f"pull of {topic}/{queue} at {offset}: {header}")
            out += records(body) if header["code"] == 0 else []
            offset = max(offset + (header["code"] != 0), int(header["extFields"]["nextBeginOffset"]))
        return out


class Message:
    def __init__(self, queue, offset, body, properties):
        self.queue, self.offset, self.body, self.properties = queue, offset, body, properties


def records(data):
    """The records of a pull's body."""
    out, at = [], 0
    while at < len(data):
        size, magic, _, queue, _, offset, _, flags = struct.unpack_from(">iIIiiqqi", data, at)
        if magic != 0xDAA320A7 or size <= 0:
            raise AssertionError(f"no record: {data[at:at + 32].hex()}")
        p = at + 40 + 8 + (20 if flags & 16 else 8) + 8 + (20 if flags & 32 else 8) + 4 + 8
        length = struct.unpack_from(">i", data, p)[0]
        body, p = data[p + 4:p + 4 + length], p + 4 + length
        p += 1 + data[p]
        length = struct.unpack_from(">h", data, p)[0]
        text = data[p + 2:p + 2 + length].decode()
        properties = dict(pair.split("\x01", 1) for pair in text.split("\x02") if pair)
        out.append(Message(queue, offset, body, properties))
        at += size
    return out


def receive(s, length):
    out = b""
    while len(out) < length:
        more = s.recv(length - len(out))
        if not more:
            raise ConnectionError("closed in the middle of a frame")
        out += more
    return out


def signed(fields, body, key, secret):
    """With the fields of access control."""
    fields = {**fields, "AccessKey": key}
    content = "".join(value for _, value in sorted(fields.items())).encode() + body
    return {**fields, "Signature": base64.b64encode(hmac.new(secret.encode(), content, "sha1").digest()).decode()}


def exchange(port, code, fields, body=b""):
    """One request on a connection of its own; the answer's header and body."""
    header = json.dumps({"code": code, "extFields": fields, "flag": 0, "language": "OTHER", "opaque": 1, "serializeTypeCurrentRPC": "JSON",
                         "version": 479}).encode()
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(struct.pack(">II", 4 + len(header) + len(body), len(header)) + header + body)
        length = struct.unpack(">I", receive(s, 4))[0]
        frame = receive(s, length)
    size = struct.unpack(">I", frame[:4])[0] & 0xFFFFFF
    answer = json.loads(frame[4:4 + size])
    return answer, frame[4 + size:]
