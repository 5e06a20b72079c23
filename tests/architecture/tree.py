# SPDX-License-Identifier: Apache-2.0
"""The source files of the repository, for the checks of this folder."""
import pathlib
import sys

FOLDERS = (".ci", "config_examples", "docs", "framework", "plugins", "sdk", "tests")
C_AND_CPP = {".c", ".cpp", ".h", ".hpp"}
IGNORED = {"__pycache__", "build", ".venv", "out"}


def files(root, suffixes=None):
    """Pairs of (path, path relative to root with slashes), sorted."""
    found = [path for path in root.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (root / folder).rglob("*") if path.is_file()]
    for path in sorted(found):
        relative = path.relative_to(root)
        if IGNORED.intersection(relative.parts):
            continue
        if suffixes is None or path.suffix in suffixes:
            yield path, relative.as_posix()


def main(violations):
    """Runs a check on the tree that the command line names and exits with 1 when it finds something."""
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(violations(root))
    for line in found:
        print(line)
    print(f"{len(found)} violations" if found else "no violation")
    sys.exit(bool(found))
