#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the table of cases at the end of docs/plugins_check.md anew.

    write_page.py DETENT PAGE
"""
import json
import pathlib
import subprocess
import sys

HEAD = "| Case | Rule |\n|---|---|\n"


def main():
    detent, page = sys.argv[1], pathlib.Path(sys.argv[2])
    listed = subprocess.run([detent, "plugins", "check", "--list", "--json"], capture_output=True, text=True,
                            check=True)
    rows = ["| `{}` | {} |\n".format(c["name"], c["rule"].replace("|", "\\|"))
            for c in json.loads(listed.stdout)["cases"]]
    text = page.read_text(encoding="utf-8")
    page.write_text(text[:text.index(HEAD)] + HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
