#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules R4 and R5 of abi/base.h in the ABI headers: check_rules.py INCLUDE."""
import re
import sys

import headers

# Everything that may cross the boundary by value; by pointer also void, char and any detent_ struct.
SCALARS = {"int32_t", "uint32_t", "int64_t", "uint64_t", "double", "detent_dtype"}
FORBIDDEN = re.compile(r"\b(bool|_Bool|enum|union|long|short|size_t|unsigned|wchar_t|va_list|float)\b|\.\.\.")
# Inline functions are compiled into whoever calls them; they are no part of the ABI.
INLINE = re.compile(r"static inline .*?\n\}", re.DOTALL)
NO_TAIL = re.compile(r"DETENT_NO_TAIL\((\w+), (\w+)\)")
# Structs with a first field other than struct_size that are not FROZEN: the library header, whose
# first 16 bytes never change, and what they are.
OWN_HEAD = {"detent_library"}


def type_of(declaration):
    """'const struct detent_call *c' -> ('detent_call', True); the flag says pointer."""
    words = re.sub(r"\b(const|struct)\b", " ", declaration.replace("*", " * ")).split()
    return words[0], "*" in words


def check_type(declaration, where):
    name, pointer = type_of(declaration)
    if pointer:
        if name not in SCALARS | {"void", "char", "uint8_t"} and not name.startswith("detent_"):
            yield f"{where}: pointer to {name}"
    elif name not in SCALARS and not name.endswith("_fn"):
        yield f"{where}: {name} by value"


def check_function(returns, args, where):
    if returns != "void":
        yield from check_type(returns, where + " (result)")
    if args.strip() == "void":
        return
    depth_split = re.split(r",(?![^()]*\))", args)
    for argument in depth_split:
        callback = re.match(r"\s*([\w ]+?[ *]*)\(DETENT_CALL ?\*\w+\)\((.*)\)", argument)
        if callback:
            yield from check_function(callback[1].strip(), callback[2], where + " (callback)")
        else:
            yield from check_type(argument.strip(), where)


def check_struct(struct, no_tail):
    if no_tail.get(struct.name) != struct.fields[-1].name:
        yield f"{struct.name}: R4: no DETENT_NO_TAIL over its last field {struct.fields[-1].name}"
    sized = struct.fields[0].name == "struct_size" and struct.fields[0].text.startswith("uint64_t")
    if not sized and not struct.frozen and struct.name not in OWN_HEAD:
        yield f"{struct.name}: R4: neither FROZEN nor led by uint64_t struct_size"
    for field in struct.fields:
        where = f"{struct.name}.{field.name}"
        if field.returns is not None:
            yield from check_function(field.returns, field.args, where)
        else:
            yield from check_type(field.text, where)


def violations(include):
    no_tail = {}
    for path in headers.paths(include):
        text = INLINE.sub("", headers.code(path.read_text(encoding="utf-8")))
        no_tail.update(NO_TAIL.findall(text))
        for found in FORBIDDEN.finditer(text):
            yield f"{path.name}: R5: {found[0]}"
        if re.search(r"\w\s*:\s*\d+\s*;", text):
            yield f"{path.name}: R5: a bit-field"
    for struct in headers.structs(include):
        yield from check_struct(struct, no_tail)


if __name__ == "__main__":
    found = list(violations(sys.argv[1]))
    print("\n".join(found) or "R4 and R5 hold")
    sys.exit(1 if found else 0)
