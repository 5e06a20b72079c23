#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sdk/rust/src/abi.rs from the ABI headers, or sees that it is what they say.

    write_rust.py INCLUDE ABI_RS [--write]
"""
import re
import sys
from pathlib import Path

import headers
from write_reference import DEFINE

SCALARS = {"void": "c_void", "char": "c_char", "double": "f64", "uint8_t": "u8", "uint32_t": "u32", "int32_t": "i32",
           "uint64_t": "u64", "int64_t": "i64"}
TOKEN = re.compile(r"\w+|\*")
FUNCTION = re.compile(r"^(?P<returns>.*?)\(DETENT_CALL ?\*(?P<name>\w*)\)\((?P<args>.*)\)$", re.DOTALL)
OPAQUE = re.compile(r"^typedef struct (detent_\w+) \1;", re.MULTILINE)
NOT_CONSTANTS = ("DETENT_CALL", "DETENT_EXPORT", "DETENT_BEGIN_C", "DETENT_END_C")
# Written without a suffix in C, and kept in fields that are unsigned.
UNSIGNED = ("DETENT_KIND_", "DETENT_OUTPUT_")


def pointers(base, tokens, is_const):
    """Each '*' in turn, with the const that belongs to what it points to."""
    text = base
    for i, token in enumerate(tokens):
        if token == "*":
            text = ("*const " if is_const else "*mut ") + text
            is_const = tokens[i + 1 : i + 2] == ["const"]
    return text


def type_of(declaration):
    """The Rust type of a C declaration, with or without a name."""
    function = FUNCTION.match(declaration)
    if function:
        return function_type(function["returns"], function["args"])
    tokens = [t for t in TOKEN.findall(declaration) if t != "struct"]
    is_const = tokens[0] == "const"
    base = tokens[1 if is_const else 0]
    rest = tokens[2 if is_const else 1 :]
    return pointers(SCALARS.get(base, base), rest, is_const)


def split_arguments(text):
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip() not in ("", "void")]


def function_type(returns, arguments):
    types = ", ".join(type_of(a) for a in split_arguments(arguments))
    result = "" if returns.strip() == "void" else " -> " + type_of(returns)
    return f'Option<unsafe extern "C" fn({types}){result}>'


def struct_lines(struct):
    yield "#[repr(C)]"
    yield "#[derive(Clone, Copy)]"
    yield f"pub struct {struct.name} {{"
    for field in struct.fields:
        is_function = field.args is not None
        text = field.text if is_function else field.text.split(",")[0]
        yield f"    pub {field.name}: {type_of(text)},"
    yield "}"


def constant(name, value):
    if value.startswith('"'):
        return f"pub const {name}: &str = {value};"
    dtype = re.match(r"DETENT_DTYPE\((\d+), (\d+)\)$", value)
    if dtype:
        return f"pub const {name}: detent_dtype = {int(dtype[1]) | int(dtype[2]) << 8 | 1 << 16:#x};"
    if "UINT64_C" in value:
        plain = re.sub(r"UINT64_C\((\d+)\)", r"\1", value)
        return f"pub const {name}: u64 = {plain[1:-1]};"  # each is in parentheses
    number = re.match(r"(0x[0-9A-F]+|\d+)(u?)$", value)
    if number:
        kind = "u32" if number[2] or name.startswith(UNSIGNED) else "i32"
        return f"pub const {name}: {kind} = {number[1]};"
    if value.startswith("DETENT_"):
        return f"pub const {name}: u32 = {value};"
    raise SystemExit(f"{name}: not understood: {value}")


def constants(text):
    for match in DEFINE.finditer(text):
        if match["args"] or not match["value"] or match["name"] in NOT_CONSTANTS:
            continue
        value = match["value"].split("/*")[0].strip()
        if not value.startswith("__attribute__"):
            yield constant(match["name"], value)


def module(include):
    lines = ["// SPDX-License-Identifier: Apache-2.0",
             "//! The ABI as the headers `detent/abi.h` and `detent/abi/*.h` have it, and nothing else: what crosses the boundary.",
             "//! Made by `tests/abi/write_rust.py`; contracts and reasons are in the headers.",
             "#![allow(non_camel_case_types)]",
             "use std::os::raw::{c_char, c_void};", "", "pub type detent_dtype = u32;"]
    for path in headers.paths(include):
        text = path.read_text(encoding="utf-8")
        lines += ["", f"// ---- {str(path).split('/include/')[1]}", ""]
        lines += constants(text)
        for name in OPAQUE.findall(text):
            lines += ["", "#[repr(C)]", f"pub struct {name} {{", "    _private: [u8; 0],", "}"]
        for struct in headers.structs(include):
            if struct.header == path.name:
                lines += ["", *struct_lines(struct)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def main():
    include, target = sys.argv[1], Path(sys.argv[2])
    text = module(include)
    if "--write" in sys.argv:
        target.write_text(text, encoding="utf-8")
        print(f"{len(text.splitlines())} lines written")
        return 0
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        print(f"{target} is not what the headers say: run write_rust.py with --write")
        return 1
    print("the Rust declarations are current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
