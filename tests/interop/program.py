# SPDX-License-Identifier: Apache-2.0
"""Runs the program under test: $DETENT_TEST_PROGRAM. A missing requirement skips the whole file (77)."""
import hashlib
import importlib
import json
import os
import pathlib
import subprocess
import sys
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "config_examples"
SKIPPED = 77


def require(*modules):
    """Ends the test file as skipped when one of the modules is not installed."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            print(f"skipped: Python has no {module}; ./dev setup installs it where there is a network")
            sys.exit(SKIPPED)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def attempt(*arguments):
    """Runs the program, whatever comes of it."""
    command = [os.environ["DETENT_TEST_PROGRAM"], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600,
                          env={**os.environ, "CI": "true"}, stdin=subprocess.DEVNULL)


def detent(*arguments, expect=0):
    """Runs the program and returns (stdout, stderr); fails when it exits with anything but `expect`."""
    result = attempt(*arguments)
    if result.returncode != expect:
        raise AssertionError(f"{' '.join(result.args)}\nexited with {result.returncode}, expected {expect}\n"
                             f"{result.stdout}{result.stderr}")
    return result.stdout, result.stderr


def run_example(name, folder, *arguments):
    """Runs config_examples/<name>.json into `folder`; the artefact's path and the report."""
    target = pathlib.Path(folder) / "model.safetensors"
    command = ["run", EXAMPLES / f"{name}.json", "--json", "--set", f"/outputs/0/path={target}",
               "--set", f'/report={{"path": {json.dumps(str(folder))}}}', *arguments]
    return target, json.loads(detent(*command)[0])


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def main():
    unittest.main(verbosity=2)
