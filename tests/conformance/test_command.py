#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`detent plugins check` as a command: exit codes, JSON, JUnit, and the page that lists its cases.

    test_command.py DETENT FOLDER PAGE
"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

DETENT, FOLDER, PAGE = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
GOOD = FOLDER / "mutant_observer_NONE.detent.so"
BAD = FOLDER / "mutant_observer_MERGE_FORGETS.detent.so"
CRASHING = FOLDER / "mutant_observer_WRITES_INPUT.detent.so"


def run(*arguments):
    return subprocess.run([DETENT, "plugins", "check", *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def cases(*arguments):
    report = json.loads(run(*arguments, "--json").stdout)
    return {c["name"]: c for s in [report["library"], *report["plugins"]] for c in s["cases"]}


class Command(unittest.TestCase):
    def test_a_plugin_that_obeys_is_0_and_one_that_does_not_is_6(self):
        self.assertEqual(run(GOOD, "--only", "observer.merge*").returncode, 0)
        self.assertEqual(run(BAD, "--only", "observer.merge*").returncode, 6)

    def test_usage_is_2_and_a_missing_file_is_5(self):
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run(GOOD, "--only", "observer.marge_order").returncode, 2)
        self.assertIn('did you mean "observer.merge_order"?', run(GOOD, "--only", "observer.marge_order").stderr)
        self.assertEqual(run(GOOD, "--id", "nobody").returncode, 2)
        self.assertEqual(run(GOOD, "--params", "[]").returncode, 2)
        self.assertEqual(run(GOOD, "--timeout", "0").returncode, 2)
        self.assertEqual(run(FOLDER / "none.detent.so").returncode, 5)

    def test_what_is_no_library_fails_in_its_first_case(self):
        self.assertEqual(cases(PAGE)["entry.loads"]["status"], "fail")
        self.assertEqual(run(PAGE).returncode, 6)

    def test_a_failure_says_what_the_rule_is_and_what_to_do(self):
        text = run(BAD, "--only", "observer.merge_equals_whole").stdout
        for word in ("fail", "rule", "hint", "0 passed, 1 failed, 0 skipped"):
            self.assertIn(word, text)

    def test_a_crash_names_the_signal(self):
        case = cases(CRASHING, "--only", "observer.untouched")["observer.untouched"]
        self.assertEqual(case["status"], "crash")
        self.assertIn("SIGSEGV", case["message"])

    def test_a_case_that_does_not_end_is_a_timeout(self):
        self.assertEqual(cases(GOOD, "--only", "observer.large", "--timeout", "0.001")["observer.large"]["status"],
                         "timeout")

    def test_json_has_the_file_its_digest_and_totals(self):
        report = json.loads(run(GOOD, "--only", "observer.merge*", "--json").stdout)
        self.assertEqual(report["sha256"], hashlib.sha256(GOOD.read_bytes()).hexdigest())
        self.assertEqual(pathlib.Path(report["file"]), GOOD.resolve())
        self.assertEqual([p["id"] for p in report["plugins"]], ["mutant.observer"])
        self.assertEqual(report["totals"], {"passed": 5, "failed": 0, "skipped": 0})
        for key in ("name", "status", "rule", "message", "hint", "ms"):
            self.assertIn(key, report["plugins"][0]["cases"][0])

    def test_junit_counts_what_json_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "junit.xml"
            run(CRASHING, "--only", "observer.u*", "--junit", path)
            suites = ElementTree.parse(path).getroot()
        suite = suites.find("testsuite[@name='observer mutant.observer']")
        self.assertEqual((suite.get("errors"), suite.get("failures")), ("1", "0"))
        self.assertIsNotNone(suite.find("testcase[@name='observer.untouched']/error"))

    def test_a_seed_gives_the_same_run(self):
        first, second = (cases(BAD, "--only", "observer.merge_equals_whole", "--seed", "7") for _ in range(2))
        self.assertEqual(first["observer.merge_equals_whole"]["message"],
                         second["observer.merge_equals_whole"]["message"])

    def test_a_case_can_run_in_the_process_of_a_debugger(self):
        self.assertEqual(run(GOOD, "--only", "observer.zeros", "--in-process").returncode, 0)
        self.assertLess(run(CRASHING, "--only", "observer.untouched", "--in-process").returncode, 0)

    def test_the_page_has_every_case_with_its_rule(self):
        listed = json.loads(run("--list", "--json").stdout)["cases"]
        rows = dict(re.findall(r"^\| `([a-z_.0-9]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
        self.assertEqual(rows, {c["name"]: c["rule"].replace("|", "\\|") for c in listed})

    def test_every_case_has_a_rule_that_says_where_it_stands(self):
        for case in json.loads(run("--list", "--json").stdout)["cases"]:
            self.assertRegex(case["rule"], r"\((R[1-7]|abi).*\)\.|for reading")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
