#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a file or a function is too long to be read at one go. No exceptions."""
import re

import tree

FILE_LINES = 400
TEST_FILE_LINES = 500
FUNCTION_LINES = 60
CMAKE_LINES = 120

NOT_A_FUNCTION = re.compile(
    r"\s*((namespace|class|struct|enum|union|extern|if|else|for|while|switch|do|try|catch|return|case|"
    r"typedef)\b|[{}]|//|/?\*|#)|.*\bR\"")
CLOSED = (";", "}", "{", ":", ")};")


def statement_ending_at(lines, last):
    """The lines of the statement whose opening brace ends line `last`, and where it starts."""
    first = last
    while first > 0:
        before = lines[first - 1].rstrip()
        if not before or before.endswith(CLOSED) or before.lstrip().startswith(("//", "#", "*", "/*")):
            break
        first -= 1
    return first, " ".join(line.strip() for line in lines[first:last + 1])


def functions(lines):
    """(first line, last line, head) of every function body. Relies on what clang-format leaves: the
    closing brace stands in the column of the head's first line."""
    for last, line in enumerate(lines):
        if not line.rstrip().endswith("{") or "(" not in statement_ending_at(lines, last)[1]:
            continue
        first, head = statement_ending_at(lines, last)
        if NOT_A_FUNCTION.match(head):
            continue
        indent = len(lines[first]) - len(lines[first].lstrip())
        for end in range(last + 1, len(lines)):
            text = lines[end]
            if text.startswith(" " * indent + "}") and len(text) - len(text.lstrip()) == indent:
                yield first, end, head
                break


STEP = re.compile(r"\s*(for|if|while|switch|do|try)\b")


def is_table(lines, indent):
    """Is this body data, not steps to be followed? At its own level there are no more than three
    statements and no control flow."""
    level = [line for line in lines if len(line) - len(line.lstrip()) == indent + 2]
    return sum(line.rstrip().endswith(";") for line in level) <= 3 and not any(map(STEP.match, level))


def violations(root):
    for file, path in tree.files(root):
        name = file.name
        if name == "CMakeLists.txt" or file.suffix == ".cmake":
            limit = CMAKE_LINES
        elif file.suffix in tree.C_AND_CPP or file.suffix == ".py" or path == "dev":
            limit = TEST_FILE_LINES if path.startswith("tests/") else FILE_LINES
        else:
            continue
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) > limit:
            yield f"{path}: {len(lines)} lines; the limit is {limit}"
        if file.suffix not in tree.C_AND_CPP:
            continue
        for first, end, head in functions(lines):
            indent = len(lines[first]) - len(lines[first].lstrip())
            if end - first + 1 > FUNCTION_LINES and not is_table(lines[first + 1:end], indent):
                yield f"{path}:{first + 1}: {end - first + 1} lines in {head[:60]}; the limit is {FUNCTION_LINES}"


if __name__ == "__main__":
    tree.main(violations)
