#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model of half a gigabyte: memory that does not grow with it, and runs that are stopped half-way.

The file is sparse: it takes no space and reads as zeros.
"""
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import tempfile
import unittest

import program

LAYERS, ROWS, COLUMNS = 32, 2048, 2048
LAYER_BYTES = ROWS * COLUMNS * 4
MEGABYTE = 1 << 20


def write_sparse(path, layers=LAYERS, rows=ROWS):
    size = rows * COLUMNS * 4
    header = json.dumps({f"layer{i}.weight": {"dtype": "F32", "shape": [rows, COLUMNS],
                                              "data_offsets": [i * size, (i + 1) * size]}
                         for i in range(layers)}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + layers * size)


class LargeModel(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.config = self.root / "p.json"
        self.config.write_text(json.dumps({
            "model": {"path": "model.safetensors"}, "rules": [{"weight": {"quantizer": "int8"}}],
            "outputs": [{"serializer": "safetensors", "path": "out/q.safetensors"}],
            "report": {"path": "out"}}))

    def tearDown(self):
        self.folder.cleanup()

    def names(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def test_memory_is_that_of_a_layer_and_what_the_plan_said(self):
        write_sparse(self.root / "model.safetensors")
        plan = json.loads(program.detent("plan", self.config, "--json")[0])
        report = json.loads(program.detent("run", self.config, "--json")[0])
        peak = report["peak_memory_bytes"]
        print(f"{LAYERS * LAYER_BYTES / MEGABYTE:.0f} MB of weights, {peak / MEGABYTE:.0f} MB of memory, "
              f"{plan['peak_memory_bytes'] / MEGABYTE:.0f} MB planned")
        self.assertLess(peak, LAYERS * LAYER_BYTES / 4)
        self.assertLessEqual(peak, plan["peak_memory_bytes"])

    def test_a_run_that_is_stopped_leaves_nothing(self):
        write_sparse(self.root / "model.safetensors")
        before = self.names()
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            # in a session of its own, and with signals as a terminal's programs have them
            run = subprocess.Popen([os.environ["DETENT_TEST_PROGRAM"], "run", str(self.config), "--progress", "json"],
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
            for _ in range(3):  # in the midst of the work
                self.assertIn("progress", run.stderr.readline())
            run.send_signal(number)
            run.stderr.read()
            run.stderr.close()
            self.assertEqual(run.wait(60), code)
            self.assertEqual(self.names(), before)

    def test_too_little_memory_is_an_error_with_a_code(self):
        def limited(*arguments):
            return subprocess.run([os.environ["DETENT_TEST_PROGRAM"], *map(str, arguments)], check=False,
                                  capture_output=True, text=True, timeout=120,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 * MEGABYTE,) * 2))

        if limited("run", "--help").returncode != 0:
            self.skipTest("this build reserves more address space than it uses")
        write_sparse(self.root / "model.safetensors", layers=1, rows=65536)
        before = self.names()
        result = limited("run", self.config, "--set", "/runtime/threads=1")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("out of memory", result.stderr)
        self.assertIn("hint:", result.stderr)
        self.assertEqual(self.names(), before)


if __name__ == "__main__":
    program.main()
