#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/abi_reference.md from the ABI headers, or sees that it is what they say.

    write_reference.py INCLUDE LAYOUTS PAGE [--write]

LAYOUTS is the folder of layout_<major>.<minor>.txt: the first list that has a field says since when it is there.
"""
import re
import sys
from pathlib import Path

import headers

TOKEN = re.compile(r"(?P<comment>/\*.*?\*/)|(?P<code>[^;/]+(?:/(?!\*)[^;/]*)*;)", re.DOTALL)
DEFINE = re.compile(r"^#define (?P<name>DETENT_\w+)(?P<args>\([^)]*\))? +(?P<value>.*?)(?: */\* (?P<comment>.*?) \*/)?$", re.MULTILINE)
TYPEDEF = re.compile(r"^typedef (?:struct (?P<opaque>detent_\w+) detent_\w+|(?P<plain>[^{}\n]*?));", re.MULTILINE)
SPDX = re.compile(r"SPDX-License-Identifier:.*")


def prose(comment):
    """The text of a C comment, without its frame."""
    lines = [re.sub(r"^\s*/?\*+/?", "", line.replace("*/", "")).rstrip() for line in comment.splitlines()]
    return "\n".join(line[1:] if line.startswith(" ") else line for line in lines).strip()


def cell(text):
    return re.sub(r"([|<>])", r"\\\1", " ".join(text.split()))


def code(text):
    return "`" + " ".join(text.split()).replace("|", "\\|") + "`"


def members(body):
    """(declaration, comment) in order: a comment on the line of a field is that field's, others are the next one's."""
    found, pending, last_end = [], [], None
    for token in TOKEN.finditer(body):
        if token["code"]:
            found.append([" ".join(token["code"].split()).rstrip(";"), "\n".join(pending)])
            pending, last_end = [], token.end()
        elif last_end is not None and "\n" not in body[last_end : token.start()]:
            found[-1][1] = "\n".join(filter(None, [found[-1][1], prose(token["comment"])]))
            last_end = token.end()
        else:
            pending.append(prose(token["comment"]))
    return found


def read_layouts(folder):
    """(offset and size by field, the version that has it first), oldest list first."""
    fields, since = {}, {}
    version = lambda path: tuple(map(int, re.findall(r"\d+", path.stem)))
    for path in sorted(Path(folder).glob("layout_*.txt"), key=version):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and line[0] != "#":
                key, value = line.rsplit(" ", 1)
                fields[key] = value
                since.setdefault(key, ".".join(map(str, version(path))))
    return fields, since


def names_of(declaration):
    return [field.name for field in headers.parse_field(declaration, "reference")]


def struct_section(match, before, fields, since):
    name, body = match[1], match[2]
    comment = prose(before[before.rfind("/*") :]) if before.rstrip().endswith("*/") else ""
    frozen = f"{name} frozen" in fields
    size = fields[f"{name} frozen" if frozen else f"{name} size"]
    growth = "frozen: it never changes" if frozen else "it may grow at its end: ask `DETENT_HAS`"
    lines = [f"### {name}", "", f"{size} bytes; {growth}.", ""]
    if comment:
        lines += ["```text", comment, "```", ""]
    lines += ["| offset | since | field | |", "|---:|---|---|---|"]
    for declaration, text in members(body):
        for field in names_of(declaration):
            key = f"{name}.{field}"
            offset = fields[key].split("+")[0]
            shown = declaration.replace("DETENT_CALL ", "").replace("DETENT_CALL", "")
            lines.append(f"| {offset} | {since[key]} | {code(shown)} | {cell(text)} |")
    return lines + [""]


def constant_rows(text):
    for match in DEFINE.finditer(text):
        if match["args"] or not match["value"] or match["value"].startswith("__attribute__"):
            continue
        if match["name"] in ("DETENT_CALL", "DETENT_EXPORT", "DETENT_BEGIN_C", "DETENT_END_C"):
            continue
        value = match["value"].strip()
        if match["comment"] is None and "/*" in value:  # a comment that goes on in the next line
            rest = text[match.start("value") :]
            value, comment = value.split("/*")[0].strip(), rest[rest.index("/*") : rest.index("*/") + 2]
            yield match["name"], value, prose(comment)
        else:
            yield match["name"], value, match["comment"] or ""


def header_section(path, fields, since):
    text = path.read_text(encoding="utf-8")
    name = str(path).split("/include/")[1]
    intro = prose(SPDX.sub("", text[: text.index("*/")]))
    lines = [f"## {name}", "", "```text", intro.split("\n", 1)[-1].strip() if "\n" in intro else intro, "```", ""]
    if "\n" not in intro:
        lines = [f"## {name}", "", intro.split(" - ", 1)[-1], ""]
    rows = list(constant_rows(text))
    if rows:
        lines += ["| constant | value | |", "|---|---|---|"]
        lines += [f"| `{n}` | {code(v)} | {cell(c)} |" for n, v, c in rows] + [""]
    for match in headers.STRUCT.finditer(text):
        lines += struct_section(match, text[: match.start()], fields, since)
    return lines


def page(include, layouts):
    fields, since = read_layouts(layouts)
    lines = ["# ABI reference", "",
             "Made from the headers by `tests/abi/write_reference.py`; a test sees that it is current. What is promised about it: "
             "[abi.md](abi.md). Offsets are bytes, on every 64-bit target.", ""]
    for path in headers.paths(include):
        lines += header_section(path, fields, since)
    return "\n".join(lines).rstrip() + "\n"


def main():
    include, layouts, target = sys.argv[1:4]
    text = page(include, layouts)
    if "--write" in sys.argv:
        Path(target).write_text(text, encoding="utf-8")
        print(f"{len(text.splitlines())} lines written")
        return 0
    if not Path(target).exists() or Path(target).read_text(encoding="utf-8") != text:
        print(f"{target} is not what the headers say: run write_reference.py with --write")
        return 1
    print("the reference is current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
