"""scripts/check_layers finds each kind of wrong in a small tree, and nothing in one without."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check_layers"

GOOD = {
    "CMakeLists.txt": "",
    "common/CMakeLists.txt": "error.cpp",
    "common/error.h": "#pragma once\n#include <string>\n",
    "common/error.cpp": '#include "common/error.h"\n// data manager, said in a comment\n',
    "common/net/router.h": "#pragma once\n#include <zmq.h>\n",
    "kernels/CMakeLists.txt": "${CMAKE_CURRENT_SOURCE_DIR}/ops/conv.cpp",
    "kernels/graph/graph.h": '#pragma once\n#include "common/error.h"\n',
    "kernels/ops/conv.cpp": '#include "kernels/graph/graph.h"\n',
    "kernels/ops/op_list.h": "OP(Conv)\n",
    "worker/run.h": '#pragma once\n#include "kernels/graph/graph.h"\n',
    "client/show.h": '#pragma once\n#include "common/error.h"\n',
}


def run(changes):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**GOOD, **changes}.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = subprocess.run([sys.executable, os.fspath(SCRIPT), folder], capture_output=True, text=True)
        return found.returncode, found.stdout + found.stderr


class CheckLayers(unittest.TestCase):
    def expect_wrong(self, changes, words):
        status, output = run(changes)
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)
        self.assertIn("1 wrong", output)

    def test_a_tidy_tree_passes(self):
        self.assertEqual(run({})[0], 0, run({})[1])

    def test_an_include_against_the_arrows(self):
        self.expect_wrong({"client/show.h": '#pragma once\n#include "kernels/graph/graph.h"\n'}, "must not include")

    def test_the_engine_knows_no_sockets(self):
        self.expect_wrong({"kernels/graph/graph.h": '#pragma once\n#include "common/net/router.h"\n'},
                          "must not include")

    def test_an_include_that_does_not_start_at_the_root(self):
        self.expect_wrong({"common/error.cpp": '#include "error.h"\n'}, "no path from the root")

    def test_a_library_behind_the_wrong_door(self):
        self.expect_wrong({"worker/run.h": "#pragma once\n#include <zmq.h>\n"}, "ZeroMQ is used in common/net/ only")

    def test_a_source_that_is_in_no_list(self):
        self.expect_wrong({"kernels/CMakeLists.txt": "ops/conv.cpp ops/gemm.cpp", "kernels/ops/gemm.cpp": "\n"},
                          "gemm.cpp: is not in op_list.h")

    def test_a_source_that_nothing_builds(self):
        self.expect_wrong({"common/lost.cpp": "\n"}, "no CMakeLists.txt builds it")

    def test_a_file_with_an_empty_name(self):
        self.expect_wrong({"common/utils.h": "#pragma once\n"}, "utils does not")

    def test_a_class_with_an_empty_name(self):
        self.expect_wrong({"common/error.h": "#pragma once\nclass ErrorManager;\n"}, "ErrorManager does not")

    def test_a_header_without_a_guard(self):
        self.expect_wrong({"common/error.h": "\n"}, "#pragma once")

    def test_a_new_folder_at_the_top(self):
        self.expect_wrong({"extras/notes.txt": ""}, "the top level is fixed")


if __name__ == "__main__":
    unittest.main()
