#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program and its plugins are linked to the declared libraries and to no other.

    check_libraries.py <program> <folder of plugins>
"""
import pathlib
import re
import shutil
import subprocess
import sys

# Of the system and the compiler; the sanitizers' belong to builds that have them.
SYSTEM = r"lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|c\+\+|c\+\+abi|unwind|asan|ubsan|tsan|lsan)|ld-linux.*"
# The declared ones: README.md and CONTRIBUTING.md say what each is for.
PROGRAM = r"lib(fmt|hwy|boost_[a-z]+|crypto|z|xxhash|detent.*)"
PLUGIN = r"lib(hwy|z)"


def needed(path):
    out = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", out)


def undeclared(path, allowed):
    name = re.compile(rf"^({SYSTEM}|{allowed})\.so(\..*)?$")
    return [f"{path.name}: {library}" for library in needed(path) if not name.match(library)]


def main():
    if shutil.which("readelf") is None:
        print("skipped: no readelf")
        return 77
    program, plugins = pathlib.Path(sys.argv[1]), sorted(pathlib.Path(sys.argv[2]).glob("*.so"))
    found = undeclared(program, PROGRAM)
    for plugin in plugins:
        found += undeclared(plugin, PLUGIN)
    for line in found:
        print(f"{line} is no declared library")
    print(f"1 program, {len(plugins)} plugins, {len(found)} violations")
    return 1 if found or not plugins else 0


sys.exit(main())
