# SPDX-License-Identifier: Apache-2.0
"""The structs and functions of the ABI headers, read from their text.

A field can then not be forgotten in a list that is kept by hand. The headers are plain C with rules of
their own (R5: no unions, bit-fields or nested structs), so a small reader is enough; what it does not
understand is an error, never skipped.
"""
import re
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
STRUCT = re.compile(r"typedef struct (\w+) \{(.*?)\} (\w+);", re.DOTALL)
FUNCTION_FIELD = re.compile(r"^(?P<returns>[\w ]+?[ *]*)\(DETENT_CALL ?\*(?P<name>\w+)\)\((?P<args>.*)\)$", re.DOTALL)
PLAIN_FIELD = re.compile(r"^(?P<type>(?:const )?(?:struct )?\w+(?: \*(?:const )?\*?| ?\*)?|(?:const )?\w+ \*const \*|(?:const )?\w+) ?(?P<names>\*?\w+(?:, ?\*?\w+)*)$")


class Field:
    def __init__(self, name, text, returns=None, args=None):
        self.name, self.text, self.returns, self.args = name, text, returns, args


class Struct:
    def __init__(self, name, fields, header, comment):
        self.name, self.fields, self.header, self.frozen = name, fields, header, "FROZEN" in comment


def paths(include):
    return [Path(include, "detent", "abi.h")] + sorted(Path(include, "detent", "abi").glob("*.h"))


def code(text):
    """Without comments and preprocessor lines."""
    return DIRECTIVE.sub("", COMMENT.sub(" ", text))


def parse_field(text, struct):
    flat = " ".join(text.split())
    function = FUNCTION_FIELD.match(flat)
    if function:
        return [Field(function["name"], flat, function["returns"].strip(), function["args"])]
    plain = PLAIN_FIELD.match(flat)
    if not plain:
        raise SystemExit(f"{struct}: not understood: {flat}")
    return [Field(name.lstrip("* "), flat) for name in re.split(r", ?", plain["names"])]


def structs(include):
    found = []
    for path in paths(include):
        text = path.read_text(encoding="utf-8")
        for match in STRUCT.finditer(text):
            name, body, alias = match.groups()
            if name != alias:
                raise SystemExit(f"{path.name}: struct {name} is called {alias}")
            parts = [part for part in code(body).split(";") if part.strip()]
            fields = [field for part in parts for field in parse_field(part, name)]
            before = text[: match.start()].rstrip()
            comment = before[before.rfind("/*") :] if before.endswith("*/") else ""
            found.append(Struct(name, fields, path.name, comment))
        if len(STRUCT.findall(text)) != len(re.findall(r"\bstruct \w+ \{", code(text))):
            raise SystemExit(f"{path.name}: a struct that is no `typedef struct x {{...}} x;`")
    return found
