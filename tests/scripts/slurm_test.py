"""scripts/deploy/slurm/ns.sbatch, run by a Slurm that is played: srun starts its tasks right here.

    slurm_test.py FOLDER_OF_BINARIES
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "deploy" / "slurm" / "ns.sbatch"
BINARIES = None

# One node with two sockets.
SRUN = """#!/usr/bin/env bash
printf '%s\\n' "$*" | head -n 1 >>"$PLAYED/srun"
tasks=1
while [[ $1 == --* ]]; do
  case $1 in --ntasks=*) tasks=${1#*=} ;; esac
  shift
done
for ((task = 0; task < tasks; ++task)); do
  SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
done
status=0
for process in $(jobs -p); do wait "$process" || status=$?; done
exit "$status"
"""
SCONTROL = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$PLAYED/scontrol"
echo "NodeName=node-1 Arch=x86_64 CoresPerSocket=16 CPUTot=64 Boards=1 Sockets=2 Boards=1 ThreadsPerCore=2"
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def processes_about(folder):
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if folder in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:
            continue
    return found


class Slurm(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ns-slurm-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.home, self.scratch = self.folder / "home", self.folder / "scratch"
        played = self.folder / "bin"
        played.mkdir()
        for name, text in [("srun", SRUN), ("scontrol", SCONTROL)]:
            (played / name).write_text(text)
            (played / name).chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("NS_", "SLURM_"))}
        self.environment.update(
            PATH=f"{played}:{os.environ['PATH']}", PLAYED=str(self.folder), HOME=str(self.folder),
            NS_BIN=str(BINARIES), NS_HOME=str(self.home), NS_SCRATCH=str(self.scratch), NS_PORT=str(free_port()),
            SLURM_JOB_ID="77", SLURM_JOB_NUM_NODES="1", SLURM_JOB_NODELIST="node-1")

    def start(self, **more):
        log = open(self.folder / "log", "w")
        self.addCleanup(log.close)
        job = subprocess.Popen(["bash", str(SCRIPT)], env={**self.environment, **more}, stdout=log,
                               stderr=subprocess.STDOUT)
        self.addCleanup(self.kill_what_is_left, job)
        return job

    def kill_what_is_left(self, job):
        job.kill()
        job.wait()
        while left := processes_about(str(self.folder)):
            for process in left:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)

    def wait_until(self, what, condition, job):
        end = time.monotonic() + 60
        while not (found := condition()):
            if time.monotonic() > end or job.poll() is not None:
                raise AssertionError(f"waited in vain for {what}: {self.log()}")
            time.sleep(0.05)
        return found

    def log(self):
        return (self.folder / "log").read_text()

    def client(self, words):
        done = subprocess.run(["bash", "-c", f'. "{self.home}/client.sh" && "{BINARIES}/ns-client" {words}'],
                              env=self.environment, capture_output=True, text=True)
        return done

    def workers(self):
        """Those that the broker knows."""
        listed = self.client("workers --json")
        return {one["worker"] for one in json.loads(listed.stdout)["workers"]} if listed.returncode == 0 else set()

    def test_a_job_has_a_worker_a_socket_and_ends_cleanly_before_its_time_limit(self):
        job = self.start()
        self.wait_until("the broker", (self.home / "client.sh").exists, job)

        before = self.wait_until("two workers", lambda: len(self.workers()) == 2 and self.workers(), job)
        done = self.client(f'submit --wait "{ROOT}/client/examples/experiment/task.yaml"')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.log())

        job.send_signal(signal.SIGTERM)  # as --signal=B:TERM@120 does
        self.assertEqual(job.wait(timeout=60), 0, self.log())
        self.assertIn("the workers drain", self.log())
        self.assertEqual(processes_about(str(self.folder)), [], "processes are left behind")
        self.assertFalse(self.scratch.exists(), "the nodes' own disks are left clean")
        self.assertTrue((self.home / "redis").is_dir() and (self.home / "artifacts").is_dir())
        asked = (self.folder / "srun").read_text().splitlines()
        self.assertIn("--ntasks=2 --ntasks-per-socket=1 --cpu-bind=sockets", asked[0])
        self.assertIn("--overlap", asked[1])
        self.assertIn("node-1", (self.folder / "scontrol").read_text())

        # Another job with the same home carries on: the task is still there.
        job = self.start(SLURM_JOB_ID="78")
        self.wait_until("its two workers", lambda: len(self.workers() - before) == 2, job)
        self.assertEqual(len(json.loads(self.client("list --json").stdout)["tasks"]), 1)
        job.send_signal(signal.SIGTERM)
        self.assertEqual(job.wait(timeout=60), 0, self.log())

    def test_workers_for_brokers_elsewhere_start_none(self):
        key = self.folder / "own.key"
        subprocess.run([BINARIES / "ns-client", "keys", "new", key], check=True, capture_output=True)
        job = self.start(NS_BROKER=f"tcp://127.0.0.1:{free_port()} tcp://127.0.0.1:{free_port()}", NS_KEY=str(key),
                         NS_BROKER_KEY=f"{key}.pub")
        self.wait_until("two workers", lambda: len(list(self.scratch.glob("worker-*.pid"))) == 2, job)
        for file in self.scratch.glob("worker-*.pid"):
            self.wait_until("the worker, and that it minds signals", lambda: minds_sigterm(file), job)
            line = words_of(file)
            self.assertEqual(line.count("--broker"), 2 + line.count("--broker-key"))
        self.assertFalse((self.home / "redis").exists())
        job.send_signal(signal.SIGTERM)
        self.assertEqual(job.wait(timeout=60), 0, self.log())

    def test_a_key_that_looks_like_an_option_and_a_broker_that_dies(self):
        self.home.mkdir()
        for name in ["worker", "client"]:
            subprocess.run([BINARIES / "ns-client", "keys", "new", self.home / f"{name}.key"], check=True, capture_output=True)
        listed = "-O" + "0" * 38
        (self.home / "worker.key.pub").write_text(listed + "\n")
        (self.home / "authorized-keys").write_text(f"worker {listed} worker\n")
        job = self.start()
        self.wait_until("the broker", lambda: self.client("list --limit 1").returncode == 0, job)
        self.assertEqual((self.home / "authorized-keys").read_text().count(listed), 1)
        broker = next(process for process in processes_about(str(self.home / "broker.key"))
                      if "ns-broker" in pathlib.Path("/proc", str(process), "cmdline").read_text())
        os.kill(broker, signal.SIGKILL)
        self.assertNotEqual(job.wait(timeout=60), 0)
        self.assertIn("Redis or the broker has ended", self.log())

    def test_without_slurm_it_says_how_it_is_run(self):
        del self.environment["SLURM_JOB_ID"]
        job = self.start()
        self.assertNotEqual(job.wait(timeout=60), 0)
        self.assertIn("sbatch", self.log())


def words_of(pid_file):
    return pathlib.Path("/proc", pid_file.read_text().strip(), "cmdline").read_text().replace("\0", " ")


def minds_sigterm(pid_file):
    """It takes them from a descriptor: they are blocked."""
    status = pathlib.Path("/proc", pid_file.read_text().strip(), "status").read_text()
    blocked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")), 16)
    return "ns-worker" in words_of(pid_file) and blocked >> (signal.SIGTERM - 1) & 1


if __name__ == "__main__":
    BINARIES = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
