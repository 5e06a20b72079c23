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

    def peaks(self, layers, *options):
        """What a run of so many layers takes, and what its plan said, in bytes."""
        write_sparse(self.root / "model.safetensors", layers=layers)
        plan = json.loads(program.detent("plan", self.config, "--json", *options)[0])
        report = json.loads(program.detent("run", self.config, "--json", "--overwrite", *options)[0])
        peak, planned = report["peak_memory_bytes"], plan["peak_memory_bytes"]
        print(f"{layers * LAYER_BYTES / MEGABYTE:.0f} MB of weights, {peak / MEGABYTE:.0f} MB of memory, "
              f"{planned / MEGABYTE:.0f} MB planned")
        return peak, planned

    def test_memory_is_what_the_plan_said_and_does_not_grow_with_the_model(self):
        small, planned = self.peaks(LAYERS // 4)
        large, planned_large = self.peaks(8 * LAYERS)
        self.assertEqual(planned, planned_large)
        self.assertLessEqual(large, planned)
        self.assertLess(large, small + 4 * MEGABYTE)

    def test_a_limit_is_kept_to_or_refused_before_the_work(self):
        limit = 27 * MEGABYTE
        peak, planned = self.peaks(LAYERS, "--memory-limit", "27MiB")
        self.assertLessEqual(planned, limit)
        self.assertLessEqual(peak, limit)
        before = self.names()
        program.detent("run", self.config, "--memory-limit", "2MB", "--overwrite", expect=2)
        self.assertEqual(self.names(), before)

    def test_a_run_that_is_stopped_leaves_nothing(self):
        write_sparse(self.root / "model.safetensors", layers=16 * LAYERS)
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
        # One scale for all of it: it cannot go in blocks.
        result = limited("run", self.config, "--set", "/runtime/threads=1", "--set",
                         '/rules/0/weight/quantizer={"id": "int8", "params": {"granularity": "per_tensor"}}')
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("out of memory", result.stderr)
        self.assertIn("hint:", result.stderr)
        self.assertEqual(self.names(), before)


if __name__ == "__main__":
    program.main()
