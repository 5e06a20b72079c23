#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The list of faults is checked itself, and the table tells what was noticed from what was not."""
import tempfile
import unittest
from pathlib import Path

import faults


def fault(**changes):
    fields = {"id": "one", "what": "one is two", "file": "a.cpp", "find": "one", "replace": "two", "tests": ["t"]}
    return faults.Fault(**{**fields, **changes})


class Faults(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "a.cpp").write_text("one; three; three;")

    def test_a_fault_that_fits_is_planted(self):
        self.assertIsNone(faults.misfit(fault(), self.root))
        self.assertEqual(faults.plant(fault(), "one; three;"), "two; three;")

    def test_a_file_that_is_gone_is_told(self):
        self.assertIn("there is no b.cpp", faults.misfit(fault(file="b.cpp"), self.root))

    def test_a_text_that_is_gone_or_there_twice_is_told(self):
        self.assertIn("0 times", faults.misfit(fault(find="four"), self.root))
        self.assertIn("2 times", faults.misfit(fault(find="three"), self.root))

    def test_a_fault_that_changes_nothing_is_told(self):
        self.assertIn("changes nothing", faults.misfit(fault(replace="one"), self.root))

    def test_an_id_that_is_there_twice_is_told(self):
        path = self.root / "m.toml"
        entry = '[[fault]]\nid="a"\nwhat=""\nfile=""\nfind=""\nreplace=""\ntests=[]\n'
        path.write_text(entry + entry)
        with self.assertRaises(SystemExit):
            faults.read(path)

    def test_the_table_says_what_nothing_noticed(self):
        path = self.root / "table.md"
        chosen = [fault(), fault(id="other", what="other"), fault(id="third", what="third")]
        faults.write_table(path, chosen, {"one": ["unit.a"], "other": [], "third": "does not compile: no"})
        text = path.read_text()
        self.assertIn("1 of 3 faults are noticed", text)
        self.assertIn("| one is two | `a.cpp` | `unit.a` |", text)
        self.assertIn("| other | `a.cpp` | **nothing** |", text)


if __name__ == "__main__":
    unittest.main()
