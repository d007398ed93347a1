"""Redis and Sentinel of scripts/deploy/kubernetes as their pods would start them, and a broker: a host each, with
names, addresses and disks of their own. The primary is killed, another takes its place, and it comes back as a replica.

    sentinel_test.py FOLDER_OF_BINARIES
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "scripts" / "deploy" / "kubernetes"
BINARIES = None
BROKER = "ns-broker-0"
PODS = {BROKER: "10.77.1.31"}
PODS |= {f"ns-redis-{n}": f"10.77.1.{n + 1}" for n in range(3)}
PODS |= {f"ns-sentinel-{n}": f"10.77.1.{n + 11}" for n in range(3)}


def run(*words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)


def obstacle():
    if os.geteuid() != 0:
        return "making networks needs root"
    if not all(shutil.which(program) for program in ["ip", "nsenter", "unshare", "redis-server"]):
        return "ip, nsenter, unshare and redis-server are needed"
    if run("unshare", "--net", "--uts", "--mount", "--", "ip", "link", "add", "switch", "type", "bridge").returncode != 0:
        return "namespaces and bridges cannot be made here"
    return None


class Host:
    """Namespaces of its own, held by a process; gone with it."""

    def __init__(self, script="true"):
        # Whatever happens to this test, its end of the pipe closes, and the holder ends.
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "--", "sh", "-c",
             f"set -e; ip link set lo up; {script}; echo here; read nothing"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "here\n"

    def words(self, *words):
        return ["nsenter", f"--target={self.holder.pid}", "--net", "--uts", "--mount", "--", *map(str, words)]

    def run(self, *words):
        done = run(*self.words(*words))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdin.close()
        self.holder.stdout.close()


OBSTACLE = obstacle()


@unittest.skipIf(OBSTACLE, OBSTACLE)
class Sentinel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ns-sentinel-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        made = run(MANIFESTS / "make_secrets", env=dict(os.environ, NS_BIN=str(BINARIES)))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.secrets = {thing["metadata"]["name"]: thing["stringData"] for thing in yaml.safe_load_all(made.stdout)}
        hosts = ["127.0.0.1 localhost"]
        for pod, address in PODS.items():
            service = pod.rsplit("-", 1)[0]
            hosts.append(f"{address} {pod}.{service} {service}")
        (self.folder / "hosts").write_text("\n".join(hosts) + "\n")
        self.processes, self.hosts = {}, {}
        self.switch = Host("ip link add switch type bridge; ip link set switch up")
        self.addCleanup(self.switch.end)

    def start_all(self, pods):
        for pod in pods:
            self.attach(pod)
            self.start(pod)

    def attach(self, pod):
        port, address = pod[3:], PODS[pod]
        host = Host(f"hostname {pod}; mount --bind {self.folder}/hosts /etc/hosts")
        self.addCleanup(host.end)
        self.hosts[pod] = host
        self.switch.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.holder.pid)
        self.switch.run("ip", "link", "set", port, "master", "switch", "up")
        host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        self.mount(pod)

    def mount(self, pod):
        """The pod's volumes; at other places than in a container, and everything that names them says so."""
        own = self.folder / pod
        places = {"/etc/ns-redis-users": own / "users", "/etc/ns-redis": own / "config", "/data": own / "data"}
        for place in places.values():
            place.mkdir(parents=True)

        def moved(text):
            for place, there in places.items():
                text = text.replace(place + "/", f"{there}/").replace(f"dir {place}\n", f"dir {there}\n")
            # Nobody's patience is tested here.
            return text.replace("-milliseconds ns 5000", "-milliseconds ns 1000").replace("-timeout ns 10000", "-timeout ns 1000")

        for name, text in self.secrets["ns-redis"].items():
            (own / "users" / name).write_text(text)
        for name in ["redis.conf", "sentinel.conf", "start-redis", "start-sentinel"]:
            (own / "config" / name).write_text(moved((MANIFESTS / "base" / name).read_text()))

    def start(self, pod):
        if pod == BROKER:
            manifest = (MANIFESTS / "own-disks" / "brokers.yaml").read_text()
            redis = re.findall(r"- (--redis=\S+|--replicas=\S+)", manifest)
            words = [BINARIES / "ns-broker", *redis, "--listen", self.broker(),
                     "--artifacts", self.folder / pod / "artifacts"]
        else:
            script = {"ns-redis": "start-redis", "ns-sentinel": "start-sentinel"}[pod[:-2]]
            words = ["/bin/sh", self.folder / pod / "config" / script]
        log = open(self.folder / pod / "log", "a")
        self.addCleanup(log.close)
        process = subprocess.Popen(self.hosts[pod].words(*words), stdout=log, stderr=subprocess.STDOUT)
        self.processes[pod] = process
        self.addCleanup(self.kill, process)

    @staticmethod
    def kill(process):
        process.kill()
        process.wait()

    def broker(self):
        return f"ipc://{self.folder}/{BROKER}/broker.sock"

    def served(self):
        """Whether the broker answers out of Redis, as its readiness probe asks."""
        return run(BINARIES / "ns-client", "--broker", self.broker(), "list", "--limit", "1").returncode == 0

    def ask(self, pod, *words):
        """An answer of this pod's Redis, as to a broker."""
        return run(*self.hosts[pod].words("redis-cli", *words))

    def role(self, pod):
        return self.ask(pod, "--user", "ping", "--pass", "ping", "--no-auth-warning", "role").stdout.split("\n")[0]

    def quorum(self, pod):
        return run(*self.hosts[pod].words("redis-cli", "-p", "26379", "sentinel", "ckquorum", "ns")).stdout

    def known_replicas(self, sentinel):
        """Of those that a Sentinel would let take over; it looks for them every ten seconds."""
        asked = ["redis-cli", "-p", "26379", "sentinel", "master", "ns"]
        words = run(*self.hosts[sentinel].words(*asked)).stdout.split("\n")
        return int(words[words.index("num-slaves") + 1]) if "num-slaves" in words else 0

    def primary(self, sentinel):
        asked = ["redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", "ns"]
        return run(*self.hosts[sentinel].words(*asked)).stdout.split("\n")[0]

    def wait_until(self, what, condition):
        end = time.monotonic() + 60
        while not (found := condition()):
            if time.monotonic() > end:
                logs = "\n".join((self.folder / pod / "log").read_text()[-1500:] for pod in self.hosts)
                raise AssertionError(f"waited in vain for {what}\n{logs}")
            time.sleep(0.1)
        return found

    def test_another_takes_the_place_of_a_primary_that_dies_and_it_returns_as_a_replica(self):
        redis = [pod for pod in PODS if pod.startswith("ns-redis-")]
        self.start_all(PODS)
        self.wait_until("one primary and its replicas",
                        lambda: [self.role(pod) for pod in redis] == ["master", "slave", "slave"])
        for pod in PODS:
            if "sentinel" in pod:
                self.wait_until("the Sentinels", lambda: self.quorum(pod).startswith("OK 3 usable"))
                self.wait_until("replicas that they know", lambda: self.known_replicas(pod) == 2)
        # Taken by the primary and, as min-replicas-to-write wants, by a replica.
        self.wait_until("a write that is taken", lambda: self.ask(redis[0], "set", "ns:x", "1").stdout == "OK\n")
        self.assertEqual(self.ask(redis[0], "wait", "2", "10000").stdout, "2\n")

        self.wait_until("the broker", self.served)

        self.processes[redis[0]].send_signal(signal.SIGKILL)
        self.processes[redis[0]].wait()
        primary = self.wait_until("another primary", lambda: next((p for p in redis[1:] if self.role(p) == "master"), None))
        self.assertEqual(self.ask(primary, "get", "ns:x").stdout, "1\n")
        for pod in PODS:
            if "sentinel" in pod:
                self.wait_until("word of it", lambda: self.primary(pod) == f"{primary}.ns-redis")
        self.wait_until("the broker", self.served)
        self.start(redis[0])
        self.wait_until("its return", lambda: self.role(redis[0]) == "slave")
        self.wait_until("a write that is taken", lambda: self.ask(primary, "set", "ns:x", "2").stdout == "OK\n")
        self.wait_until("its copy", lambda: self.ask(redis[0], "get", "ns:x").stdout == "2\n")

    def test_each_user_may_do_its_own_and_nothing_else(self):
        self.start_all(["ns-redis-0", "ns-redis-1"])
        self.wait_until("the primary", lambda: self.role("ns-redis-0") == "master")
        library = "#!lua name=t\nredis.register_function('t', function() return redis.call('TIME')[1] end)"
        self.assertEqual(self.ask("ns-redis-0", "-n", "0", "subscribe", "other").stdout.split(" ")[0], "NOPERM")
        self.wait_until("a library", lambda: self.ask("ns-redis-0", "function", "load", "replace", library).stdout == "t\n")
        for words in [["set", "other", "1"], ["config", "get", "*"], ["flushall"], ["shutdown"], ["keys", "*"],
                      ["replicaof", "no", "one"], ["acl", "list"]]:
            self.assertIn("NOPERM", self.ask("ns-redis-0", *words).stdout)
        ping = run(*self.hosts["ns-redis-0"].words("redis-cli", "--user", "ping", "--pass", "ping", "--no-auth-warning", "ping"))
        self.assertEqual(ping.stdout, "PONG\n")


if __name__ == "__main__":
    BINARIES = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
