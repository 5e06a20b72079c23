#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the shell commands of a page, in order, in one shell and an empty folder.

    run_docs.py PAGE SOURCE [DETENT]

```sh is run; ```sh detent is run when the program is there. DETENT_SOURCE is the checkout.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```sh(?P<needs> detent)?\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


def main():
    page, source = Path(sys.argv[1]), sys.argv[2]
    detent = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    blocks = list(BLOCK.finditer(page.read_text(encoding="utf-8")))
    script = ["set -eu", *(block["code"] for block in blocks if detent or not block["needs"])]
    if not blocks:
        print("no commands found")
        return 1
    if len(script) == 1:
        print("skipped: all commands need the program")
        return 77
    environment = dict(os.environ, DETENT_SOURCE=source)
    if detent:
        environment["PATH"] = f"{detent.parent}:{environment['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(["sh", "-x", "-c", "\n".join(script)], cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
