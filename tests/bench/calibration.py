#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What observing activations costs over running the model: all-MiniLM-L6-v2, batches of 8.

calibration.py [--json FILE] [--rounds N] [--threads 1,2] prints, for each number of threads, the time
of a batch of the bare model in the process that runs models, and of the same batch with the inputs of
all Linear layers observed, per tensor and asymmetric for INT8. Bare and observed runs take turns on
every batch in one process (bench_calibration), so that a busy machine slows all of them; overheads are
medians over the batches, in per cent of the bare run of the same batch, with the middle half in
brackets. It judges nothing.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILDS = ("bench", "dev")
OBSERVERS = {
    "minmax": "minmax",
    "ema": "ema",
    "histogram": "histogram",
    "mse": {"id": "histogram", "params": {"method": "mse"}},
}
GOALS = {"minmax": 15, "histogram": 40}  # per cent
BATCH, SAMPLES = 8, 144
WARM_UP = 2  # batches of each case that do not count: memory is touched for the first time
SKIPPED = 77
# The model has to be traced, which takes PyTorch; everything else here is Python's own.
TRACE = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import minilm
minilm.traced(minilm.encoder("sdpa")).save(sys.argv[2])
minilm.calibration_file(pathlib.Path(sys.argv[3]))
"""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def build_folder():
    """The build that has the programs; $DETENT_BENCH_BUILD, or the first of BUILDS."""
    given = os.environ.get("DETENT_BENCH_BUILD")
    for folder in [pathlib.Path(given)] if given else [REPOSITORY / "build" / name for name in BUILDS]:
        if (folder / "tests" / "bench" / "bench_calibration").is_file():
            return folder
    return skip("bench_calibration was not built (cmake --preset bench, with LibTorch)")


def trace(folder):
    """The traced model and its calibration data in `folder`."""
    minilm = os.environ.get("DETENT_TEST_MINILM", str(REPOSITORY / "build" / "cache" / "minilm"))
    fetched = subprocess.run([sys.executable, REPOSITORY / "tests" / "interop" / "fetch_minilm.py", minilm],
                             capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        skip("the model all-MiniLM-L6-v2 is not to be had")
    model, data = folder / "minilm.pt", folder / "sentences.safetensors"
    environment = {**os.environ, "DETENT_TEST_MINILM": minilm}
    traced = subprocess.run([sys.executable, "-c", TRACE, REPOSITORY / "tests" / "interop", model, data],
                            env=environment, check=False)
    if traced.returncode != 0:
        skip("tracing takes torch and transformers; ./dev setup installs them where there is a network")
    return model, data


def write_config(folder, model, data, threads):
    rule = {"match": {"type": "Linear"}, "weight": {"quantizer": "int8"},
            "activation": {"observer": "minmax", "quantizer": "int8"}}
    document = {"model": {"path": str(model)}, "rules": [rule],
                "calibration": {"data": str(data), "samples": SAMPLES, "batch_size": BATCH},
                "runtime": {"threads": threads, "model_threads": threads},
                "outputs": [{"serializer": "torchscript", "path": str(folder / "out" / "model.pt")}]}
    path = folder / f"threads_{threads}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def measure(build, config, rounds):
    """{case: [{"wall", "host_cpu", "model_cpu"}, ...]}, the n-th of each of the same batch."""
    environment = {**os.environ, "DETENT_TORCH_WORKER": str(build / "libexec" / "detent" / "detent-torch"),
                   "DETENT_PLUGIN_PATH": str(build / "lib" / "detent" / "plugins")}
    cases = [f"{name}={json.dumps(observer)}" for name, observer in OBSERVERS.items()]
    command = [build / "tests" / "bench" / "bench_calibration", str(rounds), config, *cases]
    lines = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in lines.splitlines():
        one = json.loads(line)
        found.setdefault(one.pop("case"), []).append(one)
    return {case: batches[WARM_UP:] for case, batches in found.items()}


def cpu(batch):
    return batch["host_cpu"] + batch["model_cpu"]


def over(batches, bare, of):
    """Median and middle half of the overheads, in per cent."""
    each = [100 * (of(one) / of(alone) - 1) for one, alone in zip(batches, bare)]
    low, middle, high = statistics.quantiles(each, n=4)
    return {"median": middle, "low": low, "high": high}


def summary(found):
    bare = found["bare"]
    rows = {}
    for case, batches in found.items():
        rows[case] = {"wall_ms": 1e3 * statistics.median(b["wall"] for b in batches),
                      "least_wall_ms": 1e3 * min(b["wall"] for b in batches),
                      "host_cpu_ms": 1e3 * statistics.median(b["host_cpu"] for b in batches),
                      "model_cpu_ms": 1e3 * statistics.median(b["model_cpu"] for b in batches)}
        if case != "bare":
            rows[case]["wall_over_percent"] = over(batches, bare, lambda b: b["wall"])
            rows[case]["cpu_over_percent"] = over(batches, bare, cpu)
            rows[case]["goal_percent"] = GOALS.get(case)
    return rows


def described(spread):
    return f"{spread['median']:.1f} % ({spread['low']:.1f} to {spread['high']:.1f})"


def print_table(threads, rows):
    print(f"\n{threads} thread{'s' if threads > 1 else ''} for the model and {threads} for the host\n\n"
          "| Batch of 8 | ms | over bare | CPU ms, model and host | CPU over bare | goal |\n|---|---|---|---|---|---|")
    for case, row in rows.items():
        times = f"{row['wall_ms']:.1f} | "
        processors = f"{row['model_cpu_ms']:.1f} + {row['host_cpu_ms']:.1f}"
        if case == "bare":
            print(f"| {case} | {times}  | {processors} |  |  |")
            continue
        goal = f"{row['goal_percent']} %" if row["goal_percent"] else ""
        print(f"| {case} | {times}{described(row['wall_over_percent'])} | {processors} | "
              f"{described(row['cpu_over_percent'])} | {goal} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="writes all figures to this file too")
    parser.add_argument("--rounds", type=int, default=5, help="passes over the 18 batches")
    parser.add_argument("--threads", default=f"1,{min(2, os.cpu_count() or 1)}")
    arguments = parser.parse_args()
    build = build_folder()
    results = {}
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        model, data = trace(folder)
        for threads in sorted({int(text) for text in arguments.threads.split(",")}):
            found = measure(build, write_config(folder, model, data, threads), arguments.rounds)
            results[threads] = summary(found)
            print_table(threads, results[threads])
    if arguments.json:
        document = {"benchmark": "calibration", "model": "all-MiniLM-L6-v2", "batch_size": BATCH,
                    "rounds": arguments.rounds, "threads": results}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
