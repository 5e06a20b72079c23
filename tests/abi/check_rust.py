#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every offset and size of sdk/rust/src/abi.rs, as rustc lays it out, with C's.

    check_rust.py COMPILER INCLUDE ABI_RS
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import check_layout
import headers


def program(structs, abi):
    lines = [f'#[allow(dead_code)]\n#[path = "{abi}"]\nmod abi;', "use std::mem::{size_of, size_of_val, zeroed};", "fn main() {"]
    for s in structs:
        lines.append(f'    println!("{s.name} {"frozen" if s.frozen else "size"} {{}}", size_of::<abi::{s.name}>());')
        lines.append(f"    let x: abi::{s.name} = unsafe {{ zeroed() }};\n    let at = &x as *const _ as usize;")
        for f in s.fields:
            lines.append(f'    println!("{s.name}.{f.name} {{}}+{{}}", &x.{f.name} as *const _ as usize - at, size_of_val(&x.{f.name}));')
    return "\n".join([*lines, "}"])


def measure(structs, abi):
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "layout.rs"), Path(folder, "layout")
        source.write_text(program(structs, Path(abi).resolve()), encoding="utf-8")
        subprocess.run(["rustc", "--edition", "2021", str(source), "-o", str(binary)], check=True)
        return subprocess.run([str(binary)], capture_output=True, text=True, check=True).stdout.splitlines()


def main():
    compiler, include, abi = sys.argv[1:4]
    if shutil.which("rustc") is None:
        print("skipped: there is no rustc")
        return 77
    structs = headers.structs(include)
    c, rust = check_layout.measure(compiler, include, structs), measure(structs, abi)
    for ours, theirs in zip(c, rust):
        if ours != theirs:
            print(f"C: {ours}   Rust: {theirs}")
    print(f"{len(c)} offsets and sizes of C, {len(rust)} of Rust")
    return 0 if c == rust else 1


if __name__ == "__main__":
    sys.exit(main())
