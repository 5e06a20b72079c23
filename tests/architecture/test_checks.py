#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks of this folder find what they are there to find, and nothing in innocent files."""
import pathlib
import tempfile
import unittest

import check_docs
import check_features
import check_layers
import check_sizes
import check_sources

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


def found_in(check, path, text):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / path
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        return list(check.violations(pathlib.Path(folder)))


def function_of(lines):
    return "int f(int a,\n      int b) {\n" + "  a += b;\n" * (lines - 3) + "}\n"


class Docs(unittest.TestCase):
    def test_a_broken_link_is_found(self):
        self.assertTrue(found_in(check_docs, "docs/a.md", "[b](b.md)\n"))
        self.assertFalse(found_in(check_docs, "docs/a.md", "[a](a.md) [x](https://example.org/b.md)\n"))

    def test_an_unlisted_example_is_found(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "config_examples"
            folder.mkdir()
            (folder / "a.json").write_text("{}\n")
            (folder / "README.md").write_text("nothing\n")
            self.assertTrue(list(check_docs.violations(pathlib.Path(name))))
            (folder / "README.md").write_text("`a.json`\n")
            self.assertFalse(list(check_docs.violations(pathlib.Path(name))))


class Features(unittest.TestCase):
    TEST = 'TEST_CASE("a name "\n          "in two lines") {\n'

    def found(self, row, page="x.md", index="| [x.md](x.md) | 1 | 0 | 0 | 0 | 0 |"):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for path, text in ((f"docs/features/{page}", row + "\n"), ("docs/features/README.md", index + "\n"),
                               ("tests/a_test.cpp", self.TEST), ("tests/b.py", "    def test_b(self):\n")):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            return list(check_features.violations(root))

    def test_a_row_with_its_tests_is_fine(self):
        self.assertFalse(self.found('| X1 | what | done | `tests/a_test.cpp` "a name in two lines"; `tests/b.py` "test_b" |'))

    def test_what_is_wrong_with_a_row_is_found(self):
        for row in ('| X1 | what | done | `tests/c_test.cpp` |',  # no such file
                    '| X1 | what | done | `tests/a_test.cpp` "another name" |',
                    '| X1 | what | done | `tests/b.py` "test" |',
                    '| X1 | what | done | because |',  # no test
                    '| X1 | what | fine | `tests/b.py` |',  # no such state
                    '| X1 | what | done | |'):
            with self.subTest(row=row):
                self.assertTrue(self.found(row))
        row = '| X1 | what | done | `tests/b.py` |'
        self.assertTrue(self.found(row + "\n" + row))
        self.assertTrue(self.found(row, index="| [x.md](x.md) | 2 | 0 | 0 | 0 | 0 |"))

    def test_rows_that_are_missing_or_too_many_are_found(self):
        found = self.found('| A25 | what | n/a | because |', page="a-f.md")
        self.assertIn("docs/features/a-f.md: no row A24", found)
        self.assertIn("docs/features/a-f.md: A25 is no row of its group", found)


class Layers(unittest.TestCase):
    def test_a_dependency_outside_its_folder_is_found(self):
        for path, include in [
            ("plugins/observers/a/a.cpp", "<torch/torch.h>"),
            ("plugins/observers/a/a.cpp", "<fmt/format.h>"),
            ("plugins/observers/a/a.cpp", "<boost/json.hpp>"),
            ("sdk/include/detent/abi.h", "<fmt/format.h>"),
            ("framework/src/run/run.cpp", "<boost/json.hpp>"),
            ("framework/src/run/run.cpp", "<boost/dll.hpp>"),
            ("framework/src/run/run.cpp", "<openssl/evp.h>"),
            ("framework/src/base/file.cpp", "<xxhash.h>"),
            ("framework/src/run/run.cpp", "<CLI/CLI.hpp>"),
            ("framework/src/run/run.cpp", "<hwy/highway.h>"),
            ("framework/src/run/run.cpp", "<detent/kernels/quantize.hpp>"),
        ]:
            with self.subTest(path=path, include=include):
                self.assertEqual(len(found_in(check_layers, path, f"#include {include}\n")), 1)

    def test_a_dependency_in_its_folder_is_allowed(self):
        for path, include in [
            ("plugins/kernels/src/a.cpp", "<hwy/highway.h>"),
            ("plugins/observers/a/a.cpp", "<detent/sdk.hpp>"),
            ("framework/src/json/parse.cpp", "<boost/json/basic_parser_impl.hpp>"),
            ("framework/src/plugin/load.cpp", "<boost/dll/shared_library.hpp>"),
            ("framework/src/base/hash.cpp", "<xxhash.h>"),
            ("framework/src/base/file.cpp", "<sys/stat.h>"),
            ("framework/cli/main.cpp", "<CLI/CLI.hpp>"),
        ]:
            with self.subTest(path=path, include=include):
                self.assertEqual(found_in(check_layers, path, f"#include {include}\n"), [])

    def test_a_stage_that_includes_a_later_one_is_found(self):
        self.assertTrue(found_in(check_layers, "framework/src/plan/a.cpp", '#include "run/run.hpp"\n'))
        self.assertFalse(found_in(check_layers, "framework/src/run/a.cpp", '#include "plan/plan.hpp"\n'))

    def test_the_name_of_a_plugin_in_the_framework_is_found(self):
        self.assertTrue(found_in(check_layers, "framework/src/run/a.cpp", 'auto x = "minmax";\n'))
        self.assertFalse(found_in(check_layers, "framework/src/run/a.cpp", '// as in "minmax"\n'))


class Sizes(unittest.TestCase):
    def test_a_long_file_is_found(self):
        self.assertFalse(found_in(check_sizes, "sdk/a.cpp", "int a;\n" * 400))
        self.assertTrue(found_in(check_sizes, "sdk/a.cpp", "int a;\n" * 401))

    def test_a_long_function_is_found(self):
        self.assertFalse(found_in(check_sizes, "sdk/a.cpp", function_of(60)))
        self.assertTrue(found_in(check_sizes, "sdk/a.cpp", function_of(61)))

    def test_a_long_loop_is_found_and_a_long_table_is_not(self):
        loop = "int f() {\n  for (;;) {\n" + "    g();\n" * 60 + "  }\n}\n"
        table = "List f() {\n  return {\n" + "      {1, 2},\n" * 60 + "  };\n}\n"
        self.assertTrue(found_in(check_sizes, "sdk/a.cpp", loop))
        self.assertFalse(found_in(check_sizes, "sdk/a.cpp", table))

    def test_a_long_method_is_found_and_its_class_is_not(self):
        method = "".join("  " + line + "\n" for line in function_of(61).splitlines())
        self.assertEqual(len(found_in(check_sizes, "sdk/a.cpp", "class A {\n" + method + "};\n")), 1)


class Sources(unittest.TestCase):
    def test_each_fault_is_found(self):
        for text in ["// \u00e9\n", "\tint a;\n", "int a; \n", "// TO" "DO later\n", "int a;",
                     'void f() { std::cout << 1; }\n', "void f() { std::abort(); }\n"]:
            with self.subTest(text=text):
                self.assertTrue(found_in(check_sources, "framework/src/run/a.cpp", LICENCE + text))

    def test_a_missing_licence_line_is_found(self):
        self.assertTrue(found_in(check_sources, "framework/src/run/a.cpp", "int a;\n"))

    def test_an_innocent_file_passes(self):
        text = LICENCE + "void f(Writer& w) { w.abort(); }\n"
        self.assertEqual(found_in(check_sources, "framework/src/run/a.cpp", text), [])


if __name__ == "__main__":
    unittest.main()
