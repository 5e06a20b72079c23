#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long the program takes before it works.

startup.py [--json] [--rounds N] [--plugins N] measures the commands of $DETENT_TEST_PROGRAM that read no
weights: wall clock and processor time (the minimum and the median of the rounds, in milliseconds), with the
plugin cache empty ("cold") and filled ("warm"). The folder of many plugins holds copies of one that only
differ in their id: $DETENT_TEST_TEMPLATE is a plugin whose id is "many.000". `plan` needs the model
all-MiniLM-L6-v2 in $DETENT_TEST_MINILM. What is missing is left out and said so. It judges nothing.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SETTLED_SECONDS = 2.1  # a file that was written to just now is not cached
TEMPLATE_ID = b"many.000"


def run_once(command, environment):
    """Milliseconds of wall clock and of processor time, and the exit code, of one run."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_WRONLY, 0) for fd in (1, 2)]
    began = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, os.waitstatus_to_exitcode(status)


def measure(command, environment, rounds, before=lambda: None):
    runs = []
    for _ in range(rounds):
        before()
        runs.append(run_once(command, environment))
    if any(code != 0 for _, _, code in runs):
        raise SystemExit(f"{' '.join(command)} failed")
    wall, processor = [run[0] for run in runs], [run[1] for run in runs]
    return {"wall_ms": {"min": min(wall), "median": statistics.median(wall)},
            "cpu_ms": {"min": min(processor), "median": statistics.median(processor)}}


def copies(template, folder, count):
    content = pathlib.Path(template).read_bytes()
    for i in range(count):
        name = f"many.{i:03}".encode()
        (folder / f"{name.decode()}.detent.so").write_bytes(content.replace(TEMPLATE_ID, name))


def commands(program, many):
    """Name -> command; what is left out says so on standard error."""
    result = {"--version": [program, "--version"],
              "plugins list": [program, "plugins", "list"],
              "config check": [program, "config", "check",
                               str(REPOSITORY / "config_examples/minilm_int8.json")]}
    model = os.environ.get("DETENT_TEST_MINILM", "")
    if pathlib.Path(model, "model.safetensors").is_file():
        for scheme in ("int8", "int4"):
            result[f"plan MiniLM {scheme}"] = [
                program, "plan", str(REPOSITORY / f"config_examples/minilm_{scheme}.json"),
                "--set", f"/model/path={model}"]
    else:
        print("left out: no model in $DETENT_TEST_MINILM", file=sys.stderr)
    if many:
        result["plugins list, many"] = [program, "plugins", "list", "--plugin-path", str(many)]
    return result


def measure_all(program, rounds, many, cache):
    environment = {**os.environ, "DETENT_CACHE_DIR": str(cache)}
    environment.pop("DETENT_NO_CACHE", None)
    empty = lambda: shutil.rmtree(cache, ignore_errors=True)  # noqa: E731
    results = {}
    for name, command in commands(program, many).items():
        cold = measure(command, environment, max(3, rounds // 5), before=empty)
        results[name] = {"cold": cold, "warm": measure(command, environment, rounds)}
    return results


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--plugins", type=int, default=200)
    return parser.parse_args()


def main():
    arguments = parse()
    program = os.environ["DETENT_TEST_PROGRAM"]
    template = os.environ.get("DETENT_TEST_TEMPLATE", "")
    with tempfile.TemporaryDirectory() as folder:
        many = None
        if os.path.isfile(template):
            many = pathlib.Path(folder, "many")
            many.mkdir()
            copies(template, many, arguments.plugins)
            time.sleep(SETTLED_SECONDS)
        else:
            print("left out: no plugin in $DETENT_TEST_TEMPLATE", file=sys.stderr)
        results = measure_all(program, arguments.rounds, many, pathlib.Path(folder, "cache"))
    if arguments.json:
        print(json.dumps({"plugins": arguments.plugins if many else 0, "commands": results}, indent=2))
        return
    print(f"{'milliseconds':<22} {'cold':>8} {'warm':>8} {'median':>8} {'cpu':>8}")
    for name, row in results.items():
        cold, warm = row["cold"], row["warm"]
        print(f"{name:<22} {cold['wall_ms']['min']:8.1f} {warm['wall_ms']['min']:8.1f} "
              f"{warm['wall_ms']['median']:8.1f} {warm['cpu_ms']['min']:8.1f}")


if __name__ == "__main__":
    main()
