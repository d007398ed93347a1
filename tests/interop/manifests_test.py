"""The manifests of scripts/deploy are what Kubernetes takes, by its own schemas.

    manifests_test.py FOLDER_OF_BINARIES FOLDER_OF_PACKAGES
"""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
MANIFESTS = HERE.parents[1] / "scripts" / "deploy" / "kubernetes"
BINARIES = PACKAGES = None


def run(words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)


def plain_objects():
    for file in sorted(MANIFESTS.rglob("*.yaml")):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text())


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lock = PACKAGES / "package-lock.json"
        if not lock.exists() or lock.read_text() != (HERE / "package-lock.json").read_text():
            installed = run([HERE / "install", PACKAGES])
            assert installed.returncode == 0, installed.stderr

    def check(self, objects):
        return run(["node", HERE / "check_manifests.js", PACKAGES], input=json.dumps(list(objects)))

    def expect_right(self, objects):
        checked = self.check(objects)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertNotIn("\n0 objects", "\n" + checked.stdout)

    def test_every_manifest_fits_its_schema(self):
        self.expect_right(plain_objects())

    def test_the_secrets_fit_their_schema(self):
        made = run([MANIFESTS / "make_secrets"], env=dict(os.environ, NS_BIN=str(BINARIES)))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.expect_right(yaml.safe_load_all(made.stdout))

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed")
    def test_what_kustomize_makes_of_them_fits_too(self):
        for folder in ["own-disks", "shared-disk", "second-socket"]:
            made = run(["kubectl", "kustomize", MANIFESTS / folder])
            self.assertEqual(made.returncode, 0, made.stderr)
            objects = list(yaml.safe_load_all(made.stdout))
            self.expect_right(objects)
            names = [(thing["kind"], thing["metadata"]["name"]) for thing in objects]
            self.assertEqual(len(names), len(set(names)), folder)

    def test_a_mistake_would_be_found(self):
        broker = next(thing for thing in plain_objects() if thing["kind"] == "Deployment")

        def spoil(change):
            wrong = copy.deepcopy(broker)
            change(wrong["spec"])
            return self.check([wrong])

        for change, words in [
                (lambda spec: spec.update(replicas="two"), "/spec/replicas must be integer"),
                (lambda spec: spec.pop("selector"), "must have required property selector"),
                (lambda spec: spec["template"]["spec"]["containers"][0].update(resorces={}), "resorces is no field"),
        ]:
            checked = spoil(change)
            self.assertEqual(checked.returncode, 1, checked.stdout)
            self.assertIn(words, checked.stdout)


if __name__ == "__main__":
    PACKAGES = pathlib.Path(sys.argv.pop(2)).resolve()
    BINARIES = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
