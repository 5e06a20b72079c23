#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a document points to a file that is not there, or an index misses one."""
import re

import tree

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def broken_links(root):
    for file, path in tree.files(root, {".md"}):
        for target, _ in LINK.findall(CODE_BLOCK.sub("", file.read_text(encoding="utf-8"))):
            if "://" not in target and not (file.parent / target).exists():
                yield f"{path}: a link to {target}, which is not there"


def unlisted(root, folder, suffix, index):
    """Files of a folder that its index does not name."""
    if not (root / index).is_file():
        return
    text = (root / index).read_text(encoding="utf-8")
    for file in sorted((root / folder).glob("*" + suffix)):
        if file.name not in text and root / index != file:
            yield f"{index}: does not mention {file.name}"


def violations(root):
    yield from broken_links(root)
    yield from unlisted(root, "docs/decisions", ".md", "docs/index.md")
    yield from unlisted(root, "docs", ".md", "docs/index.md")
    yield from unlisted(root, "config_examples", ".json", "config_examples/README.md")


if __name__ == "__main__":
    tree.main(violations)
