#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on what no source file may hold: non-ASCII text, a tab, a missing licence line, an open end,
output from the library."""
import re

import tree

SOURCES = tree.C_AND_CPP | {".py", ".sh", ".cmake"}
OPEN_END = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# The library says what it has to say by its results; only the program prints.
PRINTS = re.compile(r"\b(std::cout|std::cerr|printf\(|puts\(|fmt::print\()")
ENDS_PROCESS = re.compile(r"\bstd::(abort|exit|quick_exit|terminate)\(|(?<![\w.>:])exit\(")
SILENT = ("framework/src/", "plugins/", "sdk/include/")


def problems_of_line(path, line):
    if not line.isascii():
        yield "not ASCII"
    if "\t" in line:
        yield "a tab"
    if line != line.rstrip():
        yield "space at the end of the line"
    if OPEN_END.search(line):
        yield "an open end: finish it or file an issue"
    code = line.split("//")[0]
    if path.startswith(SILENT):
        if PRINTS.search(code) and "snprintf(" not in code:
            yield "the library does not print"
        if ENDS_PROCESS.search(code):
            yield "the library does not end the process"


def violations(root):
    for file, path in tree.files(root):
        if file.suffix not in SOURCES and file.name != "CMakeLists.txt":
            continue
        text = file.read_bytes().decode("utf-8", errors="replace")
        if "\r" in text:
            yield f"{path}: carriage returns"
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at the end"
        lines = text.splitlines()
        if file.suffix in tree.C_AND_CPP | {".py", ".sh"}:
            if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
                yield f"{path}: no SPDX-License-Identifier in the first line"
        for number, line in enumerate(lines, 1):
            for problem in problems_of_line(path, line):
                yield f"{path}:{number}: {problem}"


if __name__ == "__main__":
    tree.main(violations)
