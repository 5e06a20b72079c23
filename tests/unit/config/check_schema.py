#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the JSON Schema of the pipeline file with a validator that is not ours.

check_schema.py DUMP_SCHEMA PLUGINS EXAMPLES: every valid example must be accepted, every invalid
one refused, but for mistakes that no schema can see. Exit status 77 (skipped) without the Python
package jsonschema.
"""
import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: the Python package jsonschema is not installed")
    sys.exit(77)

# Mistakes between keys, in the file system, or in a text that the schema takes as any text.
BEYOND = {
    "bad_dtype", "bad_regex", "empty_exclude", "min_above_max", "nul_in_path", "output_is_the_data",
    "output_is_the_model", "outputs_share_a_path", "pin_too_short", "pin_twice",
    "pin_without_prefix", "plugin_auto_undecided", "plugin_output_extension", "regex_too_costly", "rule_does_nothing",
    "rule_keeps_and_quantizes", "integer_too_large",
}
# A string, a comment, or a comma before a closing bracket.
TOKEN = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[\]}])',
                   re.DOTALL)


class Refused(Exception):
    pass


def unique(pairs):
    keys = [k for k, _ in pairs]
    if len(set(keys)) != len(keys):
        raise Refused("duplicate key")
    return dict(pairs)


def finite(text):
    if float(text) in (float("inf"), float("-inf")):
        raise Refused("not finite")
    return float(text)


def no_constant(text):
    raise Refused(text)


def read(path):
    try:
        text = TOKEN.sub(lambda m: m.group(1) or "", path.read_bytes().decode("utf-8"))
        return json.loads(text, object_pairs_hook=unique, parse_float=finite,
                          parse_constant=no_constant)
    except ValueError as e:
        raise Refused(str(e)) from e


def main(dump_schema, plugins, examples):
    schema = json.loads(subprocess.run([dump_schema, plugins], check=True, capture_output=True,
                                       text=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    has_plugins = "int8" in json.dumps(schema)
    failures = []
    examples = pathlib.Path(examples)
    for path in sorted(examples.rglob("*.json")):
        if path.parent.name not in (examples.name, "invalid") or path.name.endswith("schema.json"):
            continue
        if path.stem.startswith("plugin_") and not has_plugins:
            continue
        try:
            error = next(iter(validator.iter_errors(read(path))), None)
            refused = error is not None
            why = error.message if error else ""
        except Refused as e:
            refused, why = True, str(e)
        should_refuse = path.parent.name == "invalid"
        if path.stem in BEYOND:
            should_refuse = refused
        if refused != should_refuse:
            failures.append(f"{path.name}: {'refused: ' + why if refused else 'accepted'}")
    print("\n".join(failures) or "the schema agrees with every example")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
