# SPDX-License-Identifier: Apache-2.0
"""Strips a generated weights.json to what the tests read: the reference, not the peers' answers.

Usage: strip_weights.py GENERATED_WEIGHTS_JSON OUT
"""
import json
import sys


def main(source, target):
    with open(source, encoding="utf-8") as f:
        document = json.load(f)
    for case in document["cases"]:
        case.pop("peers", None)
    with open(target, "w", encoding="utf-8") as f:
        json.dump(document, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
