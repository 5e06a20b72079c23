# SPDX-License-Identifier: Apache-2.0
"""The list of faults: reading it, planting one, and the table of results."""
import sys
from dataclasses import dataclass
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    print("skipped: no Python of version 3.11 or newer, which reads TOML")
    sys.exit(77)


@dataclass(frozen=True)
class Fault:
    id: str
    what: str
    file: str
    find: str
    replace: str
    tests: list


def read(path):
    faults = [Fault(**entry) for entry in tomllib.loads(path.read_text())["fault"]]
    ids = [f.id for f in faults]
    twice = {i for i in ids if ids.count(i) > 1}
    if twice:
        raise SystemExit(f"{path.name}: these ids are there twice: {', '.join(sorted(twice))}")
    return faults


def misfit(fault, root):
    """Why the fault cannot be planted, or None."""
    path = root / fault.file
    if not path.is_file():
        return f"{fault.id}: there is no {fault.file}"
    count = path.read_text().count(fault.find)
    if count != 1:
        return f"{fault.id}: {fault.file} holds the text to replace {count} times, not once: {fault.find!r}"
    if fault.find == fault.replace or not fault.tests:
        return f"{fault.id}: it changes nothing, or names no test"
    return None


def plant(fault, text):
    return text.replace(fault.find, fault.replace)


def write_table(path, chosen, results):
    caught = sum(1 for f in chosen if results[f.id] and not isinstance(results[f.id], str))
    lines = [
        "# Planted faults", "",
        "For whoever wants to know what the tests of the numeric code are worth. `./dev mutate --table docs/mutation.md` plants each of these faults alone in",
        "a copy of the sources (`tests/mutation/mutants.toml`), builds and runs the tests that it names, and writes this page. A fault that no test",
        "notices fails the command.", "",
        f"{caught} of {len(chosen)} faults are noticed.", "",
        "| Fault | Where | Noticed by |", "|---|---|---|",
    ]
    for f in chosen:
        found = results[f.id]
        said = found if isinstance(found, str) else ", ".join(f"`{t}`" for t in found) or "**nothing**"
        lines.append(f"| {f.what} | `{Path(f.file).as_posix()}` | {said} |")
    path.write_text("\n".join(lines) + "\n")
