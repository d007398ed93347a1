"""What scripts/deploy says is true of the programs, of systemd and of itself.

    deploy_test.py FOLDER_OF_BINARIES
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "scripts" / "deploy"
BINARIES = None
PROGRAMS = ["ns-broker", "ns-worker", "ns-client"]
VARIABLES = {"NS_BROKER_OPTIONS": "ns-broker", "NS_WORKER_OPTIONS": "ns-worker"}
OPTION = r"--[a-z][a-z-]*"


def run(words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)


def texts():
    """(file, its text with continued lines joined) of everything a person might copy from."""
    for file in sorted(DEPLOY.rglob("*")):
        if file.is_file():
            yield file.relative_to(DEPLOY), re.sub(r"\\\n\s*", "", file.read_text())


def known_options():
    """What --help of each program and of each command of ns-client lists."""
    options = {}
    for program in PROGRAMS:
        texts = [run([BINARIES / program, "--help"]).stdout]
        if program == "ns-client":
            commands = re.findall(r"^  ([a-z]+) ", texts[0], re.MULTILINE)
            texts += [run([BINARIES / program, command, "--help"]).stdout for command in commands]
        options[program] = {"--help"} | {option for text in texts for option in re.findall(OPTION, text)}
    return options


def used_options():
    """(file, program, option) of each command line of ours."""
    for file, text in texts():
        for program in PROGRAMS:
            # After the program's name, up to what ends a command; a comma or a bracket: it is a list in YAML.
            for words in re.findall(rf"\b{program}\b((?:[ ,'\"][^\n;&|<>`)\]]*)?)", text):
                for option in re.findall(OPTION, words):
                    yield file, program, option
        for variable, program in VARIABLES.items():
            for words in re.findall(rf'^{variable}="([^"]*)"', text, re.MULTILINE):
                for option in re.findall(OPTION, words):
                    yield file, program, option
        if file.suffix == ".yaml":
            for container in containers(yaml.safe_load_all(text)):
                program = container["command"][0]
                for word in container.get("args", []):
                    if program in PROGRAMS and word.startswith("--"):
                        yield file, program, word.split("=")[0]


def containers(objects):
    for thing in objects:
        template = thing and thing.get("spec", {}).get("template")
        if template:
            yield from template["spec"]["containers"]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|min|m|h|)", text).groups()
    return int(number) * {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}[unit]


class Options(unittest.TestCase):
    def test_every_option_that_is_used_exists(self):
        known = known_options()
        used = list(used_options())
        for file, program, option in used:
            self.assertIn(option, known[program], f"{file}: {program} has no {option}")
        # Each way to deploy was found.
        for place in ["systemd/broker.env", "systemd/worker.env", "systemd/ns-worker@.service", "slurm/ns.sbatch",
                      "kubernetes/worker/worker.yaml", "kubernetes/own-disks/brokers.yaml",
                      "kubernetes/shared-disk/brokers.yaml"]:
            self.assertTrue(any(str(file) == place for file, _, _ in used), place)

    def test_an_option_that_is_mentioned_exists_in_some_program(self):
        known = set().union(*known_options().values())
        for file in ["systemd/broker.env", "systemd/worker.env", "systemd/redis-ns.conf", "systemd/ns-worker@.service",
                     "kubernetes/worker/worker.yaml"]:
            for option in re.findall(OPTION, (DEPLOY / file).read_text()):
                if option != "--cpu-manager-policy":  # the kubelet's
                    self.assertIn(option, known, file)


class Shell(unittest.TestCase):
    def scripts(self):
        found = [DEPLOY / file for file, text in texts() if re.match(r"#!.*\b(ba)?sh\b", text)]
        self.assertGreater(len(found), 4)
        return found

    def test_every_script_parses(self):
        for script in self.scripts():
            shell = "bash" if "bash" in script.read_text().split("\n")[0] else "sh"
            self.assertEqual(run([shell, "-n", script]).stderr, "", script)

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is not installed")
    def test_shellcheck_has_no_warning(self):
        checked = run(["shellcheck", "--severity=warning", *self.scripts()])
        self.assertEqual(checked.returncode, 0, checked.stdout)


class Units(unittest.TestCase):
    UNITS = ["ns-broker.service", "ns-worker@.service"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def place_workers(self, sys_folder=None):
        environment = dict(os.environ, **({"NS_SYS": str(sys_folder)} if sys_folder else {}))
        placed = run([DEPLOY / "systemd" / "place_workers", self.folder], env=environment)
        self.assertEqual(placed.returncode, 0, placed.stderr)
        return placed.stdout.split()

    def verify(self, change=lambda text: text):
        """What systemd says of our units; it looks at others of this machine too."""
        instances = self.place_workers()
        for unit in self.UNITS:
            text = (DEPLOY / "systemd" / unit).read_text().replace("/usr/local/bin/", f"{BINARIES}/")
            (self.folder / unit).write_text(change(text))
        checked = run(["systemd-analyze", "verify", "--man=no", self.folder / "ns-broker.service",
                       *[self.folder / instance for instance in instances]])
        return [line for line in checked.stderr.splitlines() if re.search(r"ns-(broker|worker)", line)]

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_finds_nothing_wrong(self):
        self.assertEqual(self.verify(), [])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_a_mistake_would_be_found(self):
        self.assertEqual(len(self.verify(lambda text: text.replace("ProtectHome=true", "ProtectHome=perhaps"))), 2)
        self.assertEqual(len(self.verify(lambda text: text.replace("Restart=always", "Restrat=always"))), 2)

    def test_a_worker_may_drain_before_it_is_killed(self):
        unit = (DEPLOY / "systemd" / "ns-worker@.service").read_text()
        options = (DEPLOY / "systemd" / "worker.env").read_text()
        stop = seconds(re.search(r"^TimeoutStopSec=(\w+)$", unit, re.MULTILINE).group(1))
        drain = seconds(re.search(r"--drain-timeout (\w+)", options.split("NS_WORKER_OPTIONS")[1]).group(1))
        self.assertGreaterEqual(stop, drain + 10)
        self.assertIn("\nKillMode=mixed\n", unit)

    def test_workers_are_placed_on_their_sockets_cores_and_memory(self):
        # Two sockets that the firmware numbers 3 and 1, whose CPUs alternate, two memory nodes each.
        for cpu in range(8):
            folder = self.folder / "sys" / "devices" / "system" / "cpu" / f"cpu{cpu}"
            (folder / "topology").mkdir(parents=True)
            (folder / f"node{cpu % 4}").mkdir()
            (folder / "topology" / "physical_package_id").write_text("3\n" if cpu % 2 == 0 else "1\n")
        self.assertEqual(self.place_workers(self.folder / "sys"), ["ns-worker@0.service", "ns-worker@1.service"])
        first, second = [(self.folder / f"ns-worker@{n}.service.d" / "place.conf").read_text() for n in (0, 1)]
        self.assertIn("\nCPUAffinity=0 2 4 6\nNUMAPolicy=bind\nNUMAMask=0,2\n", first)
        self.assertIn("\nCPUAffinity=1 3 5 7\nNUMAPolicy=bind\nNUMAMask=1,3\n", second)


class Redis(unittest.TestCase):
    @unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
    def test_redis_takes_the_configuration(self):
        with tempfile.TemporaryDirectory() as folder:
            text = (DEPLOY / "systemd" / "redis-ns.conf").read_text()
            for place in ["/run/redis-ns", "/var/lib/redis"]:
                text = text.replace(place, folder)
            pathlib.Path(folder, "redis.conf").write_text(text)
            server = subprocess.Popen(["redis-server", f"{folder}/redis.conf"], stdout=subprocess.PIPE, text=True)
            try:
                for line in server.stdout:
                    if "ready to accept connections" in line.lower():
                        break
                asked = {}
                for name in ["appendonly", "maxmemory-policy", "hash-max-listpack-value"]:
                    answer = run(["redis-cli", "-s", f"{folder}/redis.sock", "config", "get", name]).stdout.split()
                    asked[name] = answer[1]
                self.assertEqual(asked, {"appendonly": "yes", "maxmemory-policy": "noeviction",
                                         "hash-max-listpack-value": "1024"})
            finally:
                server.kill()
                server.wait()
                server.stdout.close()


def manifests(*folders):
    """What kubectl would apply, as far as that can be said without kubectl: the objects of these folders' files."""
    for folder in folders:
        for file in sorted((DEPLOY / "kubernetes" / folder).glob("*.yaml")):
            for thing in yaml.safe_load_all(file.read_text()):
                if thing["kind"] != "Kustomization":
                    yield thing


class Kubernetes(unittest.TestCase):
    VARIANTS = {"own-disks": ["base", "worker", "own-disks"], "shared-disk": ["base", "worker", "shared-disk"]}

    @classmethod
    def setUpClass(cls):
        made = run([DEPLOY / "kubernetes" / "make_secrets"], env=dict(os.environ, NS_BIN=str(BINARIES)))
        assert made.returncode == 0, made.stderr
        cls.secrets = {thing["metadata"]["name"]: thing["stringData"] for thing in yaml.safe_load_all(made.stdout)}

    def each_pod(self):
        for variant, folders in self.VARIANTS.items():
            objects = list(manifests(*folders))
            for thing in objects:
                if "template" in thing.get("spec", {}):
                    yield variant, objects, thing

    def test_every_folder_is_in_its_kustomization(self):
        for file in (DEPLOY / "kubernetes").rglob("kustomization.yaml"):
            kustomization = yaml.safe_load(file.read_text())
            named = set(kustomization["resources"])
            for generator in kustomization.get("configMapGenerator", []):
                named |= set(generator["files"])
            for name in named:
                self.assertTrue((file.parent / name).exists(), f"{file}: {name}")
            there = {entry.name for entry in file.parent.iterdir()} - {"kustomization.yaml"}
            self.assertLessEqual(there, named, file)

    def test_selectors_find_their_own_pods_and_no_others(self):
        for variant, objects, thing in self.each_pod():
            wanted = thing["spec"]["selector"]["matchLabels"].items()
            found = [other["metadata"]["name"] for other in objects if "template" in other.get("spec", {})
                     and wanted <= other["spec"]["template"]["metadata"]["labels"].items()]
            self.assertEqual(found, [thing["metadata"]["name"]], variant)

    def test_everything_that_is_mounted_exists(self):
        config = yaml.safe_load((DEPLOY / "kubernetes" / "base" / "kustomization.yaml").read_text())
        config_maps = {generator["name"] for generator in config["configMapGenerator"]}
        for variant, objects, thing in self.each_pod():
            spec = thing["spec"]["template"]["spec"]
            claims = {claim["metadata"]["name"] for claim in thing["spec"].get("volumeClaimTemplates", [])}
            volumes = claims | {volume["name"] for volume in spec["volumes"]}
            for container in spec["containers"]:
                self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, volumes, thing["metadata"])
            for volume in spec["volumes"]:
                if "secret" in volume:
                    secret = self.secrets[volume["secret"]["secretName"]]
                    for item in volume["secret"].get("items", []):
                        self.assertIn(item["key"], secret)
                if "configMap" in volume:
                    self.assertIn(volume["configMap"]["name"], config_maps)
                if "persistentVolumeClaim" in volume:
                    name = volume["persistentVolumeClaim"]["claimName"]
                    self.assertTrue(any(o["kind"] == "PersistentVolumeClaim" and o["metadata"]["name"] == name
                                        for o in objects), variant)

    def test_every_service_that_is_named_exists(self):
        for variant, objects, thing in self.each_pod():
            services = {o["metadata"]["name"] for o in objects if o["kind"] == "Service"}
            if thing["kind"] == "StatefulSet":
                self.assertIn(thing["spec"]["serviceName"], services)
            for container in thing["spec"]["template"]["spec"]["containers"]:
                for word in container.get("args", []):
                    for host in re.findall(r"(?:tcp|sentinel)://(?:\$\(POD_NAME\)\.)?([a-z][a-z-]*):", word):
                        self.assertIn(host, services, variant)

    def test_every_pod_is_bounded_probed_and_unprivileged(self):
        for _, _, thing in self.each_pod():
            spec = thing["spec"]["template"]["spec"]
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            for container in spec["containers"]:
                self.assertEqual(container["image"], "ns")
                self.assertIn("memory", container["resources"]["limits"])
                self.assertIn("exec", container["readinessProbe"])
                self.assertFalse(container["securityContext"]["allowPrivilegeEscalation"])

    def test_a_worker_may_drain_before_it_is_killed(self):
        worker = next(manifests("worker"))["spec"]["template"]["spec"]
        drain = next(word for word in worker["containers"][0]["args"] if word.startswith("--drain-timeout="))
        self.assertGreaterEqual(worker["terminationGracePeriodSeconds"], seconds(drain.split("=")[1]) + 10)

    def test_the_keys_of_the_secret_fit_one_another(self):
        keys = self.secrets["ns-keys"]
        with tempfile.TemporaryDirectory() as folder:
            for name in ["broker", "worker", "client"]:
                file = pathlib.Path(folder, name)
                file.touch(mode=0o600)
                file.write_text(keys[f"{name}.key"])
                shown = run([BINARIES / "ns-client", "keys", "show", file])
                self.assertEqual(shown.returncode, 0, shown.stderr)
                if name == "broker":
                    self.assertEqual(shown.stdout.strip(), keys["broker.key.pub"].strip())
                else:
                    self.assertIn(f"{name} {shown.stdout.strip()} ", keys["authorized-keys"])


class Readme(unittest.TestCase):
    def test_the_files_that_it_names_exist(self):
        text = (DEPLOY / "README.md").read_text()
        named = re.findall(r"`((?:systemd|slurm|kubernetes)/[\w./@-]*|Containerfile)`", text)
        self.assertGreater(len(named), 5)
        for path in named:
            self.assertTrue((DEPLOY / path).exists(), path)


if __name__ == "__main__":
    BINARIES = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
