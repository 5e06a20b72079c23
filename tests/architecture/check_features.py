#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when docs/features misses a row, has one twice, or cites a test that is not there.

A row is `| id | promise | state | proof |`. The proof names files of tests in backticks, each followed by
the names of tests in it in double quotes.
"""
import re

import tree

FOLDER = "docs/features"
# Rows of each group by the page that holds them; a page that is not there yet is not missed.
GROUPS = {
    "a-f.md": {"A": 24, "B": 10, "C": 14, "D": 21, "E": 15, "F": 15},
    "g-u.md": {"G": 3, "H": 9, "I": 5, "J": 17, "K": 14, "L": 8, "M": 6, "N": 8, "O": 14, "P": 4, "Q": 8, "R": 16,
               "T": 7},
}
STATES = ("done", "differs", "partly", "no", "n/a")
NEEDS_PROOF = ("done", "differs", "partly")

# Requirements, by what comes before their numbers.
NAMED = {"g-u.md": {"QCORE-0": 7, "CAL-0": 5, "UI-0": 4, "IO-0": 5, "VAL-0": 4, "AGN-0": 4}}

ROW = re.compile(r"^\| ([A-Z]+-?\d+) \|(.*)\|$")
PATH = re.compile(r"`(tests/[^`]+)`")
NAME = re.compile(r'"([^"]+)"')
JOINED = re.compile(r'"\s*\n\s*"')  # a C++ literal that goes on in the next line


def rows(text):
    """Triples of (id, state, proof)."""
    for line in text.splitlines():
        match = ROW.match(line)
        if match:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", match[2])]
            yield match[1], cells[1] if len(cells) > 1 else "", cells[2] if len(cells) > 2 else ""


def holds(text, file, name):
    if file.suffix == ".py":
        return re.search(rf"\bdef {re.escape(name)}\(|\bclass {re.escape(name)}\b", text) is not None
    return f'"{name}"' in text


def wrong_citations(root, proof):
    """What a proof names and the tree does not have."""
    pieces = PATH.split(proof)  # text, path, text, path, text
    for path, after in zip(pieces[1::2], pieces[2::2]):
        file = root / path
        if not file.is_file():
            yield f"no file {path}"
            continue
        text = JOINED.sub("", file.read_text(encoding="utf-8"))
        for name in NAME.findall(after):
            if not holds(text, file, name):
                yield f"no test {name!r} in {path}"


def wanted_rows(page):
    counts = {**GROUPS.get(page, {}), **NAMED.get(page, {})}
    return {f"{group}{i}" for group, count in counts.items() for i in range(1, count + 1)}


def wrong_rows(root, page, text):
    seen = set()
    for row, state, proof in rows(text):
        where = f"{FOLDER}/{page}: {row}"
        if row in seen:
            yield f"{where} is there twice"
        seen.add(row)
        if state not in STATES:
            yield f"{where}: the state {state!r} is none of {', '.join(STATES)}"
        if not proof:
            yield f"{where}: neither a proof nor a reason"
        if state in NEEDS_PROOF and not PATH.search(proof):
            yield f"{where}: {state}, and no test is named"
        for what in wrong_citations(root, proof):
            yield f"{where}: {what}"
    wanted = wanted_rows(page)
    for row in sorted(wanted - seen):
        yield f"{FOLDER}/{page}: no row {row}"
    for row in sorted(seen - wanted) if wanted else ():
        yield f"{FOLDER}/{page}: {row} is no row of its group"


def count_states(text):
    counts = dict.fromkeys(STATES, 0)
    for _, state, _ in rows(text):
        if state in counts:
            counts[state] += 1
    return counts


def wrong_counts(root, pages):
    """The index says of each page how many rows it has in each state."""
    index = root / FOLDER / "README.md"
    text = index.read_text(encoding="utf-8") if index.is_file() else ""
    for page, page_text in pages.items():
        counts = count_states(page_text)
        line = f"| [{page}]({page}) | " + " | ".join(str(counts[state]) for state in STATES) + " |"
        if line not in text:
            yield f"{FOLDER}/README.md: lacks the line  {line}"


def violations(root):
    folder = root / FOLDER
    if not folder.is_dir():
        return
    pages = {file.name: file.read_text(encoding="utf-8")
             for file in sorted(folder.glob("*.md")) if file.name != "README.md"}
    for page, text in pages.items():
        yield from wrong_rows(root, page, text)
    yield from wrong_counts(root, pages)


if __name__ == "__main__":
    tree.main(violations)
