"""What README.md tells people to type works: its ```sh blocks run in order in one shell, as does its task file.

    readme_test.py FOLDER_OF_BINARIES
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = None
TEXT = (ROOT / "README.md").read_text()


def blocks():
    """(language, text) of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def processes_about(folder):
    """The processes that name the folder in their command line or live in it; zombies have neither."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if folder in (process / "cmdline").read_text() or os.readlink(process / "cwd").startswith(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def prepare(folder):
    """The places that the commands name, in a folder of their own."""
    (folder / "build" / "release").mkdir(parents=True)
    (folder / "build" / "release" / "bin").symlink_to(BINARIES)
    (folder / "client").symlink_to(ROOT / "client")
    (folder / "own").mkdir()
    for file in (ROOT / "client" / "examples" / "digits").iterdir():
        if file.name != "task.yaml":
            (folder / "own" / file.name).symlink_to(file)


def script():
    lines = ["set -euo pipefail"]
    for language, text in blocks():
        if language == "sh":
            lines.append(text)
        elif language == "yaml":
            lines.append(f"cat > own/task.yaml <<'END'\n{text}END\nns-client submit own/task.yaml\nns-client cancel last")
    return "\n".join(lines)


class Readme(unittest.TestCase):
    def test_every_command_of_the_tour_works_and_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory(prefix="ns-readme-") as name:
            folder = pathlib.Path(name)
            prepare(folder)
            environment = dict(os.environ, NS_DIR=str(folder / "stack"), XDG_CONFIG_HOME=str(folder / "none"))
            environment.pop("NS_BROKER", None)
            try:
                with open(folder / "output", "w") as output:
                    status = subprocess.run(["bash", "-c", script()], cwd=folder, env=environment, stdout=output,
                                            stderr=subprocess.STDOUT, timeout=500).returncode
                text = (folder / "output").read_text()
                self.assertEqual(status, 0, text)
                self.assertTrue((folder / "optimized" / "model.onnx").exists(), text)
                self.assertTrue((folder / "optimized" / "report.json").exists(), text)
                self.assertIn("ns:", text)
                self.assertEqual(processes_about(name), [], "down left processes behind")
            finally:
                while left := processes_about(name):
                    for process in left:
                        try:
                            os.kill(process, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                    time.sleep(0.05)

    def test_the_files_that_it_names_exist(self):
        named = re.findall(r"`((?:scripts|common|broker|client|tests)/[\w./]*)`", TEXT)
        named += re.findall(r"^    (scripts/\w+)", TEXT, re.MULTILINE)
        self.assertGreater(len(named), 5)
        for path in named:
            self.assertTrue((ROOT / path).exists(), path)

    def test_the_presets_that_it_names_exist(self):
        presets = (ROOT / "CMakePresets.json").read_text()
        for preset in re.findall(r"^\| `(release|debug|asan|tsan|fuzz)`", TEXT, re.MULTILINE):
            self.assertIn(f'"name": "{preset}"', presets)


if __name__ == "__main__":
    BINARIES = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
