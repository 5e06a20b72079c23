#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Would the count of instructions notice a slowdown? test_instructions.py BINARIES"""
import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import instructions

WORK = "boundary_abi/f32/4KiB/1"


def problems(counted, expected, tolerance=0.05):
    with contextlib.redirect_stdout(io.StringIO()):
        return instructions.compare(counted, expected, tolerance)


class Comparison(unittest.TestCase):
    def test_more_than_the_tolerance_is_a_problem_and_the_tolerance_itself_is_none(self):
        self.assertEqual(problems({"plan": 1050}, {"plan": 1000}), [])
        self.assertEqual(problems({"plan": 1051, "version": 10}, {"plan": 1000, "version": 10}),
                         ["plan takes 1,051 instructions, 5.1% more than 1,000"])

    def test_fewer_instructions_are_no_problem(self):
        self.assertEqual(problems({"plan": 10}, {"plan": 1000}), [])

    def test_a_subject_without_a_figure_is_a_problem(self):
        self.assertEqual(problems({"new": 10}, {}), ["new has no figure yet: run instructions.py --update"])


class Program(unittest.TestCase):
    """Counts one short work against figures that are made up from its own."""

    @classmethod
    def setUpClass(cls):
        if shutil.which("valgrind") is None:
            raise unittest.SkipTest("valgrind is not installed")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.expected = pathlib.Path(self.folder.name) / "expected.json"
        self.write({})

    def tearDown(self):
        self.folder.cleanup()

    def write(self, counts):
        self.expected.write_text(json.dumps({"tolerance": 0.05, "counts": counts}), encoding="utf-8")

    def count(self, *arguments):
        return subprocess.run([sys.executable, instructions.__file__, BINARIES, "--only", WORK, "--expected",
                               str(self.expected), *arguments], capture_output=True, text=True, check=False)

    def test_a_planted_slowdown_of_a_tenth_fails_and_names_the_work(self):
        self.assertEqual(self.count("--update").returncode, 0)
        counts = json.loads(self.expected.read_text(encoding="utf-8"))["counts"]
        (key, figures), = counts.items()
        again = self.count()
        self.assertEqual(again.returncode, 0, again.stdout)
        self.write({key: {WORK: int(figures[WORK] / 1.1)}})
        slower = self.count()
        self.assertEqual(slower.returncode, 1, slower.stdout)
        self.assertIn(f"{WORK} takes {figures[WORK]:,} instructions, 10.0% more", slower.stdout)

    def test_another_compiler_is_skipped_with_what_there_is(self):
        self.write({"Other 1.0, Release, AVX2": {WORK: 1}})
        result = self.count()
        self.assertEqual(result.returncode, 77)
        self.assertIn("only for Other 1.0, Release, AVX2", result.stdout)


if __name__ == "__main__":
    BINARIES = sys.argv.pop(1)
    unittest.main()
